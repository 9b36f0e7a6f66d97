"""Draws a video, runs edgeattr on it and reads a picture: what benchmarks/bare_debian runs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt


def main() -> None:
    """Fail where a command does."""
    folder = Path(tempfile.mkdtemp())
    video, out, events = (folder / name for name in ("walk.mp4", "out.mp4", "events.jsonl"))
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for step in range(30):
            image = _person(30 + 8 * step)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    cv2.imwrite(str(folder / "person.png"), image)
    _edgeattr("run", video, "--output", out, "--events", events, "--quiet")
    summary = json.loads(events.read_text().splitlines()[-1])
    assert (summary["frames"], summary["people"]) == (30, 1)
    assert out.stat().st_size > 1000
    assert "attributes" in _edgeattr("predict", folder / "person.png", "--json")
    shown = [sys.executable, "-m", "edgeattr", "run", video, "--show"]
    refused = subprocess.run(
        shown, env={"DISPLAY": ":0"}, capture_output=True, text=True, check=False
    )
    assert "opencv-python-headless has none" in refused.stderr, refused.stderr


def _person(x: int) -> npt.NDArray[np.uint8]:
    """A room in which somebody stands at x."""
    image = np.full((240, 320, 3), 190, np.uint8)
    image[170:] = 90, 120, 150
    for side in (-1, 1):
        cv2.line(image, (x + 5 * side, 150), (x + 8 * side, 208), (75, 50, 30), 11)
        cv2.line(image, (x + 13 * side, 100), (x + 17 * side, 140), (35, 27, 110), 8)
    cv2.rectangle(image, (x - 13, 94), (x + 13, 152), (45, 35, 140), -1)
    cv2.ellipse(image, (x, 76), (9, 13), 0, 0, 360, (110, 140, 195), -1)
    cv2.ellipse(image, (x, 70), (10, 8), 0, 180, 360, (25, 30, 45), -1)
    return image


def _edgeattr(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "edgeattr", *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main()
