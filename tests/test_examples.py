"""Every example runs, and says what the SDK says."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

import edgeattr
from edgeattr.hub import default_bundle

_EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture
def picture(tmp_path: Path, crops: npt.NDArray[np.uint8]) -> Path:
    path = tmp_path / "two people.png"
    cv2.imwrite(str(path), np.hstack([crops[0], crops[1]]))
    return path


def _run(name: str, *arguments: object) -> str:
    command = [sys.executable, str(_EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_own_detector(picture: Path, crops: npt.NDArray[np.uint8]) -> None:
    lines = _run("own_detector.py", picture, "0,0,40,96", "40,0,80,96").splitlines()
    with edgeattr.load() as model:
        present = [prediction.present for prediction in model.predict([crops[0], crops[1]])]
    assert [line.partition(") ")[2] for line in lines] == [", ".join(names) for names in present]


def test_plain_onnxruntime(picture: Path) -> None:
    names = [line.split()[0] for line in _run(
        "plain_onnxruntime.py", default_bundle(), picture
    ).splitlines()]  # fmt: skip
    with edgeattr.load() as model:
        (prediction,) = model.predict([cv2.imread(str(picture))])
    assert names == list(prediction.present)


def test_no_example_is_forgotten() -> None:
    source = Path(__file__).read_text()
    for path in _EXAMPLES.glob("*.py"):
        assert path.name in source
