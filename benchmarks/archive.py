"""What an archive gains from Ray's workers: python benchmarks/archive.py VIDEO...

Cuts short clips from the videos into a temporary folder and has examples/archive_with_ray.py read
them with one, two and four workers, and `edgeattr run` without Ray, in turns. Two times are told:
from the first worker that is ready to the last result, and of the whole command, with the start of
Ray and of the workers.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av

from edgeattr.video.sources import Frame
from edgeattr.video.sources.file import VideoFileSource

_ROOT = Path(__file__).resolve().parent.parent
_WAYS = {  # workers and threads of each; none: `edgeattr run`
    "edgeattr run, all at once": None,
    "1 worker, 1 thread": (1, 1),
    "1 worker, 2 threads": (1, 2),
    "2 workers, 1 thread each": (2, 1),
    "4 workers, 1 thread each": (4, 1),
}


def cut(videos: list[Path], folder: Path, clips: int, frames: int) -> float:
    """Write short clips, H.264; gives their seconds together."""
    seconds, number = 0.0, 0
    for index, video in enumerate(videos):
        with VideoFileSource(str(video)) as source:
            pictures = source.frames()
            for _ in range(clips // len(videos) + (index < clips % len(videos))):
                part = list(itertools.islice(pictures, frames))
                write(folder / f"clip{number:02d}.mp4", part, round(source.rate))
                seconds += len(part) / round(source.rate)
                number += 1
    return seconds


def write(path: Path, frames: list[Frame], rate: int) -> None:
    """One clip."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast"})
        stream.height, stream.width = frames[0].image.shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, format="bgr24")))
        container.mux(stream.encode(None))


def measure(way: tuple[int, int] | None, clips: Path, detector: str) -> tuple[float, float, int]:
    """Seconds of the work and of the whole command, and people found."""
    out = Path(tempfile.mkdtemp(prefix="archive"))
    begin = time.perf_counter()
    if way is None:
        events = out / "people.jsonl"
        files = map(str, sorted(clips.iterdir()))
        command = ["-m", "edgeattr", "run", *files, "--events", str(events), "--quiet"]
        subprocess.run([sys.executable, *command, "--detector", detector], check=True)
        whole = work = time.perf_counter() - begin
        lines = [json.loads(line) for line in events.read_text().splitlines()]
        people = sum(line["type"] == "person" for line in lines)
    else:
        command = [str(_ROOT / "examples" / "archive_with_ray.py"), str(clips), "--out", str(out)]
        options = ["--workers", str(way[0]), "--threads", str(way[1]), "--detector", detector]
        work, total = watch([sys.executable, *command, *options])
        whole, people = time.perf_counter() - begin, total["people"]
    shutil.rmtree(out)
    return work, whole, people


def watch(command: list[str]) -> tuple[float, dict[str, Any]]:
    """Run the example; gives seconds from the first worker to the last video, and the totals."""
    begin = end = 0.0
    said = ""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr or ():
            said += line
            if line.startswith("worker:") and not begin:
                begin = time.perf_counter()
            if line.startswith("["):
                end = time.perf_counter()
        out = (process.stdout or io.StringIO()).read()
    if process.returncode:
        sys.exit(said)
    return end - begin, json.loads(out)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO")
    parser.add_argument("--detector", default="auto", help="NAME or PATH")
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--frames", type=int, default=100, help="of a clip")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in _WAYS}
    with tempfile.TemporaryDirectory(prefix="clips") as folder:
        seconds = cut(arguments.videos, Path(folder), arguments.clips, arguments.frames)
        print(f"{arguments.clips} clips of {arguments.frames} frames, {seconds:.0f} s of video")
        for _ in range(arguments.rounds):
            for name, way in _WAYS.items():
                found[name].append(measure(way, Path(folder), arguments.detector))
                print(f"  {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    print("| way | work, s | of 1 worker's rate | whole command, s | people |")
    print("|---|---|---|---|---|")
    base = [work for work, _, _ in found["1 worker, 1 thread"]]
    for name, rounds in found.items():
        work, whole = (statistics.median(entry[part] for entry in rounds) for part in (0, 1))
        ratio = statistics.median(one / entry[0] for one, entry in zip(base, rounds, strict=True))
        print(f"| {name} | {work:.1f} | {ratio:.2f} | {whole:.1f} | {rounds[0][2]} |")


if __name__ == "__main__":
    main()
