"""The contact sheet: one HTML file of the people found, written for its owner alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from edgeattr.core.errors import OutputError
from edgeattr.core.files import write_atomically
from edgeattr.report import render
from edgeattr.search.contact_sheet.thumbnail import Thumbnail, thumbnail_of
from edgeattr.search.query import WallClock
from edgeattr.search.store.match_reasons import MatchReason, percent, reasons
from edgeattr.search.store.records import labels_of, milliseconds
from edgeattr.search.store.search_request import SearchRequest, SearchResult

__all__ = ["LIMIT_MIB", "Written", "write_contact_sheet"]

LIMIT_MIB = 25  # of a page: what a browser on a phone opens well
_CONDITIONS = 20  # of a query that are shown on a card
_LONGEST = 4000  # characters of a query that are shown


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a contact sheet shows."""

    cards: int  # people
    pictures: int  # of these, with a picture
    limit_mib: int  # how large the page may become


def write_contact_sheet(
    target: Path,
    question: SearchRequest,
    found: SearchResult,
    *,
    beside: Path = Path(),
    limit_mib: int = LIMIT_MIB,
) -> Written:
    """Write a page of the people who were found, readable by its owner alone.

    People for whom there is no room are left out, and the page says how many it shows.

    Args:
        target: the page's file; an old one is replaced.
        question: what was asked.
        found: what was found.
        beside: a folder where pictures with a relative name may lie too.
        limit_mib: how large the page may become.

    Raises:
        OutputError: the file cannot be written; an old one is left as it was.
    """
    room = limit_mib << 20
    cards: list[Markup] = []
    pictures = 0
    for record, its in zip(found.records, reasons(question, found.records), strict=True):
        thumbnail = thumbnail_of(record, beside)
        card = _card(record, its, thumbnail, question.clock)
        room -= len(card.encode())
        if room < 0:
            break
        cards.append(card)
        pictures += thumbnail.uri is not None
    page = render(
        Path(__file__).with_name("contact_sheet.html"),
        title=f"{found.total:,} {'person' if found.total == 1 else 'people'} found",
        query=_asked(question),
        facts=_facts(question, found, len(cards)),
        cards=cards,
    )
    try:
        write_atomically(target, page, private=True)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror})") from error
    return Written(cards=len(cards), pictures=pictures, limit_mib=limit_mib)


def _card(
    record: Mapping[str, Any], its: Sequence[MatchReason], thumbnail: Thumbnail, clock: WallClock
) -> Markup:
    """One person: the picture, when, and why it was found."""
    stream, time = record["stream"], record.get("time")
    text = render(
        Path(__file__).with_name("card.html"),
        record=record,
        name=stream if "://" in stream else stream.rsplit("/", 1)[-1] or stream,
        moment=clock.local(milliseconds(time)) if time is not None else None,
        reasons=its,
        limit=_CONDITIONS,
        labels=labels_of(record),
        answers=sorted(record["attributes"].items(), key=lambda item: -item[1]["p"]),
        thumbnail=thumbnail,
        percent=percent,
    )
    return Markup(text)


def _asked(question: SearchRequest) -> str:
    asked = str(question.query) if question.query is not None else "everybody"
    return asked if len(asked) <= _LONGEST else f"{asked[:_LONGEST]}..."


def _facts(question: SearchRequest, found: SearchResult, shown: int) -> list[str]:
    now = question.clock.now.astimezone(question.clock.zone)
    first = "latest" if question.order == "newest" else "most probable"
    return [
        f"the {first} {shown:,} of them" if shown < found.total else "all of them",
        *(f"since {when}" for when in (question.since,) if when),
        *(f"until {when}" for when in (question.until,) if when),
        *(f"in {name}" for name in question.streams),
        *(f"plain answers from {question.min_p:.0%} on" for _ in range(question.min_p > 0)),
        f"asked at {now:%Y-%m-%d %H:%M}; times are {_zone(now)}",
    ]


def _zone(now: datetime) -> str:
    """``CET (UTC+01:00)``."""
    shift = f"UTC{now.isoformat()[-6:]}".removesuffix("+00:00")
    name = now.tzname() or shift
    return shift if name == shift or name[0] in "+-" else f"{name} ({shift})"
