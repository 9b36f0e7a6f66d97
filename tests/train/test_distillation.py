"""Soft labels, the attention loss, and teachers that are checkpoints or bundles."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from edgeattr.core.errors import InputError, UsageError
from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr_train.checkpoint import Checkpoint, write_state
from edgeattr_train.distillation import (
    Teachers,
    mask_loss,
    soft_labels,
)
from edgeattr_train.export import bundle_from_checkpoint
from edgeattr_train.model import ModelOptions, build_model
from edgeattr_train.recipe import DistillationOptions, Recipe

Array = npt.NDArray[np.float64]

_CPU = torch.device("cpu")


def _schema(*names: str) -> AttributeSchema:
    return AttributeSchema(tuple(Attribute(name=name, group="any", source="") for name in names))


_SCHEMA = _schema("hat", "bag", "skirt")


def _teacher(seed: int, schema: AttributeSchema = _SCHEMA, **changes: Any) -> Checkpoint:
    torch.manual_seed(seed)
    options = ModelOptions(attention_channels=8, **changes)
    model = build_model(len(schema), options, (64, 32))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the statistics of one batch: answers differ by crop
    with torch.no_grad():
        model.train()(_crops())
    recipe = Recipe(height=64, width=32, model=options)
    return Checkpoint(model=model.eval(), recipe=recipe, schema=schema, facts={"epoch": 1})


def _saved(path: Path, checkpoint: Checkpoint) -> str:
    write_state(path, checkpoint.state())
    return str(path)


def _crops(height: int = 64, width: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (4, height, width, 3), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def _logits(checkpoint: Checkpoint) -> Tensor:
    logits: Tensor = checkpoint.model(_crops()).logits
    return logits


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_soft_labels(seed: int, weight: float) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.choice([0.0, 1.0, -1.0], (6, 5))
    logits = rng.normal(0, 3, (6, 5))
    taught = torch.from_numpy(logits).sigmoid()
    found = soft_labels(torch.from_numpy(labels), taught, weight).numpy()
    for n, c in np.ndindex(6, 5):
        p = 1 / (1 + np.exp(-logits[n, c]))
        if labels[n, c] < 0:
            expected = p if weight else -1.0  # unknown: the teachers' word alone
        else:
            expected = (1 - weight) * labels[n, c] + weight * p
        assert found[n, c] == pytest.approx(expected, rel=1e-9)


def _masks(rng: np.random.Generator, height: int, width: int) -> Array:
    raised = np.exp(rng.normal(0, 1, (2, 3, height, width)))
    return raised / raised.sum((2, 3), keepdims=True)


def _bilinear(image: Array, height: int, width: int) -> Array:
    """Interpolation between the centres of pixels."""
    out = np.zeros((height, width))
    for i, j in np.ndindex(height, width):
        y = max(0.0, (i + 0.5) * image.shape[0] / height - 0.5)
        x = max(0.0, (j + 0.5) * image.shape[1] / width - 0.5)
        top, left = int(y), int(x)
        bottom, right = min(top + 1, image.shape[0] - 1), min(left + 1, image.shape[1] - 1)
        upper = image[top, left] * (1 - x + left) + image[top, right] * (x - left)
        lower = image[bottom, left] * (1 - x + left) + image[bottom, right] * (x - left)
        out[i, j] = upper * (1 - y + top) + lower * (y - top)
    return out


@pytest.mark.parametrize("size", [(4, 3), (7, 6), (2, 2)], ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_mask_loss(seed: int, size: tuple[int, int]) -> None:
    """Cross-entropy per mask, the teacher's brought to the student's size."""
    rng = np.random.default_rng(seed)
    student = {"k2": _masks(rng, 2, 2), "k1": _masks(rng, 4, 3)}
    teacher = {"k1": _masks(rng, *size), "k2": _masks(rng, 2, 2)}
    expected = 0.0
    for name, masks in student.items():
        entropies = []
        for n, c in np.ndindex(2, 3):
            taught = _bilinear(teacher[name][n, c], *masks.shape[2:])
            taught = taught / taught.sum()
            entropies.append(-(taught * np.log(masks[n, c])).sum())
        expected += float(np.mean(entropies))
    found = mask_loss(_tensors(student), _tensors(teacher))
    assert found.item() == pytest.approx(expected, rel=1e-9)


def _tensors(masks: dict[str, Array]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(mask) for name, mask in masks.items()}


def test_mask_loss_is_least_and_flat_where_the_masks_agree() -> None:
    rng = np.random.default_rng(0)
    taught = torch.from_numpy(_masks(rng, 4, 3))
    scores = taught.log().requires_grad_()

    def loss(scores: Tensor) -> Tensor:
        mask = scores.flatten(2).softmax(2).view_as(scores)
        return mask_loss({"k1": mask}, {"k1": taught})

    (gradient,) = torch.autograd.grad(loss(scores), scores)
    assert gradient.abs().max() < 1e-12
    assert torch.autograd.gradcheck(loss, (torch.randn_like(scores).requires_grad_(),))


def test_mask_loss_wants_a_teacher_of_the_same_maps() -> None:
    mask = torch.full((1, 1, 2, 2), 0.25)
    for student, teacher in (
        ({"k1": mask, "k2": mask}, {"k2": mask}),
        ({"k1": mask}, {}),
        ({}, {"k1": mask}),
    ):
        with pytest.raises(UsageError, match=r"distillation\.masks: the student has attention on"):
            mask_loss(student, teacher)


def test_checkpoints_teach_their_average(tmp_path: Path) -> None:
    teachers = [_teacher(1), _teacher(2, attend=("k2",))]
    names = [_saved(tmp_path / f"{i}.pt", teacher) for i, teacher in enumerate(teachers)]
    options = DistillationOptions(teachers=tuple(names), temperature=2.0)
    targets = Teachers(options, _SCHEMA, _CPU).teach(_crops())
    expected = (_logits(teachers[0]) + _logits(teachers[1])) / 2 / 2.0
    assert targets.logits.numpy() == pytest.approx(expected.numpy(), abs=1e-5)
    assert not targets.logits.requires_grad
    with torch.no_grad():
        masks = teachers[0].model(_crops()).masks  # of the first
    assert set(targets.masks) == {"k1", "k2"}
    for name, mask in zip(("k1", "k2"), masks, strict=True):
        assert torch.allclose(targets.masks[name], mask, atol=1e-6)


def test_crops_of_another_size_are_brought_to_the_teachers(tmp_path: Path) -> None:
    """Also what is no multiple of the teacher's size; in plain areas nothing is lost."""
    teacher = _teacher(1)
    options = DistillationOptions(teachers=(_saved(tmp_path / "t.pt", teacher),))
    teachers = Teachers(options, _SCHEMA, _CPU)
    plain = torch.tensor([[20, 90, 200], [250, 3, 60]], dtype=torch.uint8)[:, None, None]
    small, large = plain.expand(2, 64, 32, 3), plain.expand(2, 150, 70, 3)
    expected, found = teachers.teach(small), teachers.teach(large)
    assert found.logits.numpy() == pytest.approx(expected.logits.numpy(), abs=1e-5)
    assert found.masks["k1"].shape == (2, 3, 4, 2)
    assert (expected.logits[0] - expected.logits[1]).abs().max() > 1e-2


