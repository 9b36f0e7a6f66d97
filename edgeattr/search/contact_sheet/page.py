"""The contact sheet: one HTML file of the people found, written for its owner alone."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from edgeattr.core.errors import OutputError, UsageError
from edgeattr.core.files import write_atomically
from edgeattr.report import jpeg_uri, render
from edgeattr.search.query import WallClock
from edgeattr.search.store.match_reasons import MatchReason, percent
from edgeattr.search.store.records import labels_of, milliseconds
from edgeattr.search.store.search_request import SearchRequest, SearchResult

LIMIT_MIB = 25  # of a page: what a browser on a phone opens well
_CONDITIONS = 20  # of a query that are shown on a card
_LONGEST = 4000  # characters of a query that are shown
_HIGHEST, _WIDEST = 480, 400  # pixels as shown on the page
_LARGEST = 32 << 20  # bytes of a file that is looked at
_MOST_PIXELS = 64_000_000  # decoded: 192 MB


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a contact sheet shows."""

    cards: int  # people
    pictures: int  # of these, with a picture


def write_contact_sheet(
    target: Path,
    question: SearchRequest,
    found: SearchResult,
    *,
    beside: Path = Path(),
) -> Written:
    """Write a page of the people who were found, readable by its owner alone.

    People for whom there is no room are left out, and the page says how many it shows.

    Args:
        target: the page's file; an old one is replaced.
        question: what was asked.
        found: what a request with ``reasons`` found.
        beside: a folder where pictures with a relative name may lie too.

    Raises:
        OutputError: the file cannot be written; an old one is left as it was.
        UsageError: the request was without reasons.
    """
    if len(found.reasons) != len(found.records):
        raise UsageError("a contact sheet shows reasons; ask with SearchRequest(reasons=True)")
    room = LIMIT_MIB << 20
    cards: list[Markup] = []
    pictures = 0
    for record, its in zip(found.records, found.reasons, strict=True):
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
    return Written(cards=len(cards), pictures=pictures)


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


_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG's markers that tell the size


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """A thumbnail for the page, or why there is none."""

    uri: str | None = None  # data:image/jpeg
    width: int = 0  # pixels
    height: int = 0
    problem: str = ""  # in words; empty where there is a picture


def thumbnail_of(record: Mapping[str, Any], beside: Path) -> Thumbnail:
    """Find a record's picture in the file that the record names.

    Args:
        record: a person's.
        beside: a folder where files with a relative name may lie too.
    """
    name = record.get("crop")
    if not isinstance(name, str) or not name:
        return Thumbnail(problem="no picture was kept")
    try:
        path = next((p for p in (Path(name), beside / name) if p.is_file()), Path(name))
        if not path.is_file():  # nor a device, which would never end
            return Thumbnail(problem=f"the picture is not there any more: {name}")
        if path.stat().st_size > _LARGEST:
            return Thumbnail(problem=f"too large for a picture: {name}")
        return _shown(path.read_bytes(), name)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        said = getattr(error, "strerror", None) or error
        return Thumbnail(problem=f"the picture cannot be read ({said}): {name}")


def _shown(content: bytes, name: str) -> Thumbnail:
    """Decode, make smaller if need be, and encode again: nothing else of the file remains."""
    import cv2
    import numpy as np

    size = _jpeg_size(content)
    if size is None or not 0 < size[0] * size[1] <= _MOST_PIXELS:
        return Thumbnail(problem=f"no JPEG picture, or too large: {name}")
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        return Thumbnail(problem=f"the picture is damaged: {name}")
    height, width = image.shape[:2]
    scale = min(1.0, _HIGHEST / height, _WIDEST / width)
    if scale < 1:
        new = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(image, new, interpolation=cv2.INTER_AREA)
    return Thumbnail(
        uri=jpeg_uri(image.astype(np.uint8, copy=False)),
        width=image.shape[1],
        height=image.shape[0],
    )


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Height and width as a JPEG's head says, before anything is decoded."""
    place = 2
    if content[:2] != b"\xff\xd8":
        return None
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker, length = struct.unpack_from(">BH", content, place + 1)
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # have no length, and no business here
            return None
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, place + 5)
            return height, width
        place += 1 if marker == 0xFF else 2 + length  # 0xFF: padding
    return None
