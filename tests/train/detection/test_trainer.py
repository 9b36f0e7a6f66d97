"""A few steps of the person detector's training on drawn scenes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgeattr_train.checkpoint import read_state  # noqa: E402
from edgeattr_train.detection.finish import load_person_recipe  # noqa: E402
from edgeattr_train.detection.network import PersonDetector  # noqa: E402
from edgeattr_train.detection.teacher import weights_from_yolox  # noqa: E402
from edgeattr_train.detection.trainer import train_person  # noqa: E402
from edgeattr_train.recipe_files import detection_recipes  # noqa: E402


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Photos, backgrounds and frames of a video, and people to paste: noise of some sizes."""
    rng = np.random.default_rng(0)
    for folder in ("scenes", "cutouts"):
        (tmp_path / folder).mkdir()
    lines = []
    for number in range(24):
        file, group = f"scenes/{number}.png", ("photo", "video", "background")[number % 3]
        cv2.imwrite(str(tmp_path / file), rng.integers(0, 255, (120, 160, 3), np.uint8))
        lines.append(json.dumps({"file": file, "group": group, "boxes": [[10, 10, 40, 90]]}))
    (tmp_path / "scenes.jsonl").write_text("\n".join(lines))
    for number in range(12):
        person = rng.integers(0, 255, (100, 40, 4), np.uint8) | np.array([0, 0, 0, 255], np.uint8)
        for kind in ("mask", "crop"):
            cv2.imwrite(str(tmp_path / "cutouts" / f"{kind}-{number}.png"), person)
    return tmp_path


def test_it_starts_at_its_teacher_learns_and_goes_on(shared: Path, scenes: Path) -> None:
    start, out = shared / "models" / "detectors" / "yolox_nano.onnx", scenes / "run"
    teacher = weights_from_yolox(start).state_dict()

    def trained(steps: int) -> tuple[PersonDetector, int]:
        changes = (f"steps={steps}", "batch=2", 'sizes=["64x96"]', "workers=0", "warmup=0")
        recipe = load_person_recipe(detection_recipes()["person"], changes)
        network = train_person(recipe, data=scenes, start=start, out=out)
        return network, read_state(out / "checkpoint.pt")["step"]

    (first, done), (second, more) = trained(1), trained(2)
    assert (done, more) == (1, 2)
    for name, value in first.state_dict().items():
        if "running" in name:
            assert torch.equal(value, teacher[name]), "its norms keep their statistics"
        elif value.is_floating_point():
            assert torch.allclose(value, teacher[name], atol=1e-3), name
    weights = [network.head[0].person.weight for network in (first, second)]
    assert not torch.equal(*weights)
