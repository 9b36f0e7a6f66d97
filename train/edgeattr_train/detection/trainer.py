"""Train the person detector from YOLOX-nano's weights on composed pictures.

The student starts with the teacher's weights. Where ReLU stands in place of SiLU its batch norms
take the mean and deviation that the teacher's convolutions have on training pictures, so that
activations keep their distribution; the other batch norms stay as they are, a scale and a bias. It
learns the teacher's maps as well as people's boxes, at first above all the maps.
"""

from __future__ import annotations

import collections
import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

from edgeattr_train.checkpoint import read_state, write_state
from edgeattr_train.detection.composition import Composer
from edgeattr_train.detection.losses import Targets, detection_loss
from edgeattr_train.detection.network import RELU_PARTS, Block, PersonDetector
from edgeattr_train.detection.teacher import weights_from_yolox
from edgeattr_train.optimization import moving_average

_LOG = logging.getLogger(__name__)
_LINE = 25  # steps that a line of the history is about


@dataclass(frozen=True, kw_only=True)
class PersonRecipe:
    """What `train/recipes/person.toml` sets."""

    task: str = "person-detection"
    start: str = "yolox_nano"  # weights to start from and teacher: a known name, or a file
    steps: int = 1300
    batch: int = 8  # pictures
    relu_parts: tuple[str, ...] = ()  # parts of the network with ReLU in place of SiLU
    sizes: tuple[str, ...] = ("256x416",)  # input height x width; a batch has one of them
    learning_rate: float = 2e-3  # of AdamW, falling along a cosine to a twentieth
    silu_rate: float = 0.15  # share of the learning rate for parts that still have SiLU
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


@torch.no_grad()
def student_from_teacher(
    teacher: PersonDetector, pictures: Tensor, relu_parts: Sequence[str] = RELU_PARTS
) -> PersonDetector:
    """A network with the teacher's weights, and its statistics in the batch norms before ReLU.

    Args:
        teacher: with SiLU alone, whose batch norms only add a bias.
        pictures: [N, 3, H, W], for the statistics.
        relu_parts: see :class:`PersonDetector`.
    """
    student = PersonDetector(relu_parts)
    student.load_state_dict(teacher.state_dict())
    changed = _relu_blocks(student)
    if not changed:
        return student
    statistics: dict[str, tuple[Tensor, Tensor]] = {}

    def note(name: str):  # type: ignore[no-untyped-def]
        def hook(_: nn.Module, __: object, output: Tensor) -> None:
            statistics[name] = output.mean((0, 2, 3)), output.var((0, 2, 3))

        return hook

    hooks = [
        module.bn.register_forward_hook(note(name))
        for name, module in teacher.named_modules()
        if isinstance(module, Block) and name in changed
    ]
    teacher(pictures)
    for hook in hooks:
        hook.remove()
    for name, block in changed.items():
        mean, variance = statistics[name]
        block.bn.weight.copy_((variance + block.bn.eps).sqrt())
        block.bn.bias.copy_(mean)
    _to_training(student)
    for _ in range(20):  # running statistics of the network with ReLU
        student(pictures[torch.randperm(len(pictures))[:16]])
    return student


def _relu_blocks(student: PersonDetector) -> dict[str, Block]:
    return {
        name: module
        for name, module in student.named_modules()
        if isinstance(module, Block) and isinstance(module.act, nn.ReLU)
    }


def _to_training(student: PersonDetector) -> None:
    """Training mode for the batch norms before ReLU; the others have no statistics to learn."""
    student.eval()
    for block in _relu_blocks(student).values():
        block.train()
        block.bn.momentum = 0.1


def _distil_loss(
    student: PersonDetector, teacher: PersonDetector, x: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Squared error of the maps, relative to the teacher's, and the student's head.

    Where the student's map comes out of a ReLU, so does what it is compared with.
    """
    maps = student.maps(x)
    with torch.no_grad():
        wanted = [
            functional.relu(theirs) if bool((own >= 0).all()) else theirs
            for own, theirs in zip(maps, teacher.maps(x), strict=True)
        ]
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
    student = PersonDetector(recipe.relu_parts) if saved else _student(teacher, recipe, data)
    student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    _to_training(student)
    teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
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


def _student(teacher: PersonDetector, recipe: PersonRecipe, data: Path) -> PersonDetector:
    """A new student, with statistics of composed pictures."""
    composer, rng = Composer(data), np.random.default_rng(recipe.seed)
    pictures = [composer(rng, 256, 416)[0] for _ in range(32)]
    floats = _floats(torch.from_numpy(np.stack(pictures)))
    return student_from_teacher(teacher, floats, recipe.relu_parts)


def _groups(student: PersonDetector, recipe: PersonRecipe) -> list[dict[str, Any]]:
    """Weights of convolutions decay, biases and batch norms don't; SiLU's parts learn slower."""
    fast = tuple(_relu_blocks(student))
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in student.named_parameters():
        rate = 1.0 if name.startswith(fast) else recipe.silu_rate
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": decay, "rate": rate}
        for (rate, decay), parameters in groups.items()
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
        group["lr"] = _learning_rate(recipe, step) * group["rate"]
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
