from pathlib import Path

import pytest
import torch

from edgeattr.errors import InputError
from edgeattr_train.datasets import open_dataset
from edgeattr_train.engine import Progress, Trainer, load_checkpoint
from edgeattr_train.recipe import Recipe, load_recipe

_SMALL = [
    "height=64", "width=32", "schedule.epochs=3", "schedule.small_epochs=0", "schedule.batch=26",
    "schedule.warm_up=0.3", "loss.burn_in_epochs=1", "model.attention_channels=16",
    "precision=fp32",
]  # fmt: skip


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe("default", _SMALL)


def _trainer(recipe: Recipe, data: Path, out: Path) -> Trainer:
    spec = f"peta:{data}"
    return Trainer(recipe, open_dataset(spec, "train"), open_dataset(spec, "val"), out)


def test_a_run_shorter_than_its_small_epochs_still_gives_a_model(
    tiny_peta: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(
        "default", [*_SMALL, "schedule.epochs=1", "schedule.small_epochs=8", "precision=bf16"]
    )
    assert _trainer(recipe, tiny_peta, tmp_path).run(lambda progress: None).facts["epoch"] == 1


class _Stop(Exception):
    """Stands for a kill."""


def test_training_lowers_the_loss_and_writes_a_checkpoint(tiny_peta: Path, tmp_path: Path) -> None:
    steeper = ["schedule.epochs=6", "schedule.batch=13", "schedule.average_decay=0.9",
               "schedule.head_rate=0.01", "schedule.backbone_rate=0.003"]  # fmt: skip
    recipe = load_recipe("default", [*_SMALL, *steeper])
    seen: list[Progress] = []
    checkpoint = _trainer(recipe, tiny_peta, tmp_path).run(seen.append)
    ends = [progress for progress in seen if progress.scores]
    assert [progress.epoch for progress in ends] == list(range(6))
    assert ends[-1].loss < 0.9 * ends[0].loss
    assert checkpoint.schema.names[4] == "backpack"
    assert checkpoint.facts["selected_on"] == "val"
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 6
    assert load_checkpoint(tmp_path / "best.pt").facts == checkpoint.facts


def test_a_stopped_run_resumes_to_the_same_weights(
    recipe: Recipe, tiny_peta: Path, tmp_path: Path
) -> None:
    whole = _trainer(recipe, tiny_peta, tmp_path / "whole")
    whole.run(lambda progress: None)

    def stop(progress: Progress) -> None:
        if progress.epoch == 1 and progress.step == 3:
            raise _Stop

    with pytest.raises(_Stop):
        _trainer(recipe, tiny_peta, tmp_path / "cut").run(stop)
    again = _trainer(recipe, tiny_peta, tmp_path / "cut")
    assert again.resume()
    again.run(lambda progress: None)
    files = [
        torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("whole", "cut")
    ]
    for key in ("model", "average"):
        for name, value in files[0][key].items():
            assert torch.equal(value, files[1][key][name]), (key, name)


def test_resuming_another_recipe_is_refused(
    recipe: Recipe, tiny_peta: Path, tmp_path: Path
) -> None:
    assert not _trainer(recipe, tiny_peta, tmp_path).resume()
    short = load_recipe("default", [*_SMALL, "schedule.epochs=1"])
    _trainer(short, tiny_peta, tmp_path).run(lambda progress: None)
    with pytest.raises(InputError, match="another recipe; give another --out"):
        _trainer(recipe, tiny_peta, tmp_path).resume()


def test_damaged_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        load_checkpoint(tmp_path / "none.pt")
    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04half")
    with pytest.raises(InputError, match="damaged or not a checkpoint"):
        load_checkpoint(tmp_path / "cut.pt")
    torch.save({"other": 1}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="not a checkpoint of this version"):
        load_checkpoint(tmp_path / "other.pt")
