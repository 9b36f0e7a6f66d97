"""Teachers that are checkpoints or bundles."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from edgeattr.core.errors import InputError
from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr_train.checkpoint import Checkpoint, write_state
from edgeattr_train.distillation import Teachers
from edgeattr_train.export import bundle_from_checkpoint
from edgeattr_train.model import ModelOptions, build_model
from edgeattr_train.recipe import Recipe


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


def _crops() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (4, 64, 32, 3), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def _logits(checkpoint: Checkpoint) -> Tensor:
    logits: Tensor = checkpoint.model(_crops()).logits
    return logits


def test_checkpoints_and_bundles_teach_their_average(tmp_path: Path) -> None:
    teachers = [_teacher(1), _teacher(2, attend=("k2",))]
    bundle = bundle_from_checkpoint(teachers[1], tmp_path / "t.edgeattr", "t")
    names = [_saved(tmp_path / "t.pt", teachers[0]), str(bundle.path)]
    taught = Teachers(names, _SCHEMA).teach(_crops())
    expected = ((_logits(teachers[0]) + _logits(teachers[1])) / 2).sigmoid()
    assert taught.numpy() == pytest.approx(expected.numpy(), abs=1e-3)
    assert float(expected.std(0).min()) > 0.001


def test_crops_of_another_size_are_brought_to_the_teachers(tmp_path: Path) -> None:
    """Also what is no multiple of the teacher's size; in plain areas nothing is lost."""
    teachers = Teachers([_saved(tmp_path / "t.pt", _teacher(1))], _SCHEMA)
    plain = torch.tensor([[20, 90, 200], [250, 3, 60]], dtype=torch.uint8)[:, None, None]
    small, large = plain.expand(2, 64, 32, 3), plain.expand(2, 150, 70, 3)
    assert teachers.teach(large).numpy() == pytest.approx(teachers.teach(small).numpy(), abs=1e-5)


def test_a_teacher_of_other_attributes_is_refused(tmp_path: Path) -> None:
    name = _saved(tmp_path / "t.pt", _teacher(1, _schema("hat", "bag", "cape")))
    with pytest.raises(InputError, match=r"t\.pt knows other attributes.*'cape', 'skirt'"):
        Teachers([name], _SCHEMA)
    reordered = _saved(tmp_path / "r.pt", _teacher(1, _schema("bag", "hat", "skirt")))
    with pytest.raises(InputError, match=r"r\.pt"):
        Teachers([reordered], _SCHEMA)
    with pytest.raises(InputError, match=r"none\.pt is missing"):
        Teachers([str(tmp_path / "none.pt")], _SCHEMA)
