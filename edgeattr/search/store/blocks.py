"""A second form of the answers, for asking: columns of a thousand people each.

Rows are right for writing, but a million of them cannot be looked through in a moment. So once
a thousand people are there, their answers are written again by attribute: one blob each, which
NumPy compares at once. Blocks hold nothing that the rows do not hold: one that is missing is made
from the rows, and one whose people are deleted is dropped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "ABSENT", "ANSWER_SHIFT", "LONGEST_MS", "NO_TIME", "Block", "block_of", "read_blocks", "reseal",
    "seal", "seal_durations", "unseal",
]  # fmt: skip

_TOGETHER = 64  # blocks looked at at once: their columns stay in the processor's cache
_SIZE = 1000  # people in a block: so that two columns fit into a page of SQLite's 4096 bytes
ANSWER_SHIFT = 14  # an answer in 16 bits: ten-thousandths of p, and above them the answer's code
ABSENT = 0xFFFF  # that person has no such answer
NO_TIME = -(2**62)  # of people in events of video files; everybody in a store has a time
LONGEST_MS = 2**32 - 1  # a longer time in view counts as that
_DURATION = 0  # lies where answers would that belong to an attribute of that number

_MS_SEEN = f"coalesce(CAST(min(max(round(1000 * (last_s - first_s)), 0), {LONGEST_MS}) AS INT), 0)"

_Times = npt.NDArray[np.int64]
_Streams = npt.NDArray[np.uint32]
_Answers = npt.NDArray[np.uint16]
_Durations = npt.NDArray[np.uint32]


@dataclass(frozen=True, kw_only=True)
class Block:
    """People whose numbers follow each other, as columns."""

    persons: _Times  # [N], their numbers
    times: _Times  # [N], milliseconds since 1970, UTC
    streams: _Streams  # [N], numbers of the streams; 0 where there is no such person
    answers: Mapping[int, _Answers]  # by attribute, [N]
    durations: _Durations | None = None  # [N], milliseconds in view; where they were asked for

    def at(self, places: npt.NDArray[np.intp]) -> Block:
        """Some of these people."""
        return Block(
            persons=self.persons[places],
            times=self.times[places],
            streams=self.streams[places],
            answers={number: column[places] for number, column in self.answers.items()},
            durations=None if self.durations is None else self.durations[places],
        )


def block_of(person: int) -> int:
    """The block that a person's number belongs to."""
    return person // _SIZE


def seal(connection: sqlite3.Connection, block: int) -> None:
    """Write the columns of a block whose people are all there."""
    made = _from_rows(connection, block, None, durations=True)
    there = made.streams > 0
    if not there.any():
        return
    span = int(made.times[there].min()), int(made.times[there].max())
    connection.execute(
        "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?)",
        (block, *span, made.times.astype("<i8").tobytes(), made.streams.astype("<u4").tobytes()),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO columns VALUES (?, ?)",
        [
            (_place(attribute, block), column.astype("<u2").tobytes())
            for attribute, column in made.answers.items()
        ],
    )
    assert made.durations is not None
    _write_durations(connection, block, made.durations)


def seal_durations(connection: sqlite3.Connection) -> None:
    """Write the times in view of blocks that were sealed without them."""
    for (block,) in connection.execute("SELECT block FROM blocks").fetchall():
        _write_durations(connection, block, _durations(connection, block))


def unseal(connection: sqlite3.Connection, block: int) -> None:
    """Drop the columns of a block of which people go; the rows are asked from now on."""
    attributes = connection.execute("SELECT attribute FROM attributes").fetchall()
    connection.executemany(
        "DELETE FROM columns WHERE place = ?",
        [(_place(attribute, block),) for (attribute,) in [*attributes, (_DURATION,)]],
    )
    connection.execute("DELETE FROM blocks WHERE block = ?", (block,))


def reseal(connection: sqlite3.Connection, block: int) -> None:
    """Write the columns again of those who stayed, unless more people may come to the block."""
    (last,) = connection.execute("SELECT max(person) FROM persons").fetchone()
    if last is not None and block < block_of(last):
        seal(connection, block)


def read_blocks(
    connection: sqlite3.Connection,
    attributes: Collection[int],
    since: int,
    until: int,
    *,
    durations: bool = False,
) -> Iterator[Block]:
    """All people who may have been last seen from ``since`` to before ``until``, and others.

    Args:
        connection: within a transaction.
        attributes: whose answers are wanted.
        since: milliseconds since 1970, UTC.
        until: likewise.
        durations: whether the times in view are wanted.
    """
    low, high = connection.execute(  # so asked, each is found at once
        "SELECT (SELECT min(person) FROM persons), (SELECT max(person) FROM persons)"
    ).fetchone()
    if low is None:
        return
    sealed = dict(connection.execute("SELECT block, first < ? AND last >= ? FROM blocks",
                                     (until, since)))  # fmt: skip
    rest = [block for block in range(block_of(low), block_of(high) + 1) if block not in sealed]
    for block in rest:
        yield _from_rows(connection, block, attributes, durations=durations)
    asked = sorted(block for block, overlaps in sealed.items() if overlaps)
    for start in range(0, len(asked), _TOGETHER):
        some = asked[start : start + _TOGETHER]
        yield _from_columns(connection, some[0], some[-1], attributes, durations=durations)


