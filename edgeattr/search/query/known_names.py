"""Which attributes and streams there are, and which of them a query means."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from edgeattr.core.errors import QueryError
from edgeattr.core.label_ranking import label_name
from edgeattr.search.query.conditions import Crossed, Place, Span
from edgeattr.search.query.query_errors import printable, query_error
from edgeattr.search.query.quoting import bare_or_quoted, loose, plain_or_quoted, quoted

_LISTED = 40  # names in a message


@dataclass(frozen=True, kw_only=True)
class KnownNames:
    """The names that records have."""

    attributes: Collection[str]
    streams: Collection[str]
    zones: Collection[str] = ()
    lines: Collection[str] = ()
    withheld: Collection[str] = ()  # sensitive attributes that are not reported
    place: str = "in this store"  # where they are, for messages
    text: str | None = None  # the query, for messages that point into it
    _loose: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in self.attributes:
            self._loose.setdefault(loose(name), []).append(name)
        for name in sorted(self.attributes, key=lambda name: name.endswith("_body")):
            self._loose.setdefault(loose(label_name(name)), [name])  # answers before colours

    @property
    def written(self) -> list[str]:
        """Names of attributes as queries may have them: also as labels say them."""
        return sorted({*self.attributes, *map(label_name, self.attributes)})

    def attribute(self, name: str, span: Span | None) -> str | None:
        """The attribute that is meant, as records have it; None if there is none.

        Raises:
            QueryError: several could be meant.
        """
        if name in self.attributes:
            return name
        close = self._loose.get(loose(name), [])
        if len(close) > 1:
            listed = " or ".join(map(quoted, close))
            raise self.error(f"`{name}` could be {listed}; write it so", span)
        return close[0] if close else None

    def streams_like(self, pattern: str) -> list[str]:
        """The streams whose names fit a shell pattern, in any case."""
        fits = re.compile(fnmatch.translate(pattern.casefold())).match
        return [name for name in self.streams if fits(name.casefold())]

    def of_place(self, leaf: Place) -> str | None:
        """The zone or line that a condition means; None if there is none."""
        known = self.lines if isinstance(leaf, Crossed) else self.zones
        if leaf.name in known:
            return leaf.name
        return next((name for name in known if loose(name) == loose(leaf.name)), None)

    def no_place(self, leaf: Place, elsewhere: Sequence[str] = ()) -> QueryError:
        """What to say where there is no such zone or line.

        Args:
            leaf: names it.
            elsewhere: streams that have it.
        """
        kind, known = ("line", self.lines) if isinstance(leaf, Crossed) else ("zone", self.zones)
        near = difflib.get_close_matches(leaf.name[:200], known, n=3, cutoff=0.5)
        hint = self._hint([plain_or_quoted(found) for found in near], known)
        if elsewhere:
            hint += f"; there is one at {', '.join(quoted(_short(name)) for name in elsewhere)}"
        problem = f"no {kind} {quoted(_short(leaf.name))} {self.place}; {hint}"
        return self.error(problem, leaf.span)

    def no_attribute(self, name: str, span: Span | None) -> QueryError:
        """What to say where no record has such an attribute."""
        if loose(name) in map(loose, self.withheld):
            problem = f"`{_short(name)}` is sensitive and not reported; [privacy] has to say "
            return self.error(f"{problem}include_sensitive = true", span)
        words = self._split(loose(name).split("_"))
        if len(words) > 1:
            hint = f"did you mean `{' and '.join(words)}`?"
        else:
            wanted = loose(name)
            near = difflib.get_close_matches(wanted[:100], self._loose, n=3, cutoff=0.6)
            near += [known for known in self._loose if wanted in known.split("_")]
            keys = list(dict.fromkeys(near))[:3]
            hint = self._hint([self._written(key) for key in keys], self.attributes)
        return self.error(f"no attribute `{_short(name)}` {self.place}; {hint}", span)

    def no_stream(self, name: str, span: Span | None) -> QueryError:
        """What to say where no record has such a stream."""
        near = difflib.get_close_matches(name[:200], self.streams, n=3, cutoff=0.5)
        hint = self._hint([quoted(found) for found in near], self.streams)
        return self.error(f"no stream {quoted(_short(name))} {self.place}; {hint}", span)

    def error(self, problem: str, span: Span | None) -> QueryError:
        """An error that points into the query, where it was read from text."""
        if self.text is None or span is None:
            return QueryError(problem, span=(0, 0))
        return query_error(problem, self.text, span)

    def _hint(self, near: list[str], known: Iterable[str]) -> str:
        if near:
            return f"did you mean {' or '.join(f'`{name}`' for name in near)}?"
        listed = list(known)
        more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
        return f"it has: {', '.join(map(_short, listed[:_LISTED])) or 'none'}{more}"

    def _split(self, words: list[str]) -> list[str]:
        """The attributes that follow each other in words, or nothing."""
        if not words or len(words) > 12:
            return []
        for size in range(len(words), 0, -1):
            first = self._loose.get("_".join(words[:size]))
            rest = self._split(words[size:]) if first else []
            if first and (rest or size == len(words)):
                return [self._written("_".join(words[:size])), *rest]
        return []

    def _written(self, key: str) -> str:
        """How a query names an attribute, without quotes where that will do."""
        names = self._loose[key]
        return bare_or_quoted(key if len(names) == 1 else names[0])


def _short(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
