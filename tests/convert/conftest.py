"""A small model, exported, and drawn data with its attributes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgeattr.bundle import Bundle
from edgeattr.schema import AttributeSchema
from edgeattr_convert.calibration import calibration_from_dataset
from edgeattr_convert.conversion import Material
from edgeattr_train.checkpoint import Checkpoint
from edgeattr_train.datasets import AttributeDataset, open_dataset

SIZE = (64, 32)


def small_checkpoint(schema: AttributeSchema | None = None) -> Checkpoint:
    """An untrained model for crops of 64x32 whose batch norms have seen data."""
    import torch

    from edgeattr_convert.golden import golden_crops
    from edgeattr_train.model import build_model
    from edgeattr_train.peta import PETA_SCHEMA
    from edgeattr_train.recipe import load_recipe

    schema = schema or PETA_SCHEMA
    torch.manual_seed(0)
    recipe = load_recipe("default", ["height=64", "width=32", "model.attention_channels=16"])
    model = build_model(len(schema), recipe.model, SIZE)
    model.train()
    with torch.no_grad():  # batch-norm statistics as of a trained model
        for _ in range(20):
            model(torch.from_numpy(golden_crops(*SIZE)))
    return Checkpoint(model=model.eval(), recipe=recipe, schema=schema, facts={"dataset": "drawn"})


@pytest.fixture(scope="session")
def make_checkpoint() -> Callable[..., Checkpoint]:
    return small_checkpoint


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The small model's bundle, with ``onnx-fp32`` alone."""
    from edgeattr_convert.export import bundle_from_checkpoint

    path = tmp_path_factory.mktemp("made") / "made.edgeattr"
    return bundle_from_checkpoint(small_checkpoint(), path, "made")


@pytest.fixture(scope="session")
def train(tiny_peta: Path) -> AttributeDataset:
    return open_dataset(f"peta:{tiny_peta}", "train")


@pytest.fixture(scope="session")
def val(tiny_peta: Path) -> AttributeDataset:
    return open_dataset(f"peta:{tiny_peta}", "val")


@pytest.fixture
def material(train: AttributeDataset, val: AttributeDataset, bundle: Bundle) -> Material:
    """110 crops to calibrate on, and the val split."""
    size = bundle.input.height, bundle.input.width
    return Material(calibration=calibration_from_dataset(train, *size, count=110), held=val)


@pytest.fixture
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed is looked at for a moment only."""
    monkeypatch.setattr("edgeattr_convert.speed._LOOK_SECONDS", 0.3)
    monkeypatch.setattr("edgeattr_convert.speed._MOST_SECONDS", 0.3)
