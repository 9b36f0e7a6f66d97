"""The contact sheet's HTML: one file, pictures inside, no script, nothing loaded."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from edgeattr.search.contact_sheet.picture import Picture
from edgeattr.search.contact_sheet.style import STYLE
from edgeattr.search.query import WallClock
from edgeattr.search.store.question import Found, Question
from edgeattr.search.store.reasons import Reason, percent
from edgeattr.search.store.records import milliseconds

__all__ = ["card", "foot", "head", "plain"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_CONDITIONS = 20  # of a query that are shown on a card
_LONGEST = 4000  # characters of a query that are shown


def plain(text: object) -> str:
    """Any text as HTML that shows it, markup and quotes made harmless."""
    return html.escape(str(text).encode("utf-8", "replace").decode())


def head(question: Question, found: Found, shown: int) -> str:
    """The beginning of the page, up to the first card.

    Args:
        question: what was asked.
        found: what was found.
        shown: how many cards follow.
    """
    title = f"{found.total:,} {'person' if found.total == 1 else 'people'} found"
    asked = str(question.query) if question.query is not None else "everybody"
    if len(asked) > _LONGEST:
        asked = f"{asked[:_LONGEST]}..."
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n<meta name="referrer" content="no-referrer">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{title}</h1>\n<code class="query">{plain(asked)}</code>\n'
        f'<p class="facts">{_facts(question, found, shown)}</p>\n'
        '<p class="warning"><b>These are pictures of people.</b> Keep this file and pass it on '
        "only as you may, and delete it in time: nothing else does.</p>\n"
        '<ul class="people">\n'
    )


def card(
    record: Mapping[str, Any], its: Sequence[Reason], picture: Picture, clock: WallClock
) -> str:
    """One person.

    Args:
        record: of the person.
        its: why it was found.
        picture: of the person.
        clock: by which times are shown.
    """
    return (
        f'<li class="person">\n<div class="picture">{_picture(record, picture)}</div>\n'
        f'<div class="about">\n<h2>{plain(_short(record["stream"]))}</h2>\n'
        f"<p>{_when(record, clock)}</p>\n"
        f"{_why(its)}{_answers(record, its)}</div>\n</li>\n"
    )


def foot() -> str:
    """The end of the page."""
    return "</ul>\n</main>\n</body>\n</html>\n"


def _facts(question: Question, found: Found, shown: int) -> str:
    clock = question.clock
    now = clock.now.astimezone(clock.zone)
    first = "latest" if question.order == "newest" else "most probable"
    facts = [
        f"the {first} {shown:,} of them" if shown < found.total else "all of them",
        *(f"since {plain(when)}" for when in (question.since,) if when),
        *(f"until {plain(when)}" for when in (question.until,) if when),
        *(f"in {plain(name)}" for name in question.streams),
        *(f"plain answers from {question.min_p:.0%} on" for _ in range(question.min_p > 0)),
        f"asked at {now:%Y-%m-%d %H:%M}; times are {plain(_zone(now))}",
    ]
    return " &middot; ".join(facts)


def _zone(now: datetime) -> str:
    """``CET (UTC+01:00)``."""
    shift = f"UTC{now.isoformat()[-6:]}".removesuffix("+00:00")
    name = now.tzname() or shift
    return shift if name == shift or name[0] in "+-" else f"{name} ({shift})"


def _short(stream: str) -> str:
    """A file's name without its folders; a camera's address whole."""
    return stream if "://" in stream else stream.rsplit("/", 1)[-1] or stream


def _picture(record: Mapping[str, Any], picture: Picture) -> str:
    if picture.uri is None:
        return f'<span class="nothing">{plain(picture.problem)}</span>'
    return (
        f'<img src="{picture.uri}" width="{picture.width}" height="{picture.height}" '
        f'alt="Person {plain(record["track"])} of {plain(record["stream"])}">'
    )


def _when(record: Mapping[str, Any], clock: WallClock) -> str:
    begin, end = float(record["first_s"]), float(record["last_s"])
    length = f"seen for {end - begin:.1f} s"
    place = f"{begin:.1f} to {end:.1f} s into the stream"
    if record.get("time") is None:
        return f"{length}<br>{place}"
    moment = clock.local(milliseconds(record["time"]))
    shown = f"{moment:%Y-%m-%d %H:%M:%S}"
    return f'<time datetime="{moment.isoformat()}">{shown}</time><br>{length}, {place}'


def _why(its: Sequence[Reason]) -> str:
    if not its:
        return ""
    rows = []
    for reason in its[:_CONDITIONS]:
        mark = "&#10003;" if reason.holds else "&#8211;"
        word = "" if reason.holds else ' title="not so, and need not be"'
        name = f"{plain(reason.attribute)} " if reason.text.startswith("not ") else ""
        p = "" if reason.p is None else f"<b>{name}{plain(percent(reason.p))}</b>"
        kind = "" if reason.holds else ' class="not"'
        rows.append(f"<li{kind}{word}><span>{mark} {plain(reason.text)}</span>{p}</li>\n")
    if len(its) > _CONDITIONS:
        rows.append(f'<li class="not">and {len(its) - _CONDITIONS:,} more conditions</li>\n')
    return f'<ul class="why" aria-label="Why">\n{"".join(rows)}</ul>\n'


def _answers(record: Mapping[str, Any], its: Sequence[Reason]) -> str:
    asked = {reason.attribute for reason in its}
    answers = sorted(record["attributes"].items(), key=lambda item: -item[1]["p"])
    rows = "".join(
        f'<dt class="{answer["answer"]}{" asked" if name in asked else ""}">{plain(name)}</dt>'
        f'<dd>{answer["answer"]}</dd><dd class="p">{plain(percent(answer["p"]))}</dd>\n'
        for name, answer in answers
    )
    yes = [plain(name) for name, answer in answers if answer["answer"] == "yes"]
    facts = (
        record["stream"],
        f"track {record['track']}, {record['frames']} frames, "
        f"{record['crops_classified']} classified",
        *(f"id {record['id']}" for _ in range("id" in record)),
    )
    about = f'<p class="id">{"<br>".join(map(plain, facts))}</p>'
    also = f"<p>{', '.join(yes)}</p>\n" if yes and not its else ""
    return (
        f"{also}<details>\n<summary>All {len(answers)} answers</summary>\n<dl>\n{rows}</dl>\n"
        f"{about}\n</details>\n"
    )
