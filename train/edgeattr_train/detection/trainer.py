"""Train the person detector on composed pictures, and to see what YOLOX-nano sees in them.

It learns people's boxes, the teacher's scores and boxes in every cell, and to predict the teacher's
maps from its own by one 1x1 convolution each, which are left behind after training.
"""

from __future__ import annotations

import collections
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from edgeattr.core.errors import UsageError
from edgeattr_train.checkpoint import read_state, write_state
from edgeattr_train.detection.composition import Composer
from edgeattr_train.detection.losses import Targets, detection_loss, distillation_loss
from edgeattr_train.detection.network import PYRAMID, PersonDetector
from edgeattr_train.detection.yolox import MAP_WIDTHS, YoloxNano, weights_from_yolox
from edgeattr_train.optimization import moving_average

_LINE = 25  # steps that a line of the history is about
_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class PersonRecipe:
    """What `train/recipes/person.toml` sets."""

    task: str = "person-detection"
    teacher: str = "yolox_nano"  # a known name, or a file
    steps: int = 16000
    batch: int = 16  # pictures
    sizes: tuple[str, ...] = ("256x416",)  # input height x width; a batch has one of them
    learning_rate: float = 2e-3  # of AdamW, falling along a cosine to a fiftieth
    weight_decay: float = 0.02
    warmup: int = 500  # steps
    ema: float = 0.9995  # of the averaged weights, which are the result
    precision: Literal["bf16", "fp32"] = "fp32"  # of the networks' arithmetic
    seed: int = 0
    checkpoint_every: int = 500  # steps
    workers: int = 1  # processes that compose pictures


class _Batches(IterableDataset[tuple[Tensor, list[Targets]]]):
    """Endless batches; every batch has one size."""

    def __init__(self, folder: Path, recipe: PersonRecipe, start: int) -> None:
        self._folder, self._recipe, self._start = folder, recipe, start

    def __iter__(self) -> Iterator[tuple[Tensor, list[Targets]]]:
        torch.set_num_threads(1)
        info = torch.utils.data.get_worker_info()
        worker = info.id if info else 0
        composer = Composer(self._folder)
        rng = np.random.default_rng((self._recipe.seed, self._start, worker))
        while True:
            size = self._recipe.sizes[rng.integers(len(self._recipe.sizes))]
            height, width = map(int, size.split("x"))
            pictures, targets = [], []
            for _ in range(self._recipe.batch):
                picture, boxes, ignore = composer(rng, height, width)
                pictures.append(picture)
                targets.append(Targets(boxes=_centred(boxes), ignore=_centred(ignore)))
            yield torch.from_numpy(np.stack(pictures)), targets


def _centred(boxes: np.ndarray) -> Tensor:
    """Left, top, right, bottom -> centre and size."""
    found = torch.from_numpy(boxes.astype(np.float32)).reshape(-1, 4)
    return torch.cat(((found[:, :2] + found[:, 2:]) / 2, found[:, 2:] - found[:, :2]), 1)


def _floats(pictures: Tensor) -> Tensor:
    return pictures.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)


class _Distillation(nn.Module):
    """The student, its teacher, and what predicts the teacher's maps from the student's."""

    def __init__(self, teacher: YoloxNano) -> None:
        super().__init__()
        self.student = PersonDetector()
        self.adapters = nn.ModuleList(nn.Conv2d(PYRAMID, wide, 1) for wide in MAP_WIDTHS)
        self._teacher = [teacher]  # in a list, so that its weights are none of ours

    def losses(self, x: Tensor, targets: Sequence[Targets], precision: str) -> dict[str, Tensor]:
        """The losses of a batch [N, 3, H, W], by name."""
        (teacher,) = self._teacher
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            with torch.no_grad():
                expected = teacher.maps(x)
                taught = teacher.heads(expected)
            maps = self.student.maps(x)
            levels = self.student.heads(maps)
            adapted = [adapt(m) for adapt, m in zip(self.adapters, maps, strict=True)]
        errors = [
            (one.float() - other.float()).pow(2).mean() / other.float().pow(2).mean()
            for one, other in zip(adapted, expected, strict=True)
        ]
        own = [level.float().contiguous() for level in levels]
        return {
            "maps": torch.stack(errors).sum(),
            **detection_loss(own, targets),
            **distillation_loss(own, [level.float() for level in taught], targets),
        }


