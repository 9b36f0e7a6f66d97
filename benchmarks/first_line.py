"""From the start of `edgeattr run VIDEO` to the line of its first person, on a terminal's stderr.

    python benchmarks/first_line.py VIDEO [--runs N] [--against FOLDER]

Seconds on the wall and processor seconds of all threads, medians. Modules are compiled first, as
pip leaves them. With another checkout as FOLDER both take turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edgeattr.core.limits import available_cores
from edgeattr_runtimes.device import device_name

_HERE = Path(__file__).parents[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--against", type=Path)
    arguments = parser.parse_args()
    folders = [_HERE, *([arguments.against.absolute()] if arguments.against else [])]
    with tempfile.TemporaryDirectory() as compiled:
        environment = {
            name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
        } | {"PYTHONPYCACHEPREFIX": compiled}
        seconds: dict[Path, list[tuple[float, float]]] = {folder: [] for folder in folders}
        for turn in range(arguments.runs + 1):
            for folder, times in seconds.items():
                taken = _first_line(folder, arguments.video.absolute(), environment)
                if turn:  # the first run compiles
                    times.append(taken)
    print(f"{device_name()}, {available_cores()} cores, {arguments.runs} runs")
    for folder, times in seconds.items():
        walls, processors = zip(*times, strict=True)
        print(
            f"{folder.name}: {statistics.median(walls):.2f} s ({min(walls):.2f} to "
            f"{max(walls):.2f}), processor {statistics.median(processors):.2f} s"
        )


def _first_line(folder: Path, video: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds, and processor seconds, until the line of the first person."""
    command = [sys.executable, "-m", "edgeattr", "run", str(video), "--events", os.devnull]
    environment = environment | {"PYTHONPATH": os.pathsep.join([str(folder), f"{folder}/runtimes"])}
    start = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, env=environment
    ) as run:
        assert run.stderr
        for line in run.stderr:
            if line.startswith("person "):
                wall = time.perf_counter() - start
                used = Path(f"/proc/{run.pid}/stat").read_text().rsplit(")", 1)[1].split()
                run.kill()
                ticks = os.sysconf("SC_CLK_TCK")
                return wall, (int(used[11]) + int(used[12])) / ticks
    raise SystemExit(f"{folder}: the run told of nobody")


if __name__ == "__main__":
    main()
