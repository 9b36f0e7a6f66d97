"""What `edgeattr find` prints: a table on a terminal, lines elsewhere, JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import typer

from edgeattr.cli.progress import note
from edgeattr.core.counted import counted
from edgeattr.core.label_ranking import label_name
from edgeattr.search.query.known_names import KnownNames
from edgeattr.search.query.query_errors import printable
from edgeattr.search.store import SearchRequest, SearchResult
from edgeattr.search.store.match_reasons import MatchReason, percent
from edgeattr.search.store.records import answer_of, labels_of, milliseconds

if TYPE_CHECKING:
    from rich.table import Table


def print_names(known: KnownNames, attributes: bool, streams: bool) -> None:
    """Print the names that queries can have, one a line."""
    wanted = (*(known.attributes if attributes else ()), *(known.streams if streams else ()))
    for name in wanted:
        typer.echo(printable(name))


def print_records(question: SearchRequest, found: SearchResult, *, as_json: bool) -> None:
    """Print the records."""
    if as_json:
        for record in found.records:
            typer.echo(_json(record))
        return
    if sys.stdout.isatty():
        if found.records:
            from rich.console import Console

            console = Console(highlight=False, markup=False, emoji=False)
            console.print(_table(question, found))
        return
    for record, its in zip(found.records, found.reasons, strict=True):
        asked, others = _answers(record, its)
        when, stream, length = _where(question, record)
        text = "; ".join(part for part in (", ".join(asked), ", ".join(others)) if part)
        typer.echo(f"{when}  {stream}  {length}  {text}".rstrip())


def report_totals(question: SearchRequest, found: SearchResult) -> None:
    """Say on standard error what the records do not."""
    limit = question.limit
    if limit and found.total > limit:
        first = "latest" if question.order == "newest" else "most probable"
        note(f"{found.total:,} people match; these are the {first} {limit:,} (--limit)")
    if not found.total:
        note("nobody matches")
    if found.damaged:
        note(f"{counted(found.damaged, 'damaged line was', 'damaged lines were')} passed over")
    if found.timeless:
        note(
            f"{counted(found.timeless, 'person has', 'people have')} no time, because events of "
            "video files have none; "
            "conditions on time leave them out"
        )


def _table(question: SearchRequest, found: SearchResult) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("last seen", no_wrap=True)
    table.add_column("stream", overflow="fold")
    table.add_column("at", justify="right", no_wrap=True)
    table.add_column("for", justify="right", no_wrap=True)
    if any(reason.attribute for its in found.reasons for reason in its):
        table.add_column("asked", overflow="fold")
    table.add_column("also", overflow="fold", style="dim")
    for record, its in zip(found.records, found.reasons, strict=True):
        asked, others = _answers(record, its)
        when, stream, length = _where(question, record)
        into = str(timedelta(seconds=int(min(max(record["first_s"], 0), 1e9))))
        cells = [when, stream, into, length, "\n".join(asked), ", ".join(others)]
        if len(table.columns) == 5:
            del cells[4]
        table.add_row(*map(Text, cells))
    return table


def _where(question: SearchRequest, record: Mapping[str, Any]) -> tuple[str, str, str]:
    """When by this machine's clock or in the video, the stream, how long."""
    begin, end = record["first_s"], record["last_s"]
    if record.get("time") is None:
        when = f"{begin:.1f} s into it"
    else:
        when = f"{question.clock.local(milliseconds(record['time'])):%Y-%m-%d %H:%M:%S}"
    return when, printable(record["stream"]), f"{end - begin:.1f} s"


def _answers(record: Mapping[str, Any], its: Sequence[MatchReason]) -> tuple[list[str], list[str]]:
    """The answers that were asked for, with p; and what else tells the person from others."""
    asked = list(dict.fromkeys(reason.attribute for reason in its if reason.attribute))
    shown = []
    for name in asked:
        answer = answer_of(record, name)
        said = f"{answer[0]} {percent(answer[1])}" if answer else "never answered"
        shown.append(f"{printable(name)} {said}")
    said_already = {frozenset(label_name(name).split("_")) for name in asked}
    others = [
        printable(label)
        for label in labels_of(record)
        if frozenset(label.replace("_", " ").split()) not in said_already
    ]
    return shown, others


def _json(record: Mapping[str, Any]) -> str:
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # what only escapes can write here
        text = json.dumps(record)
    return text
