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


def main() -> None:
    """Fail where a command does."""
    folder = Path(tempfile.mkdtemp())
    video, out, events = (folder / name for name in ("walk.mp4", "out.mp4", "events.jsonl"))
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for step in range(30):
            image = np.full((240, 320, 3), 190, np.uint8)
            cv2.rectangle(image, (10 + 8 * step, 70), (44 + 8 * step, 210), (40, 30, 120), -1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    cv2.imwrite(str(folder / "person.png"), image)
    _edgeattr("run", video, "--detector", "motion", "--output", out, "--events", events, "--quiet")
    assert json.loads(events.read_text().splitlines()[-1])["frames"] == 30
    assert out.stat().st_size > 1000
    assert "attributes" in _edgeattr("predict", folder / "person.png", "--json")
    shown = [sys.executable, "-m", "edgeattr", "run", video, "--detector", "motion", "--show"]
    refused = subprocess.run(
        shown, env={"DISPLAY": ":0"}, capture_output=True, text=True, check=False
    )
    assert "opencv-python-headless has none" in refused.stderr, refused.stderr


def _edgeattr(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "edgeattr", *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main()
