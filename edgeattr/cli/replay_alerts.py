"""`edgeattr find --alerts`: what the rules of a site would have done with people on record."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from edgeattr.cli.alert_rules import AlertSection, check_rule_names
from edgeattr.cli.progress import note
from edgeattr.core.config import build, read_toml, with_environment
from edgeattr.core.counted import counted
from edgeattr.core.errors import QueryError, UsageError
from edgeattr.search.query import And, Duration, Dwell, InStream, InZone, Or, Query
from edgeattr.search.query.query_errors import printable
from edgeattr.search.store.records import milliseconds

if TYPE_CHECKING:
    from edgeattr.search.store import PeopleReader, SearchRequest


@dataclass(frozen=True, kw_only=True)
class _Rules:
    """What is read of a site's file."""

    alert: tuple[AlertSection, ...] = ()

    def __post_init__(self) -> None:
        check_rule_names(self.alert)


def replay_alerts(
    site: Path,
    open_reader: Callable[[], PeopleReader],
    limits: SearchRequest,
    *,
    as_json: bool,
    count: bool,
) -> None:
    """Print the alerts that rules would have raised, rule by rule.

    A rule is asked of whole records: it would have been raised where it holds for all that was
    known of the person in the end, and they were seen, or in its zone, for as long as it asks.

    Args:
        site: has the rules.
        open_reader: opens where the people are.
        limits: streams and times to look in.
        as_json: print a line of JSON for each alert.
        count: print how many there are of each rule, and no more.

    Raises:
        InputError: a file cannot be read.
        UsageError: there is no rule, or one cannot be read.
        QueryError: a limit cannot be read.
        typer.Exit: a rule asks for what is not on record; the others were answered.
    """
    values = {"alert": read_toml(site, what="site").get("alert", [])}
    try:  # other sections may name variables that only `run` needs
        rules = build(_Rules, with_environment(values, where="site"), what="site").alert
    except UsageError as error:
        raise UsageError(f"{site}: {error}") from error
    if not rules:
        raise UsageError(f"{site} has no rule; write [[alert]] with name = ... and when = ...")
    limits.tree()
    refused = False
    with open_reader() as reader:
        for rule in rules:
            try:
                raised = list(_raised(rule, reader, limits))
            except QueryError as error:
                note(f"{rule.name}: {error}")
                refused = True
                continue
            if count:
                typer.echo(f"{len(raised)}  {printable(rule.name)}")
                continue
            for record in raised:
                typer.echo(_line(rule, record, limits, as_json=as_json))
            note(f"{rule.name}: {counted(len(raised), 'alert')}")
    if refused:
        raise typer.Exit(2)


def _raised(
    rule: AlertSection, reader: PeopleReader, limits: SearchRequest
) -> Iterator[dict[str, Any]]:
    """The records for which a rule raises an alert, in the order of time."""
    length = round(1000 * rule.for_s)
    query = And((_lasting(rule.query, length), Duration(">=", length)))
    if rule.camera is not None:
        query = And((query, InStream(rule.camera)))
    question = dataclasses.replace(limits, query=query, written=rule.when, limit=None)
    latest: dict[str, tuple[float, float]] = {}  # alert by stream: when it was told, and seen
    records = reader.search(question).records
    for record in sorted(records, key=lambda one: (one.get("time") or "", one["last_s"])):
        time, seen = record.get("time"), record["last_s"]
        told = seen if time is None else milliseconds(time) / 1000
        before = latest.get(record["stream"])
        # a file is told of faster than it plays
        if before is None or max(told - before[0], seen - before[1]) >= rule.cooldown_s:
            latest[record["stream"]] = told, seen
            yield record


def _lasting(query: Query, length: int) -> Query:
    """The query with, for who must be in a zone, a time that they must have been there."""
    if isinstance(query, And | Or):
        return type(query)(tuple(_lasting(part, length) for part in query.parts))
    if isinstance(query, InZone) and length:
        return Dwell(query.name, ">=", length, span=query.span)
    return query


def _line(
    rule: AlertSection, record: dict[str, Any], limits: SearchRequest, *, as_json: bool
) -> str:
    time = record.get("time")
    if as_json:
        return json.dumps({
            "alert": rule.name, "stream": record["stream"], "track": record["track"],
            "person": record.get("id"), "time": time, "last_s": record["last_s"],
        })  # fmt: skip
    when = (
        f"{record['last_s']:.1f} s into it"
        if time is None
        else f"{limits.clock.local(milliseconds(time)):%Y-%m-%d %H:%M:%S}"
    )
    told = ", ".join(record.get("labels") or ())
    line = f"{when}  {record['stream']}  {rule.name}: person {record['track']}"
    return printable(f"{line}: {told}" if told else line)
