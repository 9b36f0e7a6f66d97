"""The example of boxes from elsewhere says what the SDK says."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

import edgeattr

from .conftest import Run


def test_it_says_what_the_sdk_says(
    tmp_path: Path, crops: npt.NDArray[np.uint8], run_example: Run
) -> None:
    picture = tmp_path / "two people.png"
    cv2.imwrite(str(picture), np.hstack([crops[0], crops[1]]))
    lines = run_example("own_detector.py", picture, "0,0,40,96", "40,0,80,96").stdout.splitlines()
    with edgeattr.load() as model:
        present = [prediction.present for prediction in model.predict([crops[0], crops[1]])]
    assert [line.partition(") ")[2] for line in lines] == [", ".join(names) for names in present]
    assert (
        "no pixels inside" in run_example("own_detector.py", picture, "900,0,940,96", code=1).stderr
    )
