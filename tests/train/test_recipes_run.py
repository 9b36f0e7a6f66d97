"""Each recipe of the package builds, takes a step and exports, at a small input."""

from pathlib import Path

import numpy as np
import pytest

from edgeattr_train.checkpoint import Checkpoint
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.data.datasets import open_dataset
from edgeattr_train.export import bundle_from_checkpoint
from edgeattr_train.learner import Learner
from edgeattr_train.loader import batches
from edgeattr_train.processes import open_fabric
from edgeattr_train.recipe import load_recipe
from edgeattr_train.recipe_files import named_recipes

_SMALL = [
    "height=64", "width=64", "precision=fp32", "model.weights=none", "model.start=",
    "schedule.small_epochs=0", "schedule.batch=4", "distillation.teachers=[]",
]  # fmt: skip

# An export takes tens of seconds: one of each kind here, the others with -m slow.
_EXPORTED = {"smoke", "peta_srn"}


@pytest.fixture(scope="module")
def data(tiny_peta: Path) -> AttributeDataset:
    return open_dataset(f"peta:{tiny_peta}", "train").first(4)


def _step(name: str, data: AttributeDataset) -> tuple[float, Checkpoint]:
    """One step in memory: the big backbones' checkpoints would fill the disk."""
    recipe = load_recipe(name, _SMALL)
    learner = Learner(recipe, data, 1, open_fabric(recipe, "cpu"), threads=1)
    learner.begin(0, 0)
    batch = next(batches(data, np.arange(4), (64, 64), 4))
    loss, _ = learner.learn(batch, 0)
    facts = {"dataset": "drawn"}
    model = learner.average.eval()
    return loss, Checkpoint(model=model, recipe=recipe, schema=data.schema, facts=facts)


@pytest.mark.parametrize("name", sorted(set(named_recipes()) - _EXPORTED))
def test_a_recipe_builds_and_takes_a_step(name: str, data: AttributeDataset) -> None:
    loss, checkpoint = _step(name, data)
    assert np.isfinite(loss)
    assert len(checkpoint.model.branches) == len(checkpoint.model.takes)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in _EXPORTED else [pytest.mark.slow])
        for name in sorted(named_recipes())
    ],
)
def test_a_recipe_takes_a_step_and_exports(
    name: str, data: AttributeDataset, tmp_path: Path
) -> None:
    loss, checkpoint = _step(name, data)
    bundle = bundle_from_checkpoint(checkpoint, tmp_path / "made.edgeattr", "made")
    assert np.isfinite(loss)
    assert bundle.variant("onnx-fp32").parity <= 1e-4
