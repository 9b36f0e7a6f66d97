"""A writer killed at any moment: what it acknowledged is there, whole and once."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeattr.outputs import EventsFile
from edgeattr.outputs.spool import Spool
from edgeattr.search.store import PeopleReader, PeopleStore

from ..conftest import json_lines
from ..search.store.person_events import rows_of

_WRITER = """
import json, sys, threading, uuid
from pathlib import Path
from edgeattr.outputs import EventsFile
from edgeattr.outputs.spool import Spool
from edgeattr.search.store import PeopleStore

kind, path = sys.argv[1], Path(sys.argv[2])
if kind == "events":
    put = EventsFile(path, append=True).write
elif kind == "spool":
    spool = Spool(path)
    put = lambda event: spool.put(json.dumps(event).encode())
else:
    store = PeopleStore(path, retention_days=3650)
    put = store.add if kind == "store" else store.add_alert
person = {"type": "person", "stream": "door", "track": 1, "first_s": 0, "last_s": 1, "frames": 9,
          "crops_classified": 2, "box": [1, 2, 3, 4],
          "attributes": {f"a{n}": {"p": 0.75, "answer": "yes"} for n in range(30)}}
alert = {"type": "alert", "stream": "door", "alert": "loading", "track": 1, "at_s": 0.1}

def write():
    while True:
        event = {**(alert if kind == "alerts" else person), "id": str(uuid.uuid4())}
        put(event)
        sys.stdout.write(event["id"] + "\\n")
        sys.stdout.flush()

for _ in range(3):
    threading.Thread(target=write).start()
"""


def _in_events(path: Path) -> list[str]:
    EventsFile(path, append=True).close()  # mends a torn last line
    return [event["id"] for event in json_lines(path)]


def _in_spool(path: Path) -> list[str]:
    with Spool(path) as spool:
        return [json.loads(entry.payload)["id"] for entry in spool.peek(10**6)]


def _in_store(path: Path) -> list[str]:
    with PeopleReader(path) as reader:  # before anything mended it
        found = [event["id"] for event in reader.find(limit=None)]
    PeopleStore(path).close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        whole = " + ".join(f"a{n} * (a{n}_p = 7500)" for n in range(30))
        torn = connection.execute(f"SELECT count(*) FROM people WHERE ({whole}) IS NOT 30")
        assert torn.fetchone() == (0,), "a record is whole or not there"
    connection.close()
    return found


def _in_alerts(path: Path) -> list[str]:
    return [row["id"] for row in rows_of(path, "alerts")]


@pytest.mark.parametrize(
    ("kind", "kept_in"),
    [
        ("events", _in_events), ("spool", _in_spool), ("store", _in_store),
        ("alerts", _in_alerts),
    ],
)  # fmt: skip
def test_what_was_acknowledged_before_a_kill_is_there(
    tmp_path: Path, kind: str, kept_in: Callable[[Path], list[str]]
) -> None:
    chance, acknowledged = random.Random(11), list[str]()
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, kind, tmp_path / kind],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            for _ in range(chance.randrange(1, 60)):
                acknowledged.append(writer.stdout.readline().strip())
            writer.send_signal(signal.SIGKILL)
            acknowledged += [line for line in writer.stdout.read().split("\n")[:-1] if line]
        kept = kept_in(tmp_path / kind)
        assert set(acknowledged) <= set(kept)
        assert len(kept) == len(set(kept))
