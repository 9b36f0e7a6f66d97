"""From a fresh Python to the first answer, for every engine: median of several processes.

python benchmarks/load_time.py [--model M] [--runs 7]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

from edgeattr.core.bundle import Bundle
from edgeattr.core.hub import resolve_bundle
from edgeattr_runtimes import choose
from edgeattr_runtimes.device import device_name
from edgeattr_runtimes.engines import automatic

_PROGRAM = """
import time
start = time.perf_counter()
import sys
import numpy as np
import edgeattr
with edgeattr.load(sys.argv[1], runtime=sys.argv[2]) as model:
    model.predict([np.zeros((80, 40, 3), np.uint8)])
    print(time.perf_counter() - start)
"""


def main() -> None:
    """Print one line for each engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    bundle = Bundle.read(resolve_bundle(options.model))
    print(device_name())
    print("| engine | variant | imports, load, first answer | the whole process |")
    print("|---|---|---|---|")
    for engine in automatic():
        inside, whole = [], []
        for _ in range(options.runs):
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", _PROGRAM, options.model, engine],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            whole.append(time.perf_counter() - start)
            inside.append(float(done.stdout))
        name = choose(bundle, engine)[1].name
        print(
            f"| {engine} | {name} | {statistics.median(inside):.2f} s | "
            f"{statistics.median(whole):.2f} s |"
        )


if __name__ == "__main__":
    main()
