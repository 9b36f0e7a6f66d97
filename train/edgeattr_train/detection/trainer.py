"""Train the person detector from YOLOX-nano's weights on composed pictures.

The student starts with the teacher's weights. Its batch norms take the mean and deviation that the
teacher's convolutions have on training pictures, so that its activations keep their distribution
although ReLU stands where SiLU was. Early on it also learns the teacher's pyramid maps and scores.
"""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

from edgeattr_train.detection.composition import Composer
from edgeattr_train.detection.losses import Targets, detection_loss
from edgeattr_train.detection.network import Block, PersonDetector
from edgeattr_train.detection.teacher import weights_from_yolox

__all__ = ["PersonRecipe", "student_from_teacher", "train_person"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PersonRecipe:
    """What `train/recipes/person.toml` sets."""

    steps: int = 3000
    batch: int = 12  # pictures
    sizes: tuple[tuple[int, int], ...] = ((256, 416),)  # input height and width, one a batch
    learning_rate: float = 1e-3  # of AdamW, falling along a cosine to a twentieth
    weight_decay: float = 0.01
    warmup: int = 100  # steps
    distil_until: float = 0.5  # share of the steps after which the teacher is no longer asked
    distil_weight: float = 1.0
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
            height, width = self._recipe.sizes[rng.integers(len(self._recipe.sizes))]
            pictures, targets = [], []
            for _ in range(self._recipe.batch):
                picture, boxes, ignore = composer(rng, height, width)
                pictures.append(picture)
                targets.append(Targets(boxes=_centred(boxes), ignore=_centred(ignore)))
            yield torch.from_numpy(np.stack(pictures)), targets


def _centred(boxes: np.ndarray) -> Tensor:  # type: ignore[type-arg]
    """Left, top, right, bottom -> centre and size."""
    found = torch.from_numpy(boxes.astype(np.float32)).reshape(-1, 4)
    return torch.cat(((found[:, :2] + found[:, 2:]) / 2, found[:, 2:] - found[:, :2]), 1)


def _floats(pictures: Tensor) -> Tensor:
    return pictures.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def student_from_teacher(teacher: PersonDetector, pictures: Tensor) -> PersonDetector:
    """A ReLU network with the teacher's weights and the teacher's statistics in its batch norms.

    Args:
        teacher: with SiLU, whose batch norms only add a bias.
        pictures: [N, 3, H, W], for the statistics.
    """
    student = PersonDetector()
    student.load_state_dict(teacher.state_dict())
    statistics: dict[str, tuple[Tensor, Tensor]] = {}

    def note(name: str):  # type: ignore[no-untyped-def]
        def hook(_: nn.Module, __: object, output: Tensor) -> None:
            statistics[name] = output.mean((0, 2, 3)), output.var((0, 2, 3))

        return hook

    hooks = [
        module.bn.register_forward_hook(note(name))
        for name, module in teacher.named_modules()
        if isinstance(module, Block)
    ]
    teacher(pictures)
    for hook in hooks:
        hook.remove()
    for name, module in student.named_modules():
        if isinstance(module, Block):
            mean, variance = statistics[name]
            module.bn.weight.copy_((variance + module.bn.eps).sqrt())
            module.bn.bias.copy_(mean)
            module.bn.momentum = 0.1
    student.train()
    for _ in range(30):  # running statistics of the network with ReLU
        student(pictures[torch.randperm(len(pictures))[:16]])
    return student


def _distil_loss(
    student: PersonDetector, teacher: PersonDetector, x: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Squared error of the pyramid maps, relative to the teacher's, and the student's head."""
    maps = student.pyramid(x)
    with torch.no_grad():
        wanted = [functional.relu(map_) for map_ in teacher.pyramid(x)]
    error = sum(
        (one - other).pow(2).mean() / other.pow(2).mean()
        for one, other in zip(maps, wanted, strict=True)
    )
    return error, [level(map_) for level, map_ in zip(student.head, maps, strict=True)]  # type: ignore[return-value]


def _learning_rate(recipe: PersonRecipe, step: int) -> float:
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    share = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    return recipe.learning_rate * (0.05 + 0.95 * (1 + math.cos(math.pi * min(share, 1))) / 2)


def train_person(recipe: PersonRecipe, *, data: Path, start: Path, out: Path) -> PersonDetector:
    """Train, or resume from `out/checkpoint.pt`, and return the averaged network.

    Args:
        data: folder of `scenes.prepare`.
        start: YOLOX-nano's ONNX export.
        out: for checkpoint.pt, person.pt (averaged weights) and history.jsonl.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    teacher = weights_from_yolox(start)
    path = out / "checkpoint.pt"
    saved = torch.load(path, weights_only=True) if path.exists() else None
    done = saved["step"] if saved else 0
    stream = iter(
        DataLoader(_Batches(data, recipe, done), batch_size=None, num_workers=recipe.workers)
    )
    if saved:
        student = PersonDetector()
    else:
        composer, rng = Composer(data), np.random.default_rng(recipe.seed)
        pictures = [composer(rng, *recipe.sizes[0])[0] for _ in range(32)]
        student = student_from_teacher(teacher, _floats(torch.from_numpy(np.stack(pictures))))
    student.to(memory_format=torch.channels_last).train()
    teacher.to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(student).eval()
    optimizer = torch.optim.AdamW(_groups(student, recipe), lr=recipe.learning_rate)
    if saved:
        student.load_state_dict(saved["student"])
        averaged.load_state_dict(saved["averaged"])
        optimizer.load_state_dict(saved["optimizer"])
    sums: dict[str, float] = {}
    began = time.perf_counter()
    for step in range(done, recipe.steps):
        pictures, targets = next(stream)
        losses = _step(recipe, step, student, teacher, optimizer, _floats(pictures), targets)
        _average(averaged, student, min(recipe.ema, (1 + step) / (10 + step)))
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value
        if (step + 1) % 25 == 0:
            line = {"step": step + 1, "seconds": round(time.perf_counter() - began, 1)}
            line |= {name: round(value / 25, 4) for name, value in sums.items()}
            sums.clear()
            with (out / "history.jsonl").open("a") as history:
                history.write(json.dumps(line) + "\n")
        if (step + 1) % recipe.checkpoint_every == 0 or step + 1 == recipe.steps:
            state = {
                "step": step + 1,
                "student": student.state_dict(),
                "averaged": averaged.state_dict(),
                "optimizer": optimizer.state_dict(),
            }
            torch.save(state, path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)
            torch.save(averaged.state_dict(), out / "person.pt")
    return averaged


def _groups(student: PersonDetector, recipe: PersonRecipe) -> list[dict[str, object]]:
    """Weights of convolutions decay; biases and batch norms don't."""
    decayed = [p for p in student.parameters() if p.ndim > 1]
    others = [p for p in student.parameters() if p.ndim <= 1]
    return [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


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


@torch.no_grad()
def _average(averaged: PersonDetector, student: PersonDetector, decay: float) -> None:
    for old, new in zip(averaged.state_dict().values(), student.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - decay)
        else:
            old.copy_(new)
