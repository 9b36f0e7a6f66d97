"""What the examples' tests share: running one as its user does, short real videos."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeattr.video.sources.file import VideoFileSource

from ..conftest import write_video

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def run_example() -> Run:
    """Runs ``examples/NAME`` with arguments; it must end with ``code`` and no traceback."""

    def run(name: str, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def yolox(shared: Path) -> Path:
    """A real person detector."""
    return shared / "models" / "detectors" / "yolox_nano.onnx"


@pytest.fixture(scope="session")
def one_person(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 frames of a real video, 768x432: 5 of an empty room, then one person who stands."""
    path = tmp_path_factory.mktemp("one") / "one person.mp4"
    with VideoFileSource(str(shared / "videos" / "one-by-one-person-detection.mp4")) as source:
        frames = [frame.image for frame, _ in zip(source.frames(), range(125), strict=False)]
    write_video(path, frames[:5] + frames[100:125])
    return path
