"""Train the person detector from YOLOX-nano's weights on composed pictures.

The student starts with the teacher's weights; its batch norms are a scale and a bias alone. It
learns the teacher's maps as well as people's boxes, at first above all the maps.
"""

from __future__ import annotations

import collections
import copy
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from edgeattr_train.checkpoint import read_state, write_state
from edgeattr_train.detection.composition import Composer
from edgeattr_train.detection.losses import Targets, detection_loss
from edgeattr_train.detection.network import PersonDetector
from edgeattr_train.detection.teacher import weights_from_yolox
from edgeattr_train.optimization import moving_average

_LINE = 25  # steps that a line of the history is about


@dataclass(frozen=True, kw_only=True)
class PersonRecipe:
    """What `train/recipes/person.toml` sets."""

    task: str = "person-detection"
    start: str = "yolox_nano"  # weights to start from and teacher: a known name, or a file
    steps: int = 1300
    batch: int = 8  # pictures
    sizes: tuple[str, ...] = ("256x416",)  # input height x width; a batch has one of them
    learning_rate: float = 2e-3  # of AdamW, falling along a cosine to a twentieth
    weight_decay: float = 0.01
    warmup: int = 100  # steps
    distil_until: float = 0.6  # share of the steps after which the teacher is no longer asked
    distil_weight: float = 2.0  # at first; falls in a line
    ema: float = 0.998  # of the averaged weights, which are the result
    seed: int = 0
    checkpoint_every: int = 250  # steps
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


def _distil_loss(
    student: PersonDetector, teacher: PersonDetector, x: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Squared error of the maps, relative to the teacher's, and the student's head."""
    maps = student.maps(x)
    with torch.no_grad():
        wanted = teacher.maps(x)
    errors = [
        (one - other).pow(2).mean() / other.pow(2).mean()
        for one, other in zip(maps, wanted, strict=True)
    ]
    return torch.stack(errors).mean(), student.heads(maps)


def _learning_rate(recipe: PersonRecipe, step: int) -> float:
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    share = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    return recipe.learning_rate * (0.05 + 0.95 * (1 + math.cos(math.pi * min(share, 1))) / 2)


def train_person(
    recipe: PersonRecipe,
    *,
    data: Path,
    start: Path,
    out: Path,
    tell: Callable[[Mapping[str, float]], None] = lambda line: None,
) -> PersonDetector:
    """Train, or resume from `out/checkpoint.pt`, and return the averaged network.

    Args:
        data: folder of `scenes.prepare`.
        start: YOLOX-nano's ONNX export.
        out: for checkpoint.pt and history.jsonl.
        tell: called with every line of history.jsonl.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    teacher = weights_from_yolox(start)
    path = out / "checkpoint.pt"
    saved = read_state(path) if path.exists() else None
    done = saved["step"] if saved else 0
    stream = iter(
        DataLoader(_Batches(data, recipe, done), batch_size=None, num_workers=recipe.workers)
    )
    teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    student = copy.deepcopy(teacher)
    averaged = moving_average(student, recipe.ema).eval()
    optimizer = torch.optim.AdamW(_groups(student, recipe), lr=recipe.learning_rate)
    if saved:
        student.load_state_dict(saved["student"])
        averaged.load_state_dict(saved["averaged"])
        optimizer.load_state_dict(saved["optimizer"])
    history = _History(out / "history.jsonl", tell)
    for step in range(done, recipe.steps):
        pictures, targets = next(stream)
        losses = _step(recipe, step, student, teacher, optimizer, _floats(pictures), targets)
        averaged.update_parameters(student)
        history.add(step + 1, losses)
        if (step + 1) % recipe.checkpoint_every == 0 or step + 1 == recipe.steps:
            state = {
                "step": step + 1,
                "student": student.state_dict(),
                "averaged": averaged.state_dict(),
                "optimizer": optimizer.state_dict(),
            }
            write_state(path, state)
    return cast(PersonDetector, averaged.module)


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


def _groups(student: PersonDetector, recipe: PersonRecipe) -> list[dict[str, Any]]:
    """Weights of convolutions decay, biases and batch norms don't."""
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in student.parameters():
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault(decay, []).append(parameter)
    return [{"params": parameters, "weight_decay": decay} for decay, parameters in groups.items()]


def _step(
    recipe: PersonRecipe,
    step: int,
    student: PersonDetector,
    teacher: PersonDetector,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    targets: list[Targets],
) -> dict[str, float]:
    for group in optimizer.param_groups:
        group["lr"] = _learning_rate(recipe, step)
    weight = recipe.distil_weight * max(1 - step / max(recipe.distil_until * recipe.steps, 1), 0)
    losses: dict[str, Tensor] = {}
    if weight > 0:
        distilled, levels = _distil_loss(student, teacher, x)
        losses["distil"] = weight * distilled
    else:
        levels = student(x)
    losses |= detection_loss([level.contiguous() for level in levels], targets)
    total = torch.stack(list(losses.values())).sum()
    optimizer.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(student.parameters(), 10.0)
    optimizer.step()
    return {name: float(value.detach()) for name, value in losses.items()}
