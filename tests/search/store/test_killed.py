"""A writer killed at any moment: what it acknowledged is there."""

import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from edgeattr.search.store import PeopleReader, PeopleStore

_WRITER = """
import itertools, sys, threading, uuid
from pathlib import Path
from edgeattr.search.store import PeopleStore
store = PeopleStore(Path(sys.argv[1]), retention_days=3650)
person = {"type": "person", "stream": "door", "track": 1, "first_s": 0, "last_s": 1, "frames": 9,
          "crops_classified": 2, "box": [1, 2, 3, 4],
          "attributes": {f"a{n}": {"p": 0.75, "answer": "yes"} for n in range(30)}}
def write():
    while True:
        event = {**person, "id": str(uuid.uuid4())}
        store.add(event)
        sys.stdout.write(event["id"] + "\\n")
        sys.stdout.flush()
for _ in range(3):
    threading.Thread(target=write).start()
"""


def test_every_record_acknowledged_before_a_kill_is_there(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    chance = random.Random(11)
    acknowledged: list[str] = []
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout
            for _ in range(chance.randrange(1, 60)):
                acknowledged.append(writer.stdout.readline().strip())
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read()
        acknowledged += [line for line in rest.split("\n")[:-1] if line]
        with PeopleReader(path) as reader:  # before anything mended it
            missing = [name for name in acknowledged if reader.get(name) is None]
            assert not missing
            assert reader.count() >= len(acknowledged)
    PeopleStore(path).close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        whole = " + ".join(f"a{n} * (a{n}_p = 7500)" for n in range(30))
        torn = connection.execute(f"SELECT count(*) FROM people WHERE ({whole}) IS NOT 30")
        assert torn.fetchone() == (0,), "a record is whole or not there"
    connection.close()
