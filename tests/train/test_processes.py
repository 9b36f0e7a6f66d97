"""Several processes against one: shared batch norms, and a whole run."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn

from edgeattr.core.errors import UsageError
from edgeattr_train.data.datasets import open_dataset
from edgeattr_train.engine import Progress, Trainer
from edgeattr_train.recipe import Recipe, recipe_from_dict
from edgeattr_train.sync_norms import synchronize_batch_norms

_ATTRIBUTES = 35
_BATCH = 8


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    """A group of this process alone."""
    dist.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1
    )
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.usefixtures("one_process")
def test_shared_batch_norms_alone_are_plain_ones(flat: bool) -> None:
    torch.manual_seed(0)
    kind = nn.BatchNorm1d if flat else nn.BatchNorm2d
    plain = kind(3).double()
    with torch.no_grad():
        plain.weight.uniform_(0.5, 2)
        plain.bias.normal_()
    shared = nn.Sequential(kind(3).double())
    shared[0].load_state_dict(plain.state_dict())
    synchronize_batch_norms(shared)
    shape = (6, 3) if flat else (2, 3, 4, 5)
    for _ in range(3):
        values = torch.randn(shape, dtype=torch.float64) * 3 + 1
        pair = [values.clone().requires_grad_() for _ in range(2)]
        outputs = [norm(x) for norm, x in zip((plain, shared), pair, strict=True)]
        for output in outputs:
            output.square().mul(
                torch.arange(3).view(1, 3, *[1] * (values.ndim - 2))
            ).sum().backward()
        assert torch.allclose(*outputs, atol=1e-10)
        assert torch.allclose(pair[0].grad, pair[1].grad, atol=1e-10)
    for (name, mine), theirs in zip(
        plain.state_dict().items(), shared.state_dict().values(), strict=True
    ):
        assert torch.allclose(mine, theirs), name
    assert torch.allclose(plain.weight.grad, shared[0].weight.grad)
    values = torch.randn(shape, dtype=torch.float64)
    assert torch.allclose(plain.eval()(values), shared.eval()(values), atol=1e-10)


def test_only_batch_norms_are_shared() -> None:
    net = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm1d(2), nn.InstanceNorm2d(2), nn.ReLU())
    before = [type(module) for module in net]
    synchronize_batch_norms(net)
    after = [type(module) for module in net]
    assert [a is b for a, b in zip(before, after, strict=True)] == [False, False, True, True]
    assert isinstance(net[0], nn.BatchNorm2d)


def _recipe(images: int = 17, epochs: int = 3) -> Recipe:
    """Nothing random but the order; a global batch shared out must give what one process does."""
    return recipe_from_dict(
        {
            "height": 64,
            "width": 32,
            "model": {"attention_channels": 8, "dropout": 0.0, "neck": "batch_norm"},
            "loss": {"burn_in_epochs": 1, "history_epochs": 3, "average": "balanced"},
            "schedule": {
                "images": images,
                "epochs": epochs,
                "batch": _BATCH,
                "optimizer": "sgd",
                "clip": 5.0,
            },
        }
    )


_CHILD = """
import json, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[4])
import torch
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
from test_processes import losses_of_run
from edgeattr_train.processes import open_fabric
from edgeattr_train.recipe import recipe_from_dict

recipe = recipe_from_dict(json.loads(sys.argv[3]))
fabric = open_fabric(recipe, "cpu")
losses, trainer = losses_of_run(Path(sys.argv[1]), Path(sys.argv[2]), recipe, fabric)
np.savez(
    Path(sys.argv[2]) / f"rank{fabric.global_rank}.npz", losses=losses,
    **trainer.history.state_dict(),
)
"""


def losses_of_run(
    folder: Path, out: Path, recipe: Recipe, fabric: Any = None
) -> tuple[list[float], Trainer]:
    """The loss of each step, mean over attributes and scores."""
    train = open_dataset(f"peta:{folder}", "train")
    train.labels[::4, 2] = -1
    val = open_dataset(f"peta:{folder}", "val").first(7)  # does not divide by two
    trainer = Trainer(recipe, train, val, out, fabric=fabric)
    losses: list[float] = []
    summed = 0.0

    def note(progress: Progress) -> None:
        nonlocal summed
        if progress.scores is None:
            summed = 0.0 if progress.step == 1 else summed
            losses.append((progress.loss * progress.step - summed) / _ATTRIBUTES / 4)
            summed = progress.loss * progress.step

    trainer.run(note)
    return losses, trainer


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(rank: int, port: int, arguments: list[str]) -> Any:
    """One of two processes with the environment that torchrun gives."""
    environment = {
        **os.environ,
        "RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0",
        "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test",
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, *arguments], env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.fixture
def double() -> Iterator[None]:
    """Weights in float64: in float32, rounding in another order grows tenfold with each step."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("images", "epochs"),
    [(17, 2), pytest.param(41, 4, marks=pytest.mark.slow)],  # an odd image is left over
)
@pytest.mark.usefixtures("double")
def test_two_processes_learn_what_one_does(
    images: int, epochs: int, tiny_peta: Path, tmp_path: Path
) -> None:
    """Losses, history, scores and weights, over 4 or 20 steps of the same global batches."""
    recipe = _recipe(images, epochs)
    out = tmp_path / "two"
    out.mkdir()
    arguments = [
        str(tiny_peta),
        str(out),
        json.dumps(recipe.to_dict()),
        str(Path(__file__).parent),
    ]
    port = _free_port()
    children = [_start(rank, port, arguments) for rank in range(2)]
    try:
        losses, trainer = losses_of_run(tiny_peta, tmp_path / "one", recipe)
        said = [child.communicate(timeout=300)[0] for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()
    assert [child.returncode for child in children] == [0, 0], "\n".join(said)
    found = [np.load(out / f"rank{rank}.npz") for rank in range(2)]
    assert len(losses) == images // _BATCH * epochs
    assert max(losses) - min(losses) > 1e-3  # something is learnt
    for part in found:
        assert part["losses"] == pytest.approx(losses, abs=1e-5)
        for key, value in trainer.history.state_dict().items():
            assert part[key] == pytest.approx(value, abs=1e-5), key
    logs = [
        [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        for folder in (tmp_path / "one", out)
    ]
    for one, two in zip(*logs, strict=True):
        for key in ("mA", "f1", "mAP", "learning_rate"):
            assert two[key] == pytest.approx(one[key], abs=1e-3), key
    weights = [
        torch.load(folder / "last.pt", weights_only=True)["learner"]["model"]
        for folder in (tmp_path / "one", out)
    ]
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], atol=1e-5), name


def test_a_batch_that_cannot_be_shared_out_is_refused(tiny_peta: Path, tmp_path: Path) -> None:
    class Two:
        """What the trainer asks of a group before anything else."""

        world_size = 2

    values = {**_recipe().to_dict(), "schedule": {"batch": 13}}
    with pytest.raises(UsageError, match=r"schedule\.batch=13 is no multiple of the 2 processes"):
        losses_of_run(tiny_peta, tmp_path, recipe_from_dict(values), Two())
