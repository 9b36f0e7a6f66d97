"""Rules of alerts as a site's file has them, checked and compiled."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edgeattr.core.decision import Decision
from edgeattr.core.errors import QueryError, UsageError
from edgeattr.search.query import Crossed, Dwell, InZone, Query, leaves, parse_duration, parse_rule
from edgeattr.search.query.known_names import KnownNames
from edgeattr.search.query.live import live_test, met_conditions
from edgeattr.search.query.quoting import quoted
from edgeattr.video.alerts import AlertRule


class Places(NamedTuple):
    """Names in one source's picture."""

    zones: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AlertSection:
    """When to raise an alert.

    Raises:
        UsageError: a text cannot be read; the message points at the place.
    """

    name: str
    when: str  # a query as `edgeattr find` has it
    for_: str = "0 s"  # how long it must hold without a break
    cooldown: str = "0 s"  # after an alert, how long there is none by this rule at that camera
    camera: str | None = None  # a source's name; None: all of them

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.name.isprintable():
            raise UsageError("an alert has no name on one line; write name = ... in its [[alert]]")
        for key, read in (("when", parse_rule), ("for_", parse_duration),
                          ("cooldown", parse_duration)):  # fmt: skip
            try:
                read(getattr(self, key))
            except QueryError as error:
                raise self._error(key.rstrip("_"), error) from error

    @property
    def query(self) -> Query:
        """The rule as conditions."""
        return parse_rule(self.when)

    @property
    def for_s(self) -> float:
        """How long it must hold, seconds."""
        return parse_duration(self.for_)

    @property
    def cooldown_s(self) -> float:
        """How long there is no other after an alert, seconds."""
        return parse_duration(self.cooldown)

    def _error(self, key: str, error: Exception) -> UsageError:
        return UsageError(f"alert {self.name!r}, {key}: {error}")

    def compiled(self, known: KnownNames, colours: Mapping[str, str]) -> AlertRule:
        """The rule for the pipeline.

        Args:
            known: what there is; its ``text`` is :attr:`when`.
            colours: attributes by the names that queries have for them.

        Raises:
            UsageError: it names an attribute, zone, line or stream that there is not.
        """
        query = self.query
        try:
            holds = live_test(query, known, colours=colours)
            why = met_conditions(query, known, colours=colours)
        except QueryError as error:
            raise self._error("when", error) from error
        asked = [known.of_place(leaf) for leaf in leaves(query) if isinstance(leaf, InZone | Dwell)]
        return AlertRule(
            name=self.name,
            holds=holds,
            why=why,
            zones=tuple(zone for zone in asked if zone),
            stream=self.camera,
            for_s=self.for_s,
            cooldown_s=self.cooldown_s,
        )


def check_rule_names(sections: Sequence[AlertSection]) -> None:
    """Refuse two rules of one name, with a UsageError."""
    names = [section.name for section in sections]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"two alerts are called {repeated[0]!r}; give each its own name")


def check_places(sections: Sequence[AlertSection], sources: Mapping[str, Places]) -> None:
    """Refuse rules that name what the site does not have, or share a name.

    Args:
        sections: as the site's file has them.
        sources: zones and lines, by the source's name.

    Raises:
        UsageError: two rules of one name; a camera, zone or line that there is not.
    """
    check_rule_names(sections)
    cameras = list(sources)
    for section in sections:
        if section.camera is not None and section.camera not in cameras:
            near = difflib.get_close_matches(section.camera, cameras, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(cameras)}"
            raise UsageError(
                f"alert {section.name!r}: no source is called {section.camera!r}; {hint}"
            )
        known = _known(section, sources)
        for leaf in leaves(section.query):
            if isinstance(leaf, InZone | Dwell | Crossed) and known.of_place(leaf) is None:
                others = [
                    name for name in cameras if _known(section, sources, at=name).of_place(leaf)
                ]
                error = known.no_place(leaf, others)
                raise UsageError(f"alert {section.name!r}, when: {error}") from error


def alert_rules(
    sections: Sequence[AlertSection], sources: Mapping[str, Places], decision: Decision
) -> list[AlertRule]:
    """Rules for the pipeline.

    Args:
        sections: as the site's file has them.
        sources: zones and lines, by the source's name.
        decision: the model's; rules may name what it reports.

    Raises:
        UsageError: a rule names what there is not; the message points at it.
    """
    schema = decision.schema
    names = [schema.names[index] for index in decision.reported]
    colours = {
        f"{schema.names[place].removeprefix(f'{part}_')}_{part}": schema.names[place]
        for part, places in schema.colours.items()
        for place in places
    }
    return [
        section.compiled(
            _known(section, sources, (*names, *colours), set(schema.names) - set(names)), colours
        )
        for section in sections
    ]


def _known(
    section: AlertSection,
    sources: Mapping[str, Places],
    attributes: Sequence[str] = (),
    withheld: Collection[str] = (),
    at: str | None = None,
) -> KnownNames:
    """What a rule may name; the places of one source alone, if ``at`` or the rule names one."""
    camera = at or section.camera
    own = [places for name, places in sources.items() if camera in (None, name)]
    site = "in this site" if camera is None else f"at {quoted(camera)}"
    return KnownNames(
        attributes=attributes,
        withheld=withheld,
        streams=list(sources),
        zones=list(dict.fromkeys(zone for places in own for zone in places.zones)),
        lines=list(dict.fromkeys(line for places in own for line in places.lines)),
        place="in this model" if attributes else site,
        text=section.when,
    )
