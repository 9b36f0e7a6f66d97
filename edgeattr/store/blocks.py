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

__all__ = ["ABSENT", "ANSWER_SHIFT", "Block", "block_of", "read_blocks", "reseal", "seal", "unseal"]

_TOGETHER = 64  # blocks looked at at once: their columns stay in the processor's cache
_SIZE = 1000  # people in a block: so that two columns fit into a page of SQLite's 4096 bytes
ANSWER_SHIFT = 14  # an answer in 16 bits: ten-thousandths of p, and above them the answer's code
ABSENT = 0xFFFF  # that person has no such answer

_Times = npt.NDArray[np.int64]
_Streams = npt.NDArray[np.uint32]
_Answers = npt.NDArray[np.uint16]


@dataclass(frozen=True, kw_only=True)
class Block:
    """People whose numbers follow each other, as columns."""

    persons: _Times  # [N], their numbers
    times: _Times  # [N], milliseconds since 1970, UTC
    streams: _Streams  # [N], numbers of the streams; 0 where there is no such person
    answers: Mapping[int, _Answers]  # by attribute, [N]


def block_of(person: int) -> int:
    """The block that a person's number belongs to."""
    return person // _SIZE


def seal(connection: sqlite3.Connection, block: int) -> None:
    """Write the columns of a block whose people are all there."""
    made = _from_rows(connection, block, None)
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


def unseal(connection: sqlite3.Connection, block: int) -> None:
    """Drop the columns of a block of which people go; the rows are asked from now on."""
    attributes = connection.execute("SELECT attribute FROM attributes").fetchall()
    connection.executemany(
        "DELETE FROM columns WHERE place = ?",
        [(_place(attribute, block),) for (attribute,) in attributes],
    )
    connection.execute("DELETE FROM blocks WHERE block = ?", (block,))


def reseal(connection: sqlite3.Connection, block: int) -> None:
    """Write the columns again of those who stayed, unless more people may come to the block."""
    (last,) = connection.execute("SELECT max(person) FROM persons").fetchone()
    if last is not None and block < block_of(last):
        seal(connection, block)


def read_blocks(
    connection: sqlite3.Connection, attributes: Collection[int], since: int, until: int
) -> Iterator[Block]:
    """All people who may have been last seen from ``since`` to before ``until``, and others.

    Args:
        connection: within a transaction.
        attributes: whose answers are wanted.
        since: milliseconds since 1970, UTC.
        until: likewise.
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
        yield _from_rows(connection, block, attributes)
    asked = sorted(block for block, overlaps in sealed.items() if overlaps)
    for start in range(0, len(asked), _TOGETHER):
        some = asked[start : start + _TOGETHER]
        yield _from_columns(connection, some[0], some[-1], attributes)


def _from_columns(
    connection: sqlite3.Connection, first: int, last: int, attributes: Collection[int]
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
        columns = {
            place & 0xFFFFFFFF: column
            for place, column in connection.execute(
                "SELECT place, answers FROM columns WHERE place BETWEEN ? AND ?",
                (_place(attribute, first), _place(attribute, last)),
            )
        }
        joined = b"".join(columns.get(number, absent) for number in numbers)
        answers[attribute] = np.frombuffer(joined, "<u2")
    starts = np.array(numbers, np.int64)[:, None] * _SIZE
    return Block(
        persons=(starts + np.arange(_SIZE)).ravel(),
        times=np.frombuffer(b"".join(row[1] for row in rows), "<i8"),
        streams=np.frombuffer(b"".join(row[2] for row in rows), "<u4"),
        answers=answers,
    )


def _from_rows(
    connection: sqlite3.Connection, block: int, attributes: Collection[int] | None
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
        persons=np.arange(start, start + _SIZE), times=times, streams=streams, answers=answers
    )


def _place(attribute: int, block: int) -> int:
    """Columns of one attribute lie side by side."""
    return attribute << 32 | block
