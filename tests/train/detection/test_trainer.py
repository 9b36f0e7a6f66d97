"""A few steps of the person detector's training on drawn scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgeattr_train.checkpoint import read_state  # noqa: E402
from edgeattr_train.detection.export import detection_bundle  # noqa: E402
from edgeattr_train.detection.finish import load_person_recipe  # noqa: E402
from edgeattr_train.detection.network import PersonDetector  # noqa: E402
from edgeattr_train.detection.trainer import train_person  # noqa: E402
from edgeattr_train.recipe_files import detection_recipes  # noqa: E402

from .conftest import WriteScenes  # noqa: E402


@pytest.fixture
def scenes(write_scenes: WriteScenes) -> Path:
    """Noise of some sizes."""
    rng = np.random.default_rng(0)
    opaque = np.array([0, 0, 0, 255], np.uint8)
    return write_scenes(
        lambda: rng.integers(0, 255, (120, 160, 3), np.uint8),
        lambda: rng.integers(0, 255, (100, 40, 4), np.uint8) | opaque,
        [[10, 10, 40, 90]],
    )


def test_it_learns_is_taught_and_goes_on(shared: Path, scenes: Path) -> None:
    teacher, out = shared / "models" / "detectors" / "yolox_nano.onnx", scenes / "run"
    told: list[dict[str, float]] = []

    def trained(steps: int) -> PersonDetector:
        changes = (f"steps={steps}", "batch=4", 'sizes=["64x96"]', "workers=0", "warmup=0")
        rates = ("ema=0.9", "precision=fp32", "checkpoint_every=25")
        recipe = load_person_recipe(detection_recipes()["person"], (*changes, *rates))
        return train_person(recipe, data=scenes, teacher=teacher, out=out, tell=told.append)

    first = trained(25)
    assert read_state(out / "checkpoint.pt")["step"] == 25
    second = trained(50)
    assert [line["step"] for line in told] == [25, 50]
    assert told[1]["maps"] < told[0]["maps"]
    assert told[1]["taught_objectness"] < told[0]["taught_objectness"]
    assert not torch.equal(*(net.head[0].answer.weight for net in (first, second)))
    optimizer = read_state(out / "checkpoint.pt")["optimizer"]
    assert {float(entry["step"]) for entry in optimizer["state"].values()} == {50}


def test_weights_are_stored_in_bytes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = PersonDetector().eval()
    bundle = detection_bundle(
        network, tmp_path / "a.edgeattr", name="a", threshold=0.4, candidate=0.1, overlap=0.6,
        side=416, training={},
    )  # fmt: skip
    variant = bundle.variant("onnx-fp32")
    weights = sum(weight.numel() for weight in network.folded().parameters())
    assert len(bundle.read_file(variant)) < 1.1 * weights
    assert variant.parity < 1e-3


def test_folded_it_answers_the_same_and_is_convolutions_alone() -> None:
    torch.manual_seed(0)
    network = PersonDetector()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as after some training
            torch.nn.init.uniform_(module.running_mean)
            torch.nn.init.uniform_(module.weight, 0.5, 2)
    picture = torch.rand(2, 3, 64, 96) * 255
    with torch.no_grad():
        whole, folded = network.eval()(picture), network.folded()(picture)
    for one, other in zip(whole, folded, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    for module in network.folded().modules():
        assert not isinstance(module, torch.nn.BatchNorm2d)
        assert not getattr(module, "residual", False)
