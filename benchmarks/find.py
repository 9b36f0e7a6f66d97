"""Ten queries over a million records: in this process, and as the whole `edgeattr find`.

python benchmarks/find.py [--records 1000000] [--folder DIR] [--store PEOPLE.sqlite]
"""

from __future__ import annotations

import argparse
import functools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from store import fill

from edgeattr.search.store import PeopleReader, SearchRequest
from edgeattr.search.store.records import milliseconds
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
            fill(path, options.records, milliseconds(None))
        print(device_name())
        print("| query | people | newest 100 | count | most probable 100 | whole process |")
        print("|---|---|---|---|---|---|")
        for query in _QUERIES:
            print(_row(path, query), flush=True)


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


if __name__ == "__main__":
    main()
