"""The tables of the store of people.

One row a person and one row an answer, for writing and for whoever asks in SQL; and the answers
once more in blocks, for asking quickly: see :mod:`edgeattr.search.store.blocks`. Writing a
person touches few pages, because answers lie under the person and not under the attribute.
"""

from __future__ import annotations

from edgeattr.search.store.blocks import seal_durations
from edgeattr.search.store.database import Layout

__all__ = ["ANSWERS", "PEOPLE", "P_SCALE"]

ANSWERS = ("no", "yes", "unknown")  # as stored: 0 and 1 take no space in SQLite
P_SCALE = 10_000  # probabilities are stored as whole numbers of ten-thousandths

_SCRIPT = """
CREATE TABLE streams (stream INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE attributes (attribute INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE persons (
    person INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,          -- 16 bytes of a UUID, or a text
    stream INTEGER NOT NULL REFERENCES streams,
    time INTEGER NOT NULL,            -- when last seen, milliseconds since 1970, UTC
    track INTEGER NOT NULL,
    first_s REAL NOT NULL,            -- seconds from the start of the stream
    last_s REAL NOT NULL,
    frames INTEGER NOT NULL,
    crops_classified INTEGER NOT NULL,
    x REAL NOT NULL,                  -- box where seen last, pixels
    y REAL NOT NULL,
    width REAL NOT NULL,
    height REAL NOT NULL,
    more TEXT                         -- fields of the record that have no column, as JSON
);
CREATE INDEX persons_by_time ON persons (time);
CREATE TABLE answers (
    person INTEGER NOT NULL REFERENCES persons,
    attribute INTEGER NOT NULL REFERENCES attributes,
    p INTEGER NOT NULL,               -- ten-thousandths
    answer INTEGER NOT NULL,          -- 0 no, 1 yes, 2 unknown
    PRIMARY KEY (person, attribute)
) WITHOUT ROWID;
CREATE TABLE blocks (
    block INTEGER PRIMARY KEY,        -- people numbered 1000 * block and up
    first INTEGER NOT NULL,           -- the earliest and latest of their times
    last INTEGER NOT NULL,
    times BLOB NOT NULL,              -- 1000 signed 64-bit numbers, as in persons
    streams BLOB NOT NULL             -- 1000 32-bit numbers; 0 where there is no such person
);
CREATE TABLE columns (
    place INTEGER PRIMARY KEY,        -- attribute * 2^32 + block
    answers BLOB NOT NULL             -- 1000 16-bit numbers: p + 2^14 * answer; 0xFFFF for none
                                      -- of attribute 0: 1000 32-bit numbers, ms from first to last
);
CREATE TABLE crops (person INTEGER PRIMARY KEY REFERENCES persons, jpeg BLOB NOT NULL);
CREATE TABLE audit (
    entry INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,            -- milliseconds since 1970, UTC
    act TEXT NOT NULL,
    who TEXT NOT NULL,                -- the user's name on the system
    pid INTEGER NOT NULL,
    detail TEXT NOT NULL              -- JSON
)
"""

PEOPLE = Layout(
    kind="store of people",
    application_id=0x45417470,
    version=2,
    script=_SCRIPT.strip(),
    upgrades={1: seal_durations},
)
