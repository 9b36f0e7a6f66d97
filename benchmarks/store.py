"""The store of people at a million records: writing, asking, size, and writing one by one.

python benchmarks/store.py [--records 1000000] [--folder DIR] [--retention]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgeattr.core.bundle import Bundle
from edgeattr.core.hub import default_bundle
from edgeattr.search.store import PeopleReader, PeopleStore
from edgeattr.search.store.records import iso_time, milliseconds
from edgeattr_runtimes.device import device_name

_CAMERAS = 8
_DAYS = 30
_CHUNK = 5000  # records per transaction of the bulk load
_QUERY = "backpack >= 80% and hat <= 20% and long_hair >= 80%"


def main() -> None:
    """Print what was measured as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder if absent")
    parser.add_argument("--retention", action="store_true", help="delete a third of it at the end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "people.sqlite"
        print(device_name())
        print("| what | result |\n|---|---|")
        now = milliseconds(None)
        fill(path, options.records, now)
        _one_by_one(path, now)
        _ask(path, now)
        if options.retention:
            _forget(path)


def fill(path: Path, count: int, now: int) -> None:
    """Write that many records, and print how fast it went."""
    spent = 0.0
    with PeopleStore(path) as store:
        for chunk in _chunks(count, now):
            start = time.perf_counter()
            store.add_many(chunk)
            spent += time.perf_counter() - start
    size = path.stat().st_size
    attributes = len(chunk[0]["attributes"])
    print(f"| {count:,} records of {attributes} attributes, in bulk | {count / spent:,.0f}/s |")
    print(f"| size | {size / 2**20:,.0f} MiB, {size / count:,.0f} bytes a record |")


def _one_by_one(path: Path, now: int) -> None:
    """Each record acknowledged by itself, from one thread and from sixteen."""
    for threads in (1, 16):
        events = [event for chunk in _chunks(threads * 100, now, seed=threads) for event in chunk]
        seconds: list[float] = []
        with PeopleStore(path) as store:

            def write(mine: list[dict[str, Any]], store: PeopleStore = store) -> None:
                for event in mine:
                    start = time.perf_counter()
                    store.add(event)
                    seconds.append(time.perf_counter() - start)  # noqa: B023 - joined below

            workers = [
                threading.Thread(target=write, args=(events[index::threads],))
                for index in range(threads)
            ]
            start = time.perf_counter()
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            rate = len(events) / (time.perf_counter() - start)
        slow = statistics.quantiles(seconds, n=100)[98]
        print(
            f"| one by one, each synced to disk, {threads} threads | {rate:,.0f}/s, "
            f"median {statistics.median(seconds) * 1e3:.1f} ms, 99 % {slow * 1e3:.1f} ms |"
        )


def _ask(path: Path, now: int) -> None:
    day, month = iso_time(now - 24 * 3600 * 1000), iso_time(now - _DAYS * 24 * 3600 * 1000)
    with PeopleReader(path) as reader:
        queries: dict[str, Callable[[], Any]] = {
            "one camera, one day, the last 100": lambda: reader.find(
                _QUERY, since=day, streams=["camera 3"]
            ),
            "one camera, all 30 days, the last 100": lambda: reader.find(
                _QUERY, since=month, streams=["camera 3"]
            ),
            "all cameras and days, the last 100": lambda: reader.find(_QUERY),
            "one camera, all 30 days, count": lambda: reader.count(
                _QUERY, since=month, streams=["camera 3"]
            ),
            "all cameras and days, count": lambda: reader.count(_QUERY),
            "all, a rare mixture, count": lambda: reader.count(
                f"{_QUERY} and plaid >= 95% and stripes >= 95%"
            ),
            "all, without p, count": lambda: reader.count("backpack and not hat and long_hair"),
        }
        for name, query in queries.items():
            start = time.perf_counter()
            found = query()
            first = time.perf_counter() - start
            seconds, busy = [], []
            for _ in range(9):
                start, start_cpu = time.perf_counter(), time.process_time()
                query()
                seconds.append(time.perf_counter() - start)
                busy.append(time.process_time() - start_cpu)
            count = found if isinstance(found, int) else len(found)
            print(
                f"| {name}: {count:,} people | {statistics.median(seconds) * 1e3:.0f} ms, "
                f"of them {statistics.median(busy) * 1e3:.0f} on the processor; "
                f"first {first * 1e3:.0f} ms |"
            )


def _forget(path: Path) -> None:
    with PeopleStore(path) as store:
        start = time.perf_counter()
        count = store.forget_older(_DAYS * 2 / 3)
        spent = time.perf_counter() - start
    print(f"| retention | {count:,} people deleted, {count / spent:,.0f}/s |")


def _chunks(count: int, now: int, seed: int = 0) -> Iterator[list[dict[str, Any]]]:
    """Records over 30 days and eight cameras, in the order of their time."""
    rng = np.random.default_rng(seed)
    names = [
        attribute.name
        for attribute in Bundle.read(default_bundle()).schema.attributes
        if not attribute.sensitive
    ]
    share = rng.uniform(0.03, 0.5, len(names))  # how often each attribute holds
    for begin in range(0, count, _CHUNK):
        size = min(_CHUNK, count - begin)
        holds = rng.random((size, len(names))) < share
        doubt = rng.beta(0.5, 4, holds.shape)  # most answers are sure
        p = np.round(np.where(holds, 1 - doubt, doubt), 4)
        yield [
            _event(begin + row, now, count, dict(zip(names, p[row].tolist(), strict=True)))
            for row in range(size)
        ]


def _event(index: int, now: int, count: int, p: dict[str, float]) -> dict[str, Any]:
    time_ms = now - round(_DAYS * 24 * 3600 * 1000 * (1 - index / count))
    return {
        "type": "person",
        "id": str(uuid.UUID(bytes=os.urandom(16), version=4)),
        "time": iso_time(time_ms),
        "stream": f"camera {index % _CAMERAS}",
        "track": index,
        "first_s": round(index * 2.6, 3),
        "last_s": round(index * 2.6 + 2 + index * 7919 % 1200 / 10, 3),  # 2 to 122 s
        "frames": 120,
        "crops_classified": 9,
        "box": [672.9, 173.5, 95.1, 186.3],
        "attributes": {name: {"p": value, "answer": _answer(value)} for name, value in p.items()},
    }


def _answer(p: float) -> str:
    return "unknown" if abs(p - 0.5) < 0.15 else "yes" if p > 0.5 else "no"


if __name__ == "__main__":
    main()
