"""A store of a million records: written, and asked ten queries, here and by `edgeattr find`.

python benchmarks/find.py [--records 1000000] [--folder DIR] [--store PEOPLE.sqlite]
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgeattr.core.bundle import Bundle
from edgeattr.core.hub import default_bundle
from edgeattr.search.store import PeopleReader, PeopleStore, SearchRequest
from edgeattr.search.store.records import iso_time, milliseconds
from edgeattr_runtimes.device import device_name

_QUERIES = (
    "backpack and not hat and long hair",
    "backpack > 80% and hat < 20% and long_hair > 80%",
    "(backpack or messenger_bag or plastic_bag) and not (hat or sunglasses)",
    "unknown(hat) or jeans is not yes",
    'stream = "camera 3" and not (jeans or shorts)',
    'stream ~ "*era [1-3]" and (plaid or stripes) and v_neck between 20% and 90%',
    "last 2d and (backpack or carrying_other)",
    "between 22:00 and 06:00 and hat and not unknown(jeans)",
    "seen > 100s and (sandals or sneakers) and not leather_shoes",
    "not (not hat and not (muffler or logo and seen < 30s)) or t_shirt > 0.95",
)
_ROUNDS = 9
_CAMERAS = 8
_DAYS = 30
_CHUNK = 5000  # records in a transaction of the bulk load
_STARTS = 5


def main() -> None:
    """Print what was measured as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder if absent")
    parser.add_argument("--store", type=Path, help="ask this store and write none")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = options.store or Path(folder) / "people.sqlite"
        if options.store is None:
            _fill(path, options.records, milliseconds(None))
        print(device_name())
        print("| query | people | newest 100 | count | most probable 100 | whole process |")
        print("|---|---|---|---|---|---|")
        for query in _QUERIES:
            print(_row(path, query), flush=True)


def _fill(path: Path, count: int, now: int) -> None:
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


def _row(path: Path, query: str) -> str:
    with PeopleReader(path) as reader:
        questions = [
            SearchRequest(query=query),
            SearchRequest(query=query, limit=0),
            SearchRequest(query=query, order="p"),
        ]
        asks = [functools.partial(reader.search, question) for question in questions]
        found = [_times(ask, _ROUNDS) for ask in asks]
        total = reader.count(query)
    command = [sys.executable, "-m", "edgeattr", "find", query, "--store", str(path)]
    whole = _times(lambda: subprocess.run(command, check=True, capture_output=True), _STARTS)
    cells = " | ".join((*found, whole))
    return f"| `{query}` | {total:,} | {cells} |"


def _times(ask: Callable[[], Any], rounds: int) -> str:
    """Median and fastest, and what this process's own work took of it."""
    seconds, busy = [], []
    for _ in range(rounds):
        start, start_cpu = time.perf_counter(), time.process_time()
        ask()
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - start_cpu)
    text = f"{statistics.median(seconds) * 1e3:.0f} ms (fastest {min(seconds) * 1e3:.0f}"
    own = statistics.median(busy) * 1e3
    return text + (f", processor {own:.0f})" if own > 5 else ")")


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
