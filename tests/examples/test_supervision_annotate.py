"""The example with supervision draws a person and what they wear."""

from pathlib import Path

import numpy as np
import pytest

from edgeattr.core.crops import Image
from edgeattr.video.sources.file import VideoFileSource

from .conftest import Run


def _frames(path: Path) -> list[Image]:
    with VideoFileSource(str(path)) as source:
        return [frame.image for frame in source.frames()]


def test_a_person_is_labelled(
    one_person: Path, yolox: Path, tmp_path: Path, run_example: Run
) -> None:
    pytest.importorskip("supervision")
    target = tmp_path / "annotated.mp4"
    done = run_example("supervision_annotate.py", one_person, target, "--detector", yolox)
    assert done.stdout == f"{target}: 1 person\n"
    before, after = _frames(one_person), _frames(target)
    assert len(after) == len(before)
    assert before[0].shape == after[0].shape
    changed = np.abs(before[-1].astype(int) - after[-1]).max(2) > 60
    rows, columns = np.nonzero(changed)
    low = columns[rows > rows.min() + 60]  # below the label, which may be wider than the box
    assert 380 <= low.min() <= 390  # the person stands at 383..520
    label = changed[: rows.min() + 18]  # text of several attributes, wider than the box
    assert label.sum() > 2000


def test_what_is_wrong_is_said(
    one_person: Path, yolox: Path, tmp_path: Path, run_example: Run
) -> None:
    pytest.importorskip("supervision")
    before, junk = one_person.read_bytes(), tmp_path / "junk.mp4"
    junk.write_bytes(b"junk" * 100)

    def said(source: Path, target: Path, code: int) -> str:
        words = (source, target, "--detector", yolox)
        return run_example("supervision_annotate.py", *words, code=code).stderr

    assert "no video can be written there" in said(one_person, tmp_path / "no" / "a.mp4", 1)
    assert "no video that OpenCV can decode" in said(junk, tmp_path / "a.mp4", 2)
    assert "is the video itself" in said(one_person, one_person, 2)
    assert one_person.read_bytes() == before
