"""The training run: one process or many, resumable to the bit, chosen on validation data."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric

from edgeattr.core.errors import InputError, UsageError
from edgeattr.core.files import write_atomically
from edgeattr.core.metrics import Scores, evaluate
from edgeattr_train.checkpoint import Checkpoint, load_checkpoint, read_state, write_state
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.data.pixels import statistics_of
from edgeattr_train.history import PredictionHistory
from edgeattr_train.learner import Learner
from edgeattr_train.loader import Batch, CropCache, batches, training_order
from edgeattr_train.predict import predict_logits
from edgeattr_train.processes import open_fabric
from edgeattr_train.recipe import Recipe
from edgeattr_train.soft_labels import SoftLabels

_LOG = logging.getLogger("edgeattr.train")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a progress bar shows after each step."""

    epoch: int  # from 0
    epochs: int
    step: int  # from 1, within the epoch
    steps: int
    loss: float  # mean over the epoch so far
    mA: float  # noqa: N815 - of the first process's crops of the epoch so far, percent
    images_per_second: float  # over all processes
    scores: Scores | None = None  # validation, after the last step of an epoch


class Trainer:
    """Trains one recipe on one data set, epoch by epoch.

    Args:
        recipe: what to do.
        train: training data.
        val: data on which the epoch is chosen.
        out: directory for ``last.pt`` (to resume), ``best.pt`` and ``log.jsonl``.
        threads: decoding threads.
        cache_bytes: memory for decoded crops, per process; 0 decodes anew in each epoch.
        fabric: processes and device; one process on the CPU where absent.

    Raises:
        UsageError: the batch cannot be shared out among the processes.
        InputError: too few images, or no label to choose the epoch by.
    """

    def __init__(
        self,
        recipe: Recipe,
        train: AttributeDataset,
        val: AttributeDataset,
        out: Path,
        *,
        threads: int = 2,
        cache_bytes: int = 0,
        fabric: Fabric | None = None,
    ) -> None:
        self._recipe, self._val, self._out, self._threads = recipe, val, out, threads
        self._cache = CropCache(cache_bytes)
        train = train.first(recipe.schedule.images) if recipe.schedule.images else train
        self._train, taught = _with_soft_labels(train, recipe)
        self._fabric = fabric or open_fabric(recipe, "cpu")
        world, batch = self._fabric.world_size, recipe.schedule.batch
        if batch % world:
            raise UsageError(f"schedule.batch={batch} is no multiple of the {world} processes")
        self._usable = _usable(len(self._train), world, batch)
        if self._usable < world:
            raise InputError(
                f"{len(self._train)} training images are too few for {world} processes"
            )
        for data, purpose in ((self._train, "learn from"), (val, "choose the epoch by")):
            if not (data.labels >= 0).any():
                raise InputError(
                    f"{data.name} {data.split} has no known label to {purpose}: all "
                    f"{data.labels.size} are unknown (-1)"
                )
        _compare(train, val)
        self._steps = -(-self._usable // batch)
        self._learner = Learner(
            recipe, self._train, self._steps, self._fabric, threads=threads, taught=taught
        )
        self._epoch, self._best, self._stale = 0, -np.inf, 0
        self._log: list[dict[str, Any]] = []

    @property
    def log(self) -> list[dict[str, Any]]:
        """One entry an epoch, as in ``log.jsonl``."""
        return list(self._log)

    @property
    def history(self) -> PredictionHistory:
        """What Eq. 5 looks back on."""
        return self._learner.history

    def resume(self) -> bool:
        """Take up ``last.pt`` where there is one; say whether there was.

        Raises:
            InputError: it belongs to another recipe or other data.
        """
        path = self._out / "last.pt"
        if not path.is_file():
            return False
        state = read_state(path)
        for key, mine in (("recipe", self._recipe.to_dict()), ("data", self._data_digest())):
            if state.get(key) != mine:
                raise InputError(f"{path} was made with another {key}; give another --out")
        self._learner.load_state_dict(state["learner"])
        self._epoch, self._best, self._stale = state["epoch"], state["best"], state["stale"]
        self._log = list(state["log"])
        return True

    def run(self, report: Callable[[Progress], None] = lambda progress: None) -> Checkpoint:
        """Train to the last epoch, or until the score has not risen for ``patience`` epochs.

        Returns:
            The checkpoint of the epoch that scored best on validation data (``schedule.select``).
        """
        schedule = self._recipe.schedule
        while self._epoch < schedule.epochs:
            if schedule.patience and self._stale >= schedule.patience:
                break
            done = self._run_epoch(report)
            scores = self._validate()
            self._epoch += 1
            self._finish_epoch(done, scores)
            report(dataclasses.replace(done, scores=scores))
        return load_checkpoint(self._out / "best.pt")

    def _run_epoch(self, report: Callable[[Progress], None]) -> Progress:
        seeds = (self._recipe.seed, self._epoch)
        mine = np.random.SeedSequence((*seeds, self._fabric.global_rank))
        self._learner.begin(int(mine.generate_state(1)[0]), self._epoch)
        accuracy = RunningMeanAccuracy(len(self._train.schema))
        start, summed, seen = time.monotonic(), 0.0, 0
        progress = Progress(
            epoch=self._epoch,
            epochs=self._recipe.schedule.epochs,
            step=0,
            steps=self._steps,
            loss=float("nan"),
            mA=float("nan"),
            images_per_second=0.0,
        )
        for step, batch in enumerate(self._batches(), 1):
            loss, probabilities = self._learner.learn(batch, self._epoch)
            accuracy.add(probabilities, batch.labels.numpy())
            summed += loss
            seen += len(batch.ids) * self._fabric.world_size
            progress = dataclasses.replace(
                progress,
                step=step,
                loss=summed / step,
                mA=accuracy.mean_accuracy(),
                images_per_second=seen / (time.monotonic() - start),
            )
            report(progress)
        return progress

    def _batches(self) -> Iterator[Batch]:
        """This process's share of each batch: every process has as many images."""
        recipe, epoch, world = self._recipe, self._epoch, self._fabric.world_size
        order = training_order(len(self._train), recipe.seed, epoch)
        return batches(
            self._train,
            order[: self._usable][self._fabric.global_rank :: world],
            recipe.size_at(epoch),
            recipe.schedule.batch // world,
            augmentation=recipe.augment,
            seed=(recipe.seed, epoch),
            threads=self._threads,
            cache=self._cache,
        )

    def _validate(self) -> Scores:
        """Scores of the averaged weights; each process takes its share of the images."""
        world, count = self._fabric.world_size, len(self._val)
        places = np.arange(-(-count // world) * world) % count
        share = self._val.take(places[self._fabric.global_rank :: world])
        size = self._recipe.size_at(self._epoch)
        logits = predict_logits(
            self._learner.average,
            share,
            size,
            threads=self._threads,
            autocast=self._learner.autocast,
        )
        ranks = self._learner.gather(torch.from_numpy(logits)).view(world, len(share), -1)
        whole = ranks.transpose(0, 1).flatten(0, 1)[:count].double()
        return evaluate(whole.sigmoid().numpy(), self._val.labels)

    def _finish_epoch(self, done: Progress, scores: Scores) -> None:
        """Move the rate, log, and keep what must be kept; ``last.pt`` comes last."""
        schedule = self._recipe.schedule
        quality = _quality(scores, schedule.select)
        full_size = self._epoch > min(schedule.small_epochs, schedule.epochs - 1)
        better = full_size and quality > self._best
        self._log.append(self._entry(done, scores))
        self._learner.after_epoch(quality)
        self._stale = 0 if better or not full_size else self._stale + 1
        self._best = quality if better else self._best
        if self._fabric.is_global_zero:
            self._out.mkdir(parents=True, exist_ok=True)
            if better:
                write_state(self._out / "best.pt", self._deployable(scores).state())
            lines = "".join(json.dumps(entry) + "\n" for entry in self._log)
            write_atomically(self._out / "log.jsonl", lines)
            write_state(self._out / "last.pt", self._resumable())
        self._fabric.barrier()

    def _entry(self, done: Progress, scores: Scores) -> dict[str, Any]:
        entry = {
            "epoch": self._epoch,
            "loss": done.loss,
            "train_mA": done.mA,
            "learning_rate": self._learner.rate,
            "images_per_second": done.images_per_second,
            "mA": scores.mA,
            "f1": scores.f1,
            "accuracy": scores.accuracy,
            "mAP": scores.mAP,
        }
        return {key: None if math.isnan(value) else value for key, value in entry.items()}

    @functools.cached_property
    def _pixels(self) -> dict[str, list[float]]:
        return statistics_of(self._train, self._recipe.height, self._recipe.width)

    def _deployable(self, scores: Scores) -> Checkpoint:
        labelled = int((self._train.labels >= 0).any(1).sum())
        facts = {
            "dataset": self._train.name,
            "split": self._train.split,
            "images": labelled,
            "unlabelled_images": len(self._train) - labelled,
            "selected_on": self._val.split,
            "licence": self._train.licence,
            "epoch": self._epoch,
            "mA": scores.mA,
            "f1": scores.f1,
            "pixels": self._pixels,
            **self._learner.ancestry,
        }
        return Checkpoint(
            model=self._learner.average,
            recipe=self._recipe,
            schema=self._train.schema,
            facts=facts,
        )

    def _resumable(self) -> dict[str, Any]:
        return {
            "recipe": self._recipe.to_dict(),
            "data": self._data_digest(),
            "epoch": self._epoch,
            "best": self._best,
            "stale": self._stale,
            "log": self._log,
            "learner": self._learner.state_dict(),
        }

    def _data_digest(self) -> str:
        """Tells one run's samples, and how they are shared out, from another's."""
        digest = hashlib.sha256(f"{self._fabric.world_size} {self._train.schema.names}".encode())
        for data in (self._train, self._val):
            boxes = b"" if data.boxes is None else data.boxes.tobytes()
            for part in (data.ids.tobytes(), data.labels.tobytes(), boxes):
                digest.update(part)
        return digest.hexdigest()


def _with_soft_labels(
    train: AttributeDataset, recipe: Recipe
) -> tuple[AttributeDataset, npt.NDArray[np.float32] | None]:
    """Training data and further pictures, with the soft labels of both, [N, C]."""
    if not recipe.distillation.soft_labels:
        return train, None
    soft = SoftLabels.read(Path(recipe.distillation.soft_labels), train.schema)
    train = soft.extend(train)
    return train, soft.of(train)


def _compare(train: AttributeDataset, val: AttributeDataset) -> None:
    """Refuse images that are in both sets; say so where persons are."""
    shared = np.isin(val.ids, train.ids)
    if train.name == val.name and shared.any():
        example = val.paths[int(np.argmax(shared))]
        raise InputError(
            f"{int(shared.sum())} images of {val.split} are in {train.split}, too, such as "
            f"{example}: validation would measure memory; take them out of one of the two"
        )
    known = int(np.isin(val.persons, train.persons).sum())
    if train.name == val.name and known:
        _LOG.warning(
            "%d of %d images of %s show persons of %s: figures on unseen persons will be lower",
            known, len(val), val.split, train.split,
        )  # fmt: skip


def _quality(scores: Scores, select: str) -> float:
    """What the epoch is chosen by; mA counts nothing where no attribute has both classes."""
    if select == "mAP":
        return float(np.nan_to_num(scores.mAP))
    return float(np.nan_to_num(scores.mA)) + scores.f1


def _usable(images: int, world: int, batch: int) -> int:
    """How many images an epoch shows: no process fewer than another, no batch of a single one.

    A batch norm over one image of one position has no variance to divide by.
    """
    usable = images - images % world
    return usable - 1 if usable > 1 and usable % batch == 1 else usable


class RunningMeanAccuracy:
    """Counts right answers per attribute, batch by batch.

    Args:
        attributes: C.
    """

    def __init__(self, attributes: int) -> None:
        self._right = np.zeros((2, attributes))
        self._all = np.zeros((2, attributes))

    def add(self, probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]) -> None:
        """Count a batch, both [n, C]; labels 1, 0 or negative where unknown."""
        yes = probabilities > 0.5
        present, absent = labels > 0.5, (labels >= 0) & (labels <= 0.5)
        self._right += np.stack(((absent & ~yes).sum(0), (present & yes).sum(0)))
        self._all += np.stack((absent.sum(0), present.sum(0)))

    def mean_accuracy(self) -> float:
        """mA so far, percent, over attributes that had both classes; NaN where none had."""
        both = (self._all > 0).all(0)
        if not both.any():
            return float("nan")
        return float(100 * (self._right[:, both] / self._all[:, both]).mean())
