"""Soft labels from a file: which picture they belong to, and what is learnt from them."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from edgeattr.core.errors import InputError, UsageError
from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.distillation import soft_labels
from edgeattr_train.engine import Trainer
from edgeattr_train.learner import Learner
from edgeattr_train.loader import HIDDEN, Batch
from edgeattr_train.model import NetOutput
from edgeattr_train.processes import open_fabric
from edgeattr_train.recipe import load_recipe
from edgeattr_train.soft_labels import SoftLabels

_SCHEMA = AttributeSchema(tuple(Attribute(name=n, group="any", source=n) for n in ("hat", "bag")))


def _pictures(folder: Path, count: int) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [folder / f"{number}.png" for number in range(count)]
    for path in paths:
        cv2.imwrite(str(path), rng.integers(0, 255, (64, 32, 3), np.uint8))
    return paths


def _data(paths: list[Path]) -> AttributeDataset:
    ids = np.arange(len(paths))
    labels = np.stack([ids % 2, np.full(len(paths), -1)], 1).astype(np.int8)
    return AttributeDataset(
        name="own", split="train", schema=_SCHEMA, paths=tuple(paths), labels=labels, ids=ids,
        persons=ids, licence="none",
    )  # fmt: skip


def _write(path: Path, files: list[str], names: tuple[str, ...] = ("bag", "gown")) -> Path:
    probabilities = np.linspace(0.1, 0.9, len(files) * len(names)).reshape(len(files), -1)
    boxes = np.zeros((len(files), 4), np.int32)
    boxes[-1] = (4, 8, 16, 32)
    np.savez(
        path, names=np.array(names), paths=np.array(files), boxes=boxes,
        probabilities=probabilities,
    )  # fmt: skip
    return path


def test_pictures_without_labels_follow_the_labelled_ones(tmp_path: Path) -> None:
    data = _data(_pictures(tmp_path, 3)[:2])
    soft = SoftLabels.read(_write(tmp_path / "soft.npz", ["1.png", "2.png"]), _SCHEMA)
    extended = soft.extend(data)
    assert [path.name for path in extended.paths] == ["0.png", "1.png", "2.png"]
    assert extended.labels.tolist() == [[0, -1], [1, -1], [-1, -1]]
    assert len(set(extended.ids.tolist())) == 3
    assert extended.read(0).shape == (64, 32, 3)
    assert extended.read(2).shape == (32, 16, 3), "its box is cut out"
    taught = soft.of(extended)
    assert np.isnan(taught[:, 0]).all(), "the file says nothing of hats"
    np.testing.assert_allclose(taught[:, 1], [np.nan, 0.1, 0.1 + 2 * 0.8 / 3], rtol=1e-6)


def test_labels_are_mixed_and_what_is_hidden_stays_hidden() -> None:
    labels = torch.tensor([[1.0, 0.0, -1.0, HIDDEN, 1.0]])
    taught = torch.tensor([[0.5, 0.5, 0.3, 0.9, torch.nan]])
    mixed = soft_labels(labels, taught, 0.5)
    assert mixed.tolist() == [[0.75, 0.25, pytest.approx(0.3), HIDDEN, 1.0]]
    assert torch.equal(soft_labels(labels, taught, 0.0), labels)


@pytest.mark.parametrize(
    ("names", "message"),
    [(("gown",), "names none of the attributes"), (("hat", "bag", "hat"), "do not fit together")],
)
def test_files_that_do_not_fit_are_refused(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    path = _write(tmp_path / "soft.npz", ["a.png"], names)
    if len(names) == 3:
        with np.load(path) as stored:
            parts = dict(stored)
        np.savez(path, **{**parts, "names": parts["names"][:2]})
    with pytest.raises(InputError, match=message):
        SoftLabels.read(path, _SCHEMA)


def test_a_damaged_or_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 no archive")
    for name in ("bad.npz", "gone.npz"):
        with pytest.raises(InputError, match=f"{name}: no soft labels"):
            SoftLabels.read(tmp_path / name, _SCHEMA)


def test_soft_labels_and_teachers_are_not_mixed() -> None:
    with pytest.raises(UsageError, match="in place of teachers"):
        load_recipe(
            "smoke", ["distillation.soft_labels=a.npz", "distillation.teachers=['default']"]
        )


def _trained(tmp_path: Path, said: float) -> NetOutput:
    """What a model says of 8 pictures: it learnt 4 with labels, 4 by their probability of a bag."""
    paths, file = _pictures(tmp_path, 8), tmp_path / f"{said}.npz"
    np.savez(
        file, names=np.array(["bag"]), boxes=np.zeros((8, 4), np.int32),
        paths=np.array([path.name for path in paths]), probabilities=np.full((8, 1), said),
    )  # fmt: skip
    recipe = load_recipe(
        "smoke",
        [f"distillation.soft_labels={file}", "schedule.epochs=1", "schedule.batch=4",
         "schedule.average_decay=0", "schedule.head_rate=0.05", "distillation.weight=1"],
    )  # fmt: skip
    data = _data(paths[:4])
    val = dataclasses.replace(data, name="other")
    model = Trainer(recipe, data, val, tmp_path / str(said)).run().model.eval()
    crops = [cv2.resize(cv2.imread(str(p)), (recipe.width, recipe.height)) for p in paths]
    with torch.no_grad():
        output: NetOutput = model(torch.from_numpy(np.stack(crops)))
    return output


def test_an_attribute_without_labels_is_learnt_from_soft_labels(tmp_path: Path) -> None:
    bags = [_trained(tmp_path, said).logits[:, 1].mean() for said in (0.98, 0.02)]
    assert bags[0] > bags[1] + 0.1


def _visibility_loss(data: AttributeDataset, said: float, visible: float) -> float:
    """Of one step on four pictures; of the last only ``said`` is known."""
    settings = ["model.visibility=true", "loss.visibility=1000", "model.dropout=0"]
    recipe = load_recipe("smoke", settings)
    taught = np.full((4, 2), 0.5, np.float32)
    taught[3] = said
    learner = Learner(recipe, data, 1, open_fabric(recipe, "cpu"), threads=1, taught=taught)
    learner.begin(0, 0)
    crops = torch.from_numpy(np.stack([data.read(place) for place in range(4)]))
    parts = torch.ones(4, 4)
    parts[3] = visible
    batch = Batch(crops, torch.from_numpy(data.labels.astype(np.float32)), data.ids, parts)
    return learner.learn(batch, 0)[0]


def test_a_picture_of_which_nothing_is_said_shows_nobody(tmp_path: Path) -> None:
    labels = np.array([[0, -1], [1, -1], [0, -1], [-1, -1]], np.int8)
    data = dataclasses.replace(_data(_pictures(tmp_path, 4)), labels=labels)
    nobody = _visibility_loss(data, np.nan, 1.0)
    assert nobody == _visibility_loss(data, np.nan, 0.0), "no part of a body is in it"
    assert abs(nobody - _visibility_loss(data, 0.5, 1.0)) > 100, "who is taught of is there"
