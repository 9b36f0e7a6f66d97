"""Real networks and real frames."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeattr.core.crops import Image
from edgeattr.video.sources.file import VideoFileSource

_FRAMES = {
    "one-by-one-person-detection.mp4": (0, 120, 400, 640, 996),  # nobody, then one person
    "people-detection.264": (44, 200, 228, 364),  # one, one, two close together, three
}


@pytest.fixture(scope="session")
def detector_files(shared: Path) -> Path:
    """The folder of real detectors."""
    return shared / "models" / "detectors"


@pytest.fixture(scope="session")
def frames(shared: Path) -> list[Image]:
    """Nine frames of the two real videos."""
    found = []
    for name, wanted in _FRAMES.items():
        with VideoFileSource(str(shared / "videos" / name)) as source:
            for frame in source.frames():
                if frame.index in wanted:
                    found.append(frame.image)
                if frame.index == max(wanted):
                    break
    return found
