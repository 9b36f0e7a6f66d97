"""The example without edgeattr says what edgeattr says, of every kind of bundle."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgeattr
from edgeattr.core.bundle_reading import with_digest
from edgeattr.core.hub import default_bundle

from ..conftest import draw_person
from .conftest import Run


@pytest.fixture
def person(tmp_path: Path) -> Path:
    path, room = tmp_path / "person.png", np.full((240, 90, 3), 190, np.uint8)
    draw_person(room, 45)
    cv2.imwrite(str(path), room[50:225])
    return path


def _present(bundle: Path, picture: Path) -> list[str]:
    with edgeattr.load(bundle, runtime="onnxruntime") as model:
        (prediction,) = model.predict([cv2.imread(str(picture))])
    return list(prediction.present)


def test_a_folder(person: Path, run_example: Run) -> None:
    lines = run_example("plain_onnxruntime.py", default_bundle(), person).stdout.splitlines()
    assert [line.split()[0] for line in lines] == _present(default_bundle(), person)
    assert run_example("plain_onnxruntime.py", default_bundle(), "none.png", code=1).stderr


def test_a_zip_without_int8_whose_attributes_exclude_each_other(
    person: Path, tmp_path: Path, run_example: Run
) -> None:
    rivals = _present(default_bundle(), person)[:3]
    assert len(rivals) == 3
    folder = tmp_path / "strict.edgeattr"
    shutil.copytree(default_bundle(), folder)
    index = json.loads((folder / "bundle.json").read_text())
    del index["sha256"]
    index["schema"]["exclusive"] = [rivals]
    del index["track"]
    index["variants"] = {"onnx-fp32": index["variants"]["onnx-fp32"]}
    (folder / "bundle.json").write_text(json.dumps(with_digest(index)))
    zipped = tmp_path / "zipped.edgeattr"
    edgeattr.Bundle.read(folder).zip(zipped)
    lines = run_example("plain_onnxruntime.py", zipped, person).stdout.splitlines()
    said = [line.split()[0] for line in lines]
    assert said == _present(zipped, person)
    assert len(set(said) & set(rivals)) == 1


def test_int8_alone_is_enough_and_what_is_no_bundle_is_said(
    person: Path, tmp_path: Path, run_example: Run
) -> None:
    folder = tmp_path / "int8.edgeattr"
    shutil.copytree(default_bundle(), folder)
    index = json.loads((folder / "bundle.json").read_text())
    del index["sha256"]
    int8 = next(entry for name, entry in index["variants"].items() if "int8" in name)
    index["variants"] = {"onnx-int8": {**int8, "engine": "onnx"}}
    (folder / "bundle.json").write_text(json.dumps(with_digest(index)))
    lines = run_example("plain_onnxruntime.py", folder, person).stdout.splitlines()
    assert [line.split()[0] for line in lines] == _present(folder, person)

    def refused(path: Path) -> str:
        return run_example("plain_onnxruntime.py", path, person, code=1).stderr

    index["variants"] = {"other": int8}
    (folder / "bundle.json").write_text(json.dumps(with_digest(index)))
    assert "has no model in ONNX, only other" in refused(folder)
    (folder / "bundle.json").unlink()
    assert "is no bundle" in refused(folder)
    assert "is no bundle: File is not a zip file" in refused(person)