def _learning_rate(recipe: PersonRecipe, step: int) -> float:
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    share = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    return recipe.learning_rate * (0.02 + 0.98 * (1 + math.cos(math.pi * min(share, 1))) / 2)


def train_person(
    recipe: PersonRecipe,
    *,
    data: Path,
    teacher: Path,
    out: Path,
    tell: Callable[[Mapping[str, float]], None] = lambda line: None,
) -> PersonDetector:
    """Train, or resume from `out/checkpoint.pt`, and return the averaged network.

    Args:
        data: folder of `scenes.prepare`.
        teacher: YOLOX-nano's ONNX export.
        out: for checkpoint.pt and history.jsonl.
        tell: called with every line of history.jsonl.

    Raises:
        UsageError: the checkpoint is of another training.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    path = out / "checkpoint.pt"
    saved = read_state(path) if path.exists() else None
    done = saved["step"] if saved else 0
    stream = iter(
        DataLoader(_Batches(data, recipe, done), batch_size=None, num_workers=recipe.workers)
    )
    distillation = _Distillation(_channels_last(weights_from_yolox(teacher)))
    _channels_last(distillation)
    averaged = moving_average(distillation.student, recipe.ema).eval()
    optimizer = torch.optim.AdamW(_groups(distillation, recipe), lr=recipe.learning_rate)
    parts: dict[str, Any] = {
        "distillation": distillation,
        "averaged": averaged,
        "optimizer": optimizer,
    }
    if saved:
        if not saved.keys() >= parts.keys():
            raise UsageError(f"{path} is of another training; pass another --out")
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    history = _History(out / "history.jsonl", tell)
    for step in range(done, recipe.steps):
        pictures, targets = next(stream)
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(recipe, step)
        losses = _step(distillation, optimizer, _floats(pictures), targets, recipe.precision)
        averaged.update_parameters(distillation.student)
        history.add(step + 1, losses)
        if (step + 1) % recipe.checkpoint_every == 0 or step + 1 == recipe.steps:
            states = {name: part.state_dict() for name, part in parts.items()}
            write_state(path, {"step": step + 1, **states})
    return cast(PersonDetector, averaged.module)


def _step(
    distillation: _Distillation,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    targets: Sequence[Targets],
    precision: str,
) -> dict[str, float]:
    """Learn from one batch. Returns its losses."""
    losses = distillation.losses(x, targets, precision)
    optimizer.zero_grad(set_to_none=True)
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(distillation.student.parameters(), 10.0)
    optimizer.step()
    return {name: float(loss.detach()) for name, loss in losses.items()}


def _channels_last(module: _Module) -> _Module:
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


class _History:
    """Mean losses of every 25 steps, as lines of a file."""

    def __init__(self, path: Path, tell: Callable[[Mapping[str, float]], None]) -> None:
        self._path, self._tell, self._began = path, tell, time.perf_counter()
        self._sums: collections.Counter[str] = collections.Counter()

    def add(self, step: int, losses: Mapping[str, float]) -> None:
        self._sums.update(losses)
        if step % _LINE:
            return
        line = {"step": step, "seconds": round(time.perf_counter() - self._began, 1)}
        line |= {name: round(value / _LINE, 4) for name, value in self._sums.items()}
        self._sums.clear()
        self._tell(line)
        with self._path.open("a") as history:
            history.write(json.dumps(line) + "\n")


def _groups(module: nn.Module, recipe: PersonRecipe) -> list[dict[str, Any]]:
    """Weights of convolutions decay, biases and batch norms don't."""
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in module.parameters():
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault(decay, []).append(parameter)
    return [{"params": parameters, "weight_decay": decay} for decay, parameters in groups.items()]
