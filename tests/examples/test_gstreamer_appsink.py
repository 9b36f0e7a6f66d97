"""The example with GStreamer, on real pipelines."""

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import EXAMPLES, Run

_SYSTEM = Path("/usr/lib/python3/dist-packages/gi")  # Debian's PyGObject
_PROBE = "import gi; gi.require_version('GstApp', '1.0'); from gi.repository import GstApp"


@pytest.fixture
def gstreamer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyGObject can be imported by other processes: ours, or the system's where that fits."""
    if _SYSTEM.is_dir():
        (tmp_path / "system").mkdir()
        (tmp_path / "system" / "gi").symlink_to(_SYSTEM)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "system"), prepend=":")
    probe = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"no PyGObject with GStreamer: {probe.stderr.strip().splitlines()[-1]}")


@pytest.mark.usefixtures("gstreamer")
def test_a_video_file(one_person: Path, yolox: Path, run_example: Run) -> None:
    head = f'filesrc location="{one_person}" ! decodebin'
    done = run_example("gstreamer_appsink.py", head, "--detector", yolox, "--every", 10)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["10", "20"]
    assert all("long_sleeves" in line for line in lines)


@pytest.mark.usefixtures("gstreamer")
def test_rows_longer_than_the_picture_and_one_frame_after_the_other(tmp_path: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(EXAMPLES)!r})
import gstreamer_appsink as example
head = ("videotestsrc num-buffers=3 pattern=red ! "
        "video/x-raw,format=BGR,width=321,height=50,framerate=10/1")
count = 0
for sample in example.samples(head):
    with example.frame_of(sample) as frame:
        assert frame.shape == (50, 321, 3), frame.shape
        assert frame.strides[0] == 964, frame.strides
        assert (frame == (0, 0, 255)).all()
        count += 1
print(count)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "3\n", done.stderr


@pytest.mark.usefixtures("gstreamer")
@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("filesrc location=none.mp4 ! decodebin", "Resource not found"),
        ("filesrc location=none.mp4 ! decodbin", 'no element "decodbin"'),
    ],
)
def test_what_is_wrong_is_said(head: str, said: str, run_example: Run) -> None:
    done = run_example("gstreamer_appsink.py", head, code=1)
    assert said in done.stderr