def _from_columns(
    connection: sqlite3.Connection,
    first: int,
    last: int,
    attributes: Collection[int],
    *,
    durations: bool,
) -> Block:
    """The sealed ones among neighbouring blocks, as one."""
    rows = connection.execute(
        "SELECT block, times, streams FROM blocks WHERE block BETWEEN ? AND ? ORDER BY block",
        (first, last),
    ).fetchall()
    numbers = [row[0] for row in rows]
    answers: dict[int, _Answers] = {}
    absent = np.full(_SIZE, ABSENT, "<u2").tobytes()
    for attribute in attributes:
        columns = _columns(connection, attribute, first, last)
        joined = b"".join(columns.get(number, absent) for number in numbers)
        answers[attribute] = np.frombuffer(joined, "<u2")
    starts = np.array(numbers, np.int64)[:, None] * _SIZE
    return Block(
        persons=(starts + np.arange(_SIZE)).ravel(),
        times=np.frombuffer(b"".join(row[1] for row in rows), "<i8"),
        streams=np.frombuffer(b"".join(row[2] for row in rows), "<u4"),
        answers=answers,
        durations=_all_durations(connection, numbers) if durations else None,
    )


def _columns(
    connection: sqlite3.Connection, attribute: int, first: int, last: int
) -> dict[int, bytes]:
    """What is written of an attribute, by block."""
    query = "SELECT place, answers FROM columns WHERE place BETWEEN ? AND ?"
    span = _place(attribute, first), _place(attribute, last)
    return {place & 0xFFFFFFFF: column for place, column in connection.execute(query, span)}


def _from_rows(
    connection: sqlite3.Connection,
    block: int,
    attributes: Collection[int] | None,
    *,
    durations: bool,
) -> Block:
    """A block that has no columns yet; of all attributes if none are named."""
    start = block * _SIZE
    span = (start, start + _SIZE - 1)
    query = "SELECT person, time, stream FROM persons WHERE person BETWEEN ? AND ?"
    people = np.array(connection.execute(query, span).fetchall(), np.int64).reshape(-1, 3)
    times, streams = np.zeros(_SIZE, np.int64), np.zeros(_SIZE, np.uint32)
    times[people[:, 0] - start], streams[people[:, 0] - start] = people[:, 1], people[:, 2]
    query = "SELECT person, attribute, p, answer FROM answers WHERE person BETWEEN ? AND ?"
    if attributes is not None:
        query += f" AND attribute IN ({', '.join(map(str, attributes))})"
    rows = np.array(connection.execute(query, span).fetchall(), np.int64).reshape(-1, 4)
    person, attribute, p, answer = rows.T
    found = np.unique(attribute).tolist() if attributes is None else attributes
    answers = {number: np.full(_SIZE, ABSENT, np.uint16) for number in found}
    for number, column in answers.items():
        its = attribute == number
        column[person[its] - start] = p[its] | answer[its] << ANSWER_SHIFT
    return Block(
        persons=np.arange(start, start + _SIZE),
        times=times,
        streams=streams,
        answers=answers,
        durations=_durations(connection, block) if durations else None,
    )


def _all_durations(connection: sqlite3.Connection, blocks: list[int]) -> _Durations:
    """Times in view of people in sealed blocks; a store of version 1 has none written."""
    written = _columns(connection, _DURATION, blocks[0], blocks[-1])
    parts = [
        np.frombuffer(written[block], "<u4") if block in written else _durations(connection, block)
        for block in blocks
    ]
    return np.concatenate(parts)


def _durations(connection: sqlite3.Connection, block: int) -> _Durations:
    """Times in view of people in a block, from their rows."""
    found = np.zeros(_SIZE, np.uint32)
    start = block * _SIZE
    query = f"SELECT person, {_MS_SEEN} FROM persons WHERE person BETWEEN ? AND ?"
    rows = np.array(connection.execute(query, (start, start + _SIZE - 1)).fetchall(), np.int64)
    person, duration = rows.reshape(-1, 2).T
    found[person - start] = duration
    return found


def _write_durations(connection: sqlite3.Connection, block: int, durations: _Durations) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO columns VALUES (?, ?)",
        (_place(_DURATION, block), durations.astype("<u4").tobytes()),
    )


def _place(attribute: int, block: int) -> int:
    """Columns of one attribute lie side by side."""
    return attribute << 32 | block
