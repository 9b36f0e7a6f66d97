"""Writing a contact sheet: whole or not at all, and for its owner alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeattr.core.errors import OutputError
from edgeattr.core.files import write_atomically
from edgeattr.search.contact_sheet.page import card, foot, head
from edgeattr.search.contact_sheet.picture import Crops, picture_of
from edgeattr.search.store.question import Found, Question
from edgeattr.search.store.reasons import reasons

__all__ = ["LIMIT_MIB", "Written", "write_contact_sheet"]

LIMIT_MIB = 25  # of a page: what a browser on a phone opens well


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a contact sheet shows."""

    cards: int  # people
    pictures: int  # of these, with a picture
    limit_mib: int  # how large the page may become


def write_contact_sheet(
    target: Path,
    crops: Crops,
    question: Question,
    found: Found,
    *,
    beside: Path = Path(),
    limit_mib: int = LIMIT_MIB,
) -> Written:
    """Write a page of the people who were found, readable by its owner alone.

    People for whom there is no room are left out, and the page says how many it shows.

    Args:
        target: the page's file; an old one is replaced.
        crops: where pictures are kept, if not in files.
        question: what was asked.
        found: what was found.
        beside: a folder where pictures with a relative name may lie too.
        limit_mib: how large the page may become.

    Raises:
        OutputError: the file cannot be written; an old one is left as it was.
    """
    room = limit_mib << 20
    cards: list[str] = []
    pictures = 0
    for record, its in zip(found.records, reasons(question, found.records), strict=True):
        picture = picture_of(record, crops, beside)
        text = card(record, its, picture, question.clock)
        room -= len(text.encode())
        if room < 0:
            break
        cards.append(text)
        pictures += picture.uri is not None
    page = "".join((head(question, found, len(cards)), *cards, foot()))
    try:
        write_atomically(target, page, private=True)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror})") from error
    return Written(cards=len(cards), pictures=pictures, limit_mib=limit_mib)
