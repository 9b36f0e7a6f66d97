"""A user's own attributes, from a CSV to answers: named right all the way."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

import edgeattr

from .conftest import EXAMPLES, Run

_NAMES = ("helmet", "high_vis_vest", "blue_trousers")


def test_train_evaluate_convert_and_run(
    walking_video: Path, tmp_path: Path, run_example: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # a small model; threads would wait for each other
    out = tmp_path / "own"
    run_example("own_attributes.py", "--out", out, "--video", walking_video)
    bundle = edgeattr.Bundle.read(out / "smoke.edgeattr")
    assert bundle.schema.names == _NAMES
    assert bundle.training["decision"]["images"] == 100
    track = bundle.track
    assert (track.bound, track.facts["persons"], track.facts["split"]) == (0.05, 100, "val")
    assert (out / "report.html").is_file()
    assert "Coverage" in (out / "report.html").read_text()

    scores = json.loads((out / "scores.json").read_text())
    assert [entry["name"] for entry in scores["per_attribute"]] == list(_NAMES)
    assert scores["mA"] > 90
    assert set(bundle.variants) == {"onnx-fp32", "onnx-fp16", "onnx-int8"}

    draw = runpy.run_path(str(EXAMPLES / "own_attributes.py"))["draw_figure"]
    with edgeattr.load(out / "smoke.edgeattr") as model:
        (answer,) = model.predict([draw((1, 0, 1), np.random.default_rng(1))])
    assert answer.present == ("helmet", "blue_trousers")

    people = [json.loads(line) for line in (out / "people.jsonl").read_text().splitlines()]
    assert people[0]["type"] == "person"
    assert list(people[0]["attributes"]) == list(_NAMES)
