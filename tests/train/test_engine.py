"""Whole runs on a tiny data set: what they write, how they resume, what stops them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgeattr.core.errors import EdgeAttrError, InputError, UsageError
from edgeattr_train.checkpoint import load_checkpoint, read_state
from edgeattr_train.data.datasets import open_dataset
from edgeattr_train.engine import Progress, Trainer
from edgeattr_train.predict import predict_logits
from edgeattr_train.processes import open_fabric
from edgeattr_train.recipe import Recipe, recipe_from_dict

_RECIPE: dict[str, dict[str, Any]] = {
    "model": {"attention_channels": 8},
    "loss": {"burn_in_epochs": 1, "history_epochs": 2},
    "schedule": {"epochs": 2, "batch": 13, "warm_up": 0.3, "average_decay": 0.9},
}

_UNVARIED = {
    f"augment_{name}": 0.0
    for name in ("flip", "shift", "scale", "brightness", "colour", "degrade", "erase")
}
_STILL = {  # nothing moves
    "schedule_rate": "constant", "schedule_weight_decay": 0.0, "schedule_backbone_rate": 0.0,
    "schedule_head_rate": 0.0,
}  # fmt: skip


def _recipe(**changes: Any) -> Recipe:
    """Two epochs of two steps; changes as ``schedule_epochs=3``."""
    values: dict[str, Any] = {"height": 64, "width": 32}
    values.update({table: dict(entries) for table, entries in _RECIPE.items()})
    for key, value in changes.items():
        table, _, name = key.partition("_")
        if name:
            values.setdefault(table, {})[name] = value
        else:
            values[key] = value
    return recipe_from_dict(values)


class _Data:
    """26 training images, some labels unknown, and 15 to validate on."""

    def __init__(self, folder: Path) -> None:
        train = open_dataset(f"peta:{folder}", "train").first(26)
        train.labels[::5, 3] = -1
        self.folder, self.train = folder, train
        self.val = open_dataset(f"peta:{folder}", "val").first(15)

    def trainer(self, out: Path, **changes: Any) -> Trainer:
        return Trainer(_recipe(**changes), self.train, self.val, out)


@pytest.fixture(scope="module")
def data(tiny_peta: Path) -> _Data:
    return _Data(tiny_peta)


def _log(out: Path) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    for entry in entries:
        assert entry.pop("images_per_second") > 0
    return entries


def _assert_equal(first: Any, second: Any, place: str = "") -> None:
    """Trees of plain values and tensors, to the bit."""
    assert type(first) is type(second), place
    if isinstance(first, dict):
        assert first.keys() == second.keys(), place
        for key in first:
            if key != "images_per_second":
                _assert_equal(first[key], second[key], f"{place}/{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), place
        for index, pair in enumerate(zip(first, second, strict=True)):
            _assert_equal(*pair, f"{place}/{index}")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), place
    else:
        assert first == second, place


def _assert_equal_runs(first: Path, second: Path) -> None:
    for name in ("best.pt", "last.pt"):
        _assert_equal(read_state(first / name), read_state(second / name), name)
    assert _log(first) == _log(second)


def test_a_run_reports_writes_and_learns(data: _Data, tmp_path: Path) -> None:
    seen: list[Progress] = []
    trainer = data.trainer(tmp_path, schedule_epochs=5, schedule_rate="constant",
                           **_UNVARIED)  # fmt: skip
    checkpoint = trainer.run(seen.append)
    ends = [progress for progress in seen if progress.scores]
    assert [(p.epoch, p.step, p.steps, p.epochs) for p in ends] == [(n, 2, 2, 5) for n in range(5)]
    assert len(seen) == 5 * 3
    assert ends[-1].loss < 0.9 * ends[0].loss
    assert all(0 <= progress.mA <= 100 for progress in ends)
    assert checkpoint.facts["selected_on"] == "val"
    assert checkpoint.facts["images"] == 26
    log = _log(tmp_path)
    assert [entry["epoch"] for entry in log] == [1, 2, 3, 4, 5]
    assert [entry["loss"] for entry in log] == [progress.loss for progress in ends]
    best = max(log, key=lambda entry: entry["mA"] + entry["f1"])
    assert checkpoint.facts["epoch"] == best["epoch"]
    assert checkpoint.facts["mA"] == best["mA"]
    again = load_checkpoint(tmp_path / "best.pt")
    whole = predict_logits(again.model, data.val, (64, 32))
    part = predict_logits(again.model, data.val.first(4), (64, 32))
    assert whole[:4] == pytest.approx(part, abs=1e-4)


_CHILD = """
import json, sys, time
from pathlib import Path
import torch
torch.set_num_threads(int(sys.argv[4]))
from edgeattr_train.data.datasets import open_dataset
from edgeattr_train.engine import Trainer
from edgeattr_train.recipe import recipe_from_dict
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
recipe = recipe_from_dict(json.loads(sys.argv[3]))
train = open_dataset(f"peta:{folder}", "train").first(26)
train.labels[::5, 3] = -1
val = open_dataset(f"peta:{folder}", "val").first(15)
epoch, step, done = json.loads(sys.argv[5])

