"""Files of explanations: whole, one pair an image, nobody's overwritten."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from edgeattr.core.errors import OutputError
from edgeattr.explain import ExplanationFiles
from edgeattr.explain.attention_maps import Explanation


def test_what_is_in_the_files(tmp_path: Path, explanation: Explanation) -> None:
    page = ExplanationFiles(tmp_path / "new" / "folder", "model m").write(
        tmp_path / "person.jpg", explanation
    )
    assert page == tmp_path / "new" / "folder" / "person.explain.html"
    assert "<h1>person.jpg</h1>" in page.read_text()
    record = json.loads((page.parent / "person.explain.json").read_text())
    assert record["format"] == 1
    assert record["image"] == str(tmp_path / "person.jpg")
    assert record["model"] == "model m"
    assert record["input"] == {"height": 192, "width": 96}
    assert record["scales"][1] == {"stride": 16, "first_centre": 6.5, "rows": 12, "columns": 6}
    assert set(record["attributes"]) == set(explanation.masks)
    for name, entry in record["attributes"].items():
        assert entry["answer"] in ("yes", "no", "unknown")
        for read, mask in zip(entry["masks"], explanation.masks[name], strict=True):
            assert np.abs(np.array(read) - mask).max() < 1e-7
            assert abs(np.sum(read) - 1) < 1e-5
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "person.explain.html", "person.explain.json",
    ]  # fmt: skip


def test_images_of_one_name_do_not_overwrite_each_other(
    tmp_path: Path, explanation: Explanation
) -> None:
    images = [tmp_path / folder / name for folder in "ab" for name in ("1.jpg", "1.png")]
    places = [ExplanationFiles(tmp_path / "out", "m").write(image, explanation) for image in images]
    assert len(set(places)) == 4
    for image, place in zip(images, places, strict=True):
        record = json.loads(place.with_suffix(".json").read_text())
        assert record["image"] == str(image)
    again = [ExplanationFiles(tmp_path / "out", "m").write(image, explanation) for image in images]
    assert again == places
    assert len(list((tmp_path / "out").iterdir())) == 8


def test_what_is_no_file_of_ours_is_left_alone(tmp_path: Path, explanation: Explanation) -> None:
    (tmp_path / "1.explain.json").write_text("{broken")
    place = ExplanationFiles(tmp_path, "m").write(Path("1.jpg"), explanation)
    assert place.name.startswith("1-")
    assert (tmp_path / "1.explain.json").read_text() == "{broken"


@pytest.mark.parametrize("name", ["ä" * 120 + ".jpg", os.fsdecode(b"\xff\xfe.jpg"), ".jpg", "-x"])
def test_any_name_that_a_file_can_have(tmp_path: Path, explanation: Explanation, name: str) -> None:
    place = ExplanationFiles(tmp_path, "m").write(tmp_path / name, explanation)
    assert place.is_file()
    record = json.loads(place.with_suffix(".json").read_text())
    assert record["image"] == str(tmp_path / name)


def test_a_folder_that_cannot_be_or_went_away(tmp_path: Path, explanation: Explanation) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be made"):
        ExplanationFiles(tmp_path / "file" / "out", "m")
    files = ExplanationFiles(tmp_path / "out", "m")
    (tmp_path / "out").rmdir()
    (tmp_path / "out").write_text("a file now")
    with pytest.raises(OutputError, match="cannot be written"):
        files.write(Path("1.jpg"), explanation)
