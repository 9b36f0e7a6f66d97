"""Does memory stay flat? Calls of all sizes until a million crops or twenty minutes have passed.

    python benchmarks/soak.py [--runtime R] [--precision P] [--crops 1000000] [--minutes 20]

Prints resident memory every minute; exits with 1 where it grew by more than two per cent after the
first tenth, in which pools fill.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

import edgeattr
from edgeattr_runtimes.device import device_name, memory_of_process

_LIMIT = 0.02  # of what was resident after the warm-up
_WARM_UP = 0.1  # of the whole


def main() -> None:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--crops", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=20)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    pool = [
        rng.integers(0, 255, (rng.integers(60, 400), rng.integers(30, 160), 3), dtype=np.uint8)
        for _ in range(40)
    ]
    start, done, shown, before, worst = time.monotonic(), 0, -60.0, 0, 0
    with edgeattr.load(
        options.model, runtime=options.runtime, precision=options.precision
    ) as model:
        print(f"{device_name()}; {model.describe()}")
        while (share := _share(start, done, options)) < 1:
            count = int(rng.integers(0, 17))
            model.predict([pool[int(index)] for index in rng.integers(0, len(pool), count)])
            done += count
            now = memory_of_process("VmRSS")
            if share < _WARM_UP:
                before = now
            worst = max(worst, now)
            if (spent := time.monotonic() - start) - shown >= 60:
                shown = spent
                print(f"{spent:6.0f} s {done:9} crops {now / 1024:8.1f} MiB", flush=True)
    growth = worst / before - 1
    print(f"{done} crops, {before / 1024:.1f} MiB after the warm-up, at most {growth:+.2%} since")
    sys.exit(growth > _LIMIT)


def _share(start: float, done: int, options: argparse.Namespace) -> float:
    """How much of the whole is done."""
    return max(done / options.crops, (time.monotonic() - start) / (60 * options.minutes))


if __name__ == "__main__":
    main()
