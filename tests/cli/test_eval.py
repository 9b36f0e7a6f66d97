"""`edgeattr eval` in this process: its figures, its splits, unfit images."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import edgeattr
from edgeattr.cli.app import app
from edgeattr.core.errors import InputError, UsageError
from edgeattr.core.metrics import evaluate, reliability
from edgeattr_convert.accuracy import evaluate_model
from edgeattr_train.data.align import aligned
from edgeattr_train.data.datasets import open_dataset

_KEYS = [
    "dataset", "split", "images", "model", "runtime", "precision", "mA", "accuracy",
    "precision_ex", "recall_ex", "f1", "mAP", "auc", "ece", "per_attribute", "images_per_second",
]  # fmt: skip


def _eval(*arguments: object) -> dict[str, object]:
    done = CliRunner().invoke(app, ["eval", *map(str, arguments), "--json", "-", "--quiet"])
    if done.exception is not None:
        raise done.exception
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_figures_of_the_contract(tiny_peta: Path) -> None:
    found = _eval("default", "--data", f"peta:{tiny_peta}", "--split", "val")
    assert list(found) == _KEYS
    assert (found["dataset"], found["split"], found["images"]) == ("peta", "val", 70)
    assert isinstance(found["ece"], float)
    assert 0 < found["ece"] < 100
    assert found["precision"] == "int8"
    assert set(found["per_attribute"][0]) == {"name", "mA", "ap", "auc", "positives"}  # type: ignore[index]
    options = ["--data", f"peta:{tiny_peta}", "--against", "default", "--precision", "fp32"]
    assert CliRunner().invoke(app, ["eval", *options]).stdout.count("fp32") == 2


def test_val_unseen_and_other_splits(tiny_peta: Path) -> None:
    found = _eval("--data", f"peta@2:{tiny_peta}", "--split", "val_unseen")
    train = open_dataset(f"peta@2:{tiny_peta}", "train")
    val = open_dataset(f"peta@2:{tiny_peta}", "val")
    unseen = ~np.isin(val.persons, train.persons)
    assert (found["dataset"], found["images"]) == ("peta@2", int(unseen.sum()))
    with pytest.raises(UsageError, match="no split 'unseen'; it has train, val, test, val_unseen"):
        _eval("--data", f"peta:{tiny_peta}", "--split", "unseen")


def test_allow_missing(tiny_peta: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    os.link(tiny_peta / "PETA.mat", tmp_path / "PETA.mat")
    val = open_dataset(f"peta:{tiny_peta}", "val")
    for path in val.paths[10:]:
        os.link(path, tmp_path / "images" / path.name)
    with pytest.raises(InputError, match=r"10 of 70 images are missing.*--allow-missing"):
        _eval("--data", f"peta:{tmp_path}")
    assert _eval("--data", f"peta:{tmp_path}", "--allow-missing")["images"] == 60


def test_evaluation_keeps_the_logits(tiny_peta: Path) -> None:
    data = open_dataset(f"peta:{tiny_peta}", "val")
    data.labels[::2, :20] = -1
    with edgeattr.load() as model:
        data = aligned(data, model.bundle.schema)
        found = evaluate_model(model, data)
        expected = model.logits([data.read(index) for index in range(len(data))])
        probabilities = model.decision.probabilities(found.logits)
        thresholds = model.bundle.thresholds
    assert found.logits.shape == found.decisions.shape == data.labels.shape
    assert np.allclose(found.logits, expected, atol=1e-3)
    assert found.scores.mA == evaluate(probabilities, data.labels, thresholds).mA
    assert found.ece == reliability(probabilities, data.labels).error


def test_other_attributes_than_the_model_has(tmp_path: Path, tiny_peta: Path) -> None:
    (tmp_path / "schema.toml").write_text('[[attributes]]\nname = "helmet"\n')
    picture = next((tiny_peta / "images").iterdir())
    os.link(picture, tmp_path / "a.png")
    (tmp_path / "val.csv").write_text("path,helmet\na.png,1\n")
    with pytest.raises(InputError, match="labels none of the model's"):
        _eval("--data", f"csv:{tmp_path}")
