"""Person embeddings: the network that teaches, the branch that learns, the recipe's keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
from openvino import opset13 as ops

from edgeattr.core.errors import InputError, UsageError
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.data.datasets import open_dataset
from edgeattr_train.embedding import embed_persons, embedding_loss
from edgeattr_train.engine import Trainer
from edgeattr_train.model import ModelOptions, build_model
from edgeattr_train.recipe import recipe_from_dict


def _network(path: Path, outputs: int = 1, channels: int = 3) -> Path:
    """An IR whose embedding of a crop is the mean of each channel."""
    crops = ops.parameter([1, channels, 16, 8], np.float32)
    mean = ops.reduce_mean(crops, np.array([2, 3]))
    model = openvino.Model([mean] + [ops.relu(mean)] * (outputs - 1), [crops])
    openvino.save_model(model, str(path), compress_to_fp16=False)
    return path


@pytest.fixture
def train(tiny_peta: Path) -> AttributeDataset:
    return open_dataset(f"peta:{tiny_peta}", "train").first(40)


def test_embeddings_are_standardised_and_in_the_order_of_the_data(
    train: AttributeDataset, tmp_path: Path
) -> None:
    found = embed_persons(_network(tmp_path / "mean.xml"), train)
    assert found.shape == (40, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(0), 1, atol=1e-4)
    blue = np.array([train.read(index)[..., 0].mean() for index in range(40)])
    assert np.corrcoef(found[:, 0], blue)[0, 1] > 0.99


def test_a_network_of_another_form_is_refused(train: AttributeDataset, tmp_path: Path) -> None:
    for path in (
        _network(tmp_path / "two.xml", outputs=2),
        _network(tmp_path / "grey.xml", channels=1),
        tmp_path / "none.xml",
    ):
        with pytest.raises(InputError, match=rf"{path.name} cannot teach an embedding"):
            embed_persons(path, train)


def test_a_guess_of_zero_costs_one() -> None:
    target = torch.from_numpy(np.random.default_rng(0).standard_normal((400, 64)))
    assert embedding_loss(torch.zeros(400, 64), target).item() == pytest.approx(1, abs=0.02)
    assert embedding_loss(target, target).item() == 0


def test_the_embedding_learns_beside_the_attributes() -> None:
    """It reads what the backbone has, and the attributes' scores do not hear of it."""
    options = ModelOptions(attention_channels=8, embedding=16)
    torch.manual_seed(0)
    net = build_model(5, options, (64, 32)).eval()
    found = net(torch.randint(0, 256, (2, 64, 32, 3), dtype=torch.uint8))
    assert found.embedding.shape == (2, 16)
    parts = (found.primary, *found.attended)
    assert torch.allclose(found.logits, sum(parts) / 3)
    found.embedding.square().sum().backward()
    assert all(parameter.grad is None for parameter in net.backbone.parameters())


def _trainer(folder: Path, out: Path, network: Path, size: int) -> Trainer:
    train, val = (open_dataset(f"peta:{folder}", split).first(40) for split in ("train", "val"))
    recipe = recipe_from_dict(
        {
            "height": 64,
            "width": 32,
            "model": {"attention_channels": 8, "embedding": size},
            "schedule": {"epochs": 1, "batch": 20},
            "distillation": {"embedding": str(network), "embedding_weight": 50.0},
        }
    )
    return Trainer(recipe, train, val, out)


def test_training_learns_the_embedding(tiny_peta: Path, tmp_path: Path) -> None:
    network = _network(tmp_path / "mean.xml")
    best = _trainer(tiny_peta, tmp_path / "run", network, 3).run()
    assert best.model.embedding is not None
    assert best.recipe.distillation.embedding == str(network)


def test_another_size_is_refused_with_the_right_one(tiny_peta: Path, tmp_path: Path) -> None:
    network = _network(tmp_path / "mean.xml")
    for size in (0, 4):
        with pytest.raises(UsageError, match=r"of 3 numbers .* set model\.embedding=3"):
            _trainer(tiny_peta, tmp_path / "run", network, size)
