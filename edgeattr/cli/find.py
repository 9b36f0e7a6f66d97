"""`edgeattr find`: who wore what, when and where."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeattr.cli.progress import note
from edgeattr.core.counted import counted
from edgeattr.core.errors import UsageError

if TYPE_CHECKING:
    from edgeattr.search.store import PeopleReader, SearchRequest, SearchResult


class Sort(str, enum.Enum):
    """What comes first."""

    newest = "newest"
    p = "p"


Query = Annotated[
    str | None,
    typer.Argument(
        metavar="QUERY",
        help="Such as `backpack and not hat`; everybody where there is none. `docs/find.md` has "
        "the language.",
    ),
]
Store = Annotated[
    Path | None,
    typer.Option("--store", metavar="PEOPLE.sqlite", help="What `edgeattr run --store` wrote."),
]
Events = Annotated[
    list[Path] | None,
    typer.Option(
        "--events",
        metavar="FILE.jsonl",
        help="What `edgeattr run --events` wrote, with the files that rotation left beside it; "
        "`-` is standard input. May be repeated.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Last seen then or later: `2026-05-01 14:00`, `2h ago`."),
]
Until = Annotated[
    str | None, typer.Option(metavar="TIME", help="Last seen before that; a day is included.")
]
Streams = Annotated[
    list[str] | None,
    typer.Option("--stream", metavar="NAME", help="Seen there. May be repeated: in one of these."),
]
Limit = Annotated[int, typer.Option(min=0, metavar="N", help="Show so many at most; 0 shows all.")]
MinP = Annotated[
    float,
    typer.Option(
        "--min-p", min=0, max=1, metavar="P",
        help="Plain names in the query count from that probability on; of `not hat`, 1 - p.",
    ),
]  # fmt: skip
SortBy = Annotated[
    Sort, typer.Option("--sort", help="Last seen first, or the most probable first.")
]
Count = Annotated[bool, typer.Option("--count", help="Say only how many there are.")]
AsJson = Annotated[bool, typer.Option("--json", help="One record a line, as in the events file.")]
ContactSheet = Annotated[
    Path | None,
    typer.Option(
        "--contact-sheet",
        metavar="OUT.html",
        help="Write a page with a picture of each, where pictures were kept (`run --crops`).",
    ),
]
Alerts = Annotated[
    Path | None,
    typer.Option(
        "--alerts",
        metavar="SITE.toml",
        help="Show what each [[alert]] of a site's file would have done, and change nothing.",
    ),
]
ListAttributes = Annotated[
    bool, typer.Option("--attributes", help="List the attributes that queries can name.")
]
ListStreams = Annotated[bool, typer.Option("--streams", help="List the streams.")]


def find(
    query: Query = None,
    store: Store = None,
    events: Events = None,
    since: Since = None,
    until: Until = None,
    stream: Streams = None,
    limit: Limit = 100,
    min_p: MinP = 0.0,
    sort: SortBy = Sort.newest,
    count: Count = False,
    as_json: AsJson = False,
    contact_sheet: ContactSheet = None,
    alerts: Alerts = None,
    attributes: ListAttributes = False,
    streams: ListStreams = False,
) -> None:
    """Find people by what they wore and carried, by stream and by time.

    `hat` finds those answered yes, `not hat` those answered no, `hat is not yes` all others.
    Times without a zone are this machine's.

    Example: `edgeattr find "backpack and not hat and last 2h" --store people.sqlite`
    """
    from edgeattr.cli.find_output import print_names, print_records, report_totals
    from edgeattr.search.store import SearchRequest

    if contact_sheet and (count or contact_sheet.suffix.lower() not in (".html", ".htm")):
        raise UsageError("--contact-sheet writes a page: name it OUT.html, and leave out --count")
    question = SearchRequest(
        query=query, since=since, until=until, streams=tuple(stream or ()), min_p=min_p,
        limit=0 if count else limit or None, order=sort.value,
        reasons=bool(contact_sheet) or not as_json,
    )  # fmt: skip
    if alerts:
        from edgeattr.cli.replay_alerts import replay_alerts

        if query or contact_sheet:
            raise UsageError("--alerts asks the rules of a site's file; leave out the query")
        replay_alerts(alerts, lambda: _open(store, events), question, as_json=as_json, count=count)
        return
    question.tree()  # what is wrong with it comes before what is wrong with files
    with _open(store, events) as reader:
        if attributes or streams:
            print_names(reader.known_names(), attributes, streams)
            return
        found = reader.search(question)
        if count:
            typer.echo(found.total)
        elif contact_sheet:
            _sheet(contact_sheet, question, found, (store or (events or [Path()])[0]).parent)
        if as_json or not (count or contact_sheet):
            print_records(question, found, as_json=as_json)
        report_totals(question, found)


def _open(store: Path | None, events: list[Path] | None) -> PeopleReader:
    from edgeattr.search.store import EventsReader, PeopleReader

    if store and events:
        raise UsageError("--store and --events are two places to look in; name one")
    if store:
        return PeopleReader(store)
    if events:
        return EventsReader(events)
    raise UsageError("where to look? Name --store PEOPLE.sqlite or --events FILE.jsonl")


def _sheet(target: Path, question: SearchRequest, found: SearchResult, beside: Path) -> None:
    from edgeattr.search.contact_sheet import LIMIT_MIB, write_contact_sheet

    written = write_contact_sheet(target, question, found, beside=beside)
    note(
        f"{target}: {counted(written.cards, 'person', 'people')}, {written.pictures:,} with a "
        "picture. "
        "It shows people: keep it and pass it on only as you may, and delete it in time; "
        "--retention-days does not reach it"
    )
    if written.cards < len(found.records):
        note(
            f"{target}: full at {LIMIT_MIB} MiB, so "
            f"{counted(len(found.records) - written.cards, 'person is', 'people are')} left out; "
            "ask for fewer with --limit, or for a shorter time"
        )