def test_a_bundle_teaches_what_its_checkpoint_does(tmp_path: Path) -> None:
    teacher = _teacher(1)
    bundle = bundle_from_checkpoint(teacher, tmp_path / "t.edgeattr", "t")
    options = DistillationOptions(teachers=(str(bundle.path),))
    targets = Teachers(options, _SCHEMA, _CPU).teach(_crops())
    assert targets.logits.numpy() == pytest.approx(_logits(teacher).numpy(), abs=1e-3)
    assert targets.masks == {}
    assert float(_logits(teacher).std(0).min()) > 0.01


def test_a_teacher_of_other_attributes_is_refused(tmp_path: Path) -> None:
    name = _saved(tmp_path / "t.pt", _teacher(1, _schema("hat", "bag", "cape")))
    with pytest.raises(InputError, match=r"t\.pt knows other attributes.*'cape', 'skirt'"):
        Teachers(DistillationOptions(teachers=(name,)), _SCHEMA, _CPU)
    reordered = _saved(tmp_path / "r.pt", _teacher(1, _schema("bag", "hat", "skirt")))
    with pytest.raises(InputError, match=r"r\.pt"):
        Teachers(DistillationOptions(teachers=(reordered,)), _SCHEMA, _CPU)
    with pytest.raises(InputError, match=r"none\.pt is missing"):
        Teachers(DistillationOptions(teachers=(str(tmp_path / "none.pt"),)), _SCHEMA, _CPU)


def test_no_teachers() -> None:
    assert not Teachers(DistillationOptions(), _SCHEMA, _CPU)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": 1.5}, "distillation.weight=1.5"),
        ({"temperature": 0.0}, "distillation.temperature=0.0"),
        ({"masks": 1.0, "teachers": ("a.pt", "b.edgeattr")}, "distillation.masks wants"),
        ({"masks": 1.0}, "distillation.masks wants teachers"),
    ],
)
def test_bad_options(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dataclasses.replace(DistillationOptions(), **changes)