def report(progress):
    if (progress.epoch, progress.step, progress.scores is not None) == (epoch, step, done):
        print("now", flush=True)
        time.sleep(600)

Trainer(recipe, train, val, out).run(report)
"""


def _start_child(data: _Data, out: Path, recipe: Recipe, moment: list[Any]) -> Any:
    """A process that says "now" at a moment of its run, and waits there to be killed."""
    arguments = [str(data.folder), str(out), json.dumps(recipe.to_dict())]
    threads = str(torch.get_num_threads())
    command = [sys.executable, "-c", _CHILD, *arguments, threads, json.dumps(moment)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_run_resumes_to_the_bit(data: _Data, tmp_path: Path) -> None:
    """SIGKILL in the middle of the second epoch, and right after the first checkpoint."""
    moments = {"middle": [1, 1, False], "checkpoint": [0, 2, True]}
    children = {
        name: _start_child(data, tmp_path / name, _recipe(), moment)
        for name, moment in moments.items()
    }
    try:
        data.trainer(tmp_path / "whole").run()
        for child in children.values():
            assert child.stdout.readline() == "now\n"
            child.kill()  # SIGKILL
            assert child.wait() == -9
    finally:
        for child in children.values():
            child.kill()
            child.wait()
            child.stdout.close()
    for name in moments:
        assert len(_log(tmp_path / name)) == 1
        again = data.trainer(tmp_path / name)
        assert again.resume()
        again.run()
        _assert_equal_runs(tmp_path / "whole", tmp_path / name)


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule_rate": "plateau", "schedule_optimizer": "sgd", "schedule_plateau_epochs": 0},
        {"schedule_rate": "cosine", "schedule_optimizer": "adam", "precision": "bf16"},
        {"schedule_rate": "constant", "schedule_average_decay": 0.0, "schedule_clip": 0.0},
    ],
    ids=["plateau-sgd", "cosine-adam-bf16", "constant-no-average"],
)
def test_every_schedule_resumes_to_the_bit(
    changes: dict[str, Any], data: _Data, tmp_path: Path
) -> None:
    data.trainer(tmp_path / "whole", **changes).run()

    class Stop(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.epoch == 1:
            raise Stop

    with pytest.raises(Stop):
        data.trainer(tmp_path / "cut", **changes).run(stop)
    again = data.trainer(tmp_path / "cut", **changes)
    assert again.resume()
    again.run()
    _assert_equal_runs(tmp_path / "whole", tmp_path / "cut")


def test_patience_stops_a_run_that_no_longer_gains(data: _Data, tmp_path: Path) -> None:
    """Nothing moves, so that the first epoch stays the best."""
    still = {**_STILL, "schedule_epochs": 9, "schedule_patience": 2,
             "schedule_average_decay": 0.99}  # fmt: skip
    trainer = data.trainer(tmp_path, **still)
    checkpoint = trainer.run()
    qualities = [entry["mA"] + entry["f1"] for entry in trainer.log]
    best = int(np.argmax(qualities))
    assert len(qualities) == best + 3 < 9
    assert checkpoint.facts["epoch"] == best + 1
    again = data.trainer(tmp_path, **still)
    assert again.resume()
    again.run()
    assert len(again.log) == len(qualities)  # a stopped run stays stopped


def test_small_epochs_choose_no_epoch_unless_there_is_no_other(data: _Data, tmp_path: Path) -> None:
    checkpoint = data.trainer(tmp_path / "a", schedule_small_epochs=1).run()
    assert checkpoint.facts["epoch"] == 2
    fewer = {"schedule_small_epochs": 8, "schedule_images": 13}
    small = data.trainer(tmp_path / "b", schedule_epochs=1, **fewer).run()
    assert (small.facts["epoch"], small.facts["images"]) == (1, 13)


def test_another_recipe_or_other_data_is_refused(data: _Data, tmp_path: Path) -> None:
    assert not data.trainer(tmp_path).resume()
    data.trainer(tmp_path, schedule_epochs=1).run()
    with pytest.raises(InputError, match="another recipe; give another --out"):
        data.trainer(tmp_path).resume()
    other = data.train.take(np.arange(26))
    other.labels[0, 0] ^= 1
    with pytest.raises(InputError, match="another data; give another --out"):
        Trainer(_recipe(schedule_epochs=1), other, data.val, tmp_path).resume()


def test_labels_that_are_all_unknown_are_refused(data: _Data, tmp_path: Path) -> None:
    for name, purpose in (("train", "learn from"), ("val", "choose the epoch by")):
        pair = {"train": data.train.take(np.arange(26)), "val": data.val.take(np.arange(9))}
        pair[name].labels[...] = -1
        with pytest.raises(InputError, match=f"no known label to {purpose}: all [0-9]+ are unknow"):
            Trainer(_recipe(), pair["train"], pair["val"], tmp_path)


def test_a_loss_that_is_no_number_stops_the_run(data: _Data, tmp_path: Path) -> None:
    wild = {"schedule_head_rate": 1e30, "schedule_backbone_rate": 1e30, "schedule_clip": 0.0}
    with pytest.raises(
        EdgeAttrError, match=r"the loss became .* in epoch 1: start again in another --out"
    ):
        data.trainer(tmp_path, schedule_rate="constant", **wild).run()
    assert not (tmp_path / "best.pt").exists()


def test_a_gradient_that_is_no_number_stops_the_run(data: _Data, tmp_path: Path) -> None:
    trainer = data.trainer(tmp_path)
    weight = trainer._learner._model.primary.weight
    weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(
        EdgeAttrError, match=r"the gradient became (nan|inf) in epoch 1: start again"
    ):
        trainer.run()


def test_bf16_runs_close_to_fp32(data: _Data, tmp_path: Path) -> None:
    losses = []
    for precision in ("fp32", "bf16"):
        trainer = data.trainer(tmp_path / precision, precision=precision, schedule_epochs=1)
        checkpoint = trainer.run()
        losses.append(trainer.log[0]["loss"])
        assert checkpoint.model.primary.weight.dtype == torch.float32
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert losses[0] != losses[1]


def test_a_run_starts_from_matching_weights(data: _Data, tmp_path: Path) -> None:
    before = data.trainer(tmp_path / "a", schedule_epochs=1).run()
    still = {**_STILL, "schedule_epochs": 1, "model_start": str(tmp_path / "a" / "best.pt")}
    after = data.trainer(tmp_path / "b", **still).run()
    for (name, old), new in zip(
        before.model.named_parameters(), after.model.parameters(), strict=True
    ):
        assert torch.equal(old, new), name
    wider = data.trainer(tmp_path / "c", model_attend=["k2"], **still).run()
    assert torch.equal(wider.model.primary.weight, before.model.primary.weight)
    changed = _changed(before.model, after.model)  # without a rate, batch norms alone move
    frozen = ["until_k1.0", "until_k1.1"]
    kept = data.trainer(tmp_path / "d", schedule_frozen=frozen, **still).run()
    starts = tuple(f"backbone.{name}." for name in frozen)
    assert any(name.startswith(starts) for name in changed)
    frozen_moved = _changed(before.model, kept.model)
    assert frozen_moved == {name for name in changed if not name.startswith(starts)}


def test_teachers_change_the_targets(data: _Data, tmp_path: Path) -> None:
    data.trainer(tmp_path / "teacher", seed=5, schedule_epochs=1).run()
    losses = []
    for name, teachers in (("a", []), ("b", [str(tmp_path / "teacher" / "best.pt")])):
        trainer = data.trainer(tmp_path / name, schedule_epochs=1, loss_history_epochs=0,
                               distillation_teachers=teachers)  # fmt: skip
        trainer.run()
        losses.append(trainer.log[0]["loss"])
    assert abs(losses[1] - losses[0]) > 0.1


def test_a_last_batch_of_one_image_is_left_out(data: _Data, tmp_path: Path) -> None:
    """A batch norm over pooled features has no variance there."""
    train = data.train.take(np.arange(14))
    recipe = _recipe(model_neck="batch_norm", schedule_epochs=1)
    trainer = Trainer(recipe, train, data.val, tmp_path)
    trainer.run()
    counts = trainer.history.state_dict()["count"]
    assert sorted(counts.tolist()) == [0] + [1] * 13


def test_devices_that_are_not_here() -> None:
    with pytest.raises(UsageError, match="--device tpu: not here"):
        open_fabric(_recipe(), "tpu")
    with pytest.raises(UsageError, match="fp16 wants a GPU"):
        open_fabric(_recipe(precision="fp16"), "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="--device cuda: not here; use cpu"):
            open_fabric(_recipe(), "cuda")
    assert "WORLD_SIZE" not in os.environ


def _changed(before: torch.nn.Module, after: torch.nn.Module) -> set[str]:
    theirs = after.state_dict()
    return {name for name, value in before.state_dict().items()
            if not torch.equal(value, theirs[name])}  # fmt: skip
