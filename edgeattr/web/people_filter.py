"""Which people a question is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeattr.core.errors import UsageError

__all__ = ["PeopleFilter", "limit_of"]

_ANSWERS = ("yes", "no", "unknown")
_MOST = 10_000  # people in one answer
_DIGITS = 5  # of such a number; int() refuses thousands of them
_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True, kw_only=True)
class PeopleFilter:
    """People who are asked for; what is absent does not matter."""

    stream: str | None = None  # where they were seen
    attribute: str | None = None  # that was answered
    answer: str = "yes"  # with that
    text: str = ""  # in the stream's or an attribute's name that they have; "_" is like " "
    in_view: bool | None = None
    limit: int = 100  # people at most

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> PeopleFilter:
        """Of a web address's query.

        Raises:
            UsageError: an unknown key, or a value that makes no sense.
        """
        known = ("stream", "attribute", "answer", "text", "in_view", "limit")
        if unknown := sorted(set(query) - set(known)):
            raise UsageError(f"unknown key {unknown[0]!r}; expected {', '.join(known)}")
        answer, flag = query.get("answer"), query.get("in_view")
        if answer is not None and (answer not in _ANSWERS or "attribute" not in query):
            raise UsageError("answer is yes, no or unknown, and goes with attribute")
        if flag is not None and flag not in _FLAGS:
            raise UsageError(f"in_view is {flag!r}; expected true or false")
        return cls(
            stream=query.get("stream"),
            attribute=query.get("attribute"),
            answer=answer or "yes",
            text=query.get("text", "").strip().lower(),
            in_view=None if flag is None else _FLAGS[flag],
            limit=limit_of(query),
        )

    def matches(self, person: Mapping[str, Any]) -> bool:
        """Whether one person is asked for."""
        answers = {name: value["answer"] for name, value in person["attributes"].items()}
        return (
            (self.stream is None or person["stream"] == self.stream)
            and (self.attribute is None or answers.get(self.attribute) == self.answer)
            and (self.in_view is None or person["in_view"] == self.in_view)
            and (not self.text or self._mentions(person["stream"], answers))
        )

    def _mentions(self, stream: str, answers: Mapping[str, str]) -> bool:
        names = (name for name, answer in answers.items() if answer == "yes")
        text = self.text.replace("_", " ")
        return any(text in name.lower().replace("_", " ") for name in (stream, *names))


def limit_of(query: Mapping[str, str]) -> int:
    """How many people a web address asks for, at most.

    Raises:
        UsageError: no number, or too many.
    """
    limit = query.get("limit", "100")
    whole = limit.isascii() and limit.isdigit() and len(limit) <= _DIGITS
    if not (whole and 1 <= int(limit) <= _MOST):
        raise UsageError(f"limit is {limit[:20]!r}; expected 1 to {_MOST}")
    return int(limit)
