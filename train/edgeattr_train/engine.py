"""The training loop: steps, moving average, validation, atomic checkpoints, resuming."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edgeattr.errors import EdgeAttrError, InputError, UsageError
from edgeattr.files import atomic_path
from edgeattr.metrics import Scores, evaluate
from edgeattr.schema import AttributeSchema
from edgeattr_train.backbones import set_batch_norms_from_data
from edgeattr_train.datasets import AttributeDataset
from edgeattr_train.history import PredictionHistory
from edgeattr_train.loader import Batch, batches, training_order
from edgeattr_train.losses import total_loss
from edgeattr_train.model import AttributeNet, build_model
from edgeattr_train.recipe import Recipe, recipe_from_dict

__all__ = ["Checkpoint", "Progress", "Trainer", "load_checkpoint", "predict_probabilities"]

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a progress bar shows after each step."""

    epoch: int  # from 0
    epochs: int
    step: int  # from 1, within the epoch
    steps: int
    loss: float  # running mean over the epoch
    images_per_second: float
    scores: Scores | None = None  # validation, after the last step of an epoch


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A trained model as it is stored."""

    model: AttributeNet  # the averaged weights, in eval mode
    recipe: Recipe
    schema: AttributeSchema
    facts: dict[str, Any]  # data set, split, licence, epochs, validation scores


class Trainer:
    """Trains one recipe on one data set, epoch by epoch.

    Args:
        recipe: what to do.
        train: training data.
        val: data on which the epoch is chosen.
        out: directory for ``last.pt`` (to resume), ``best.pt`` and ``log.jsonl``.
        threads: decoding threads.
    """

    def __init__(
        self,
        recipe: Recipe,
        train: AttributeDataset,
        val: AttributeDataset,
        out: Path,
        *,
        threads: int = 2,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self._recipe, self._val, self._out, self._threads = recipe, val, out, threads
        self._train = train.first(recipe.schedule.images) if recipe.schedule.images else train
        attributes = len(train.schema)
        self._model = build_model(attributes, recipe.model)
        self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._start_batch_norms()
        self._average = copy.deepcopy(self._model)
        self._steps = -(-len(self._train) // recipe.schedule.batch)
        self._optimizer, self._schedule = self._optimizers()
        self._prior = torch.from_numpy(self._train.labels.mean(0, dtype=np.float64)).float()
        length = max(1, recipe.loss.history_epochs)
        self._history = PredictionHistory(self._train.ids, attributes, length)
        self._epoch, self._best = 0, -np.inf

    def resume(self) -> bool:
        """Take up ``last.pt`` where there is one; say whether there was."""
        path = self._out / "last.pt"
        if not path.is_file():
            return False
        state = _read(path)
        for key, mine in (("recipe", self._recipe.to_dict()), ("data", self._data_digest())):
            if state.get(key) != mine:
                raise InputError(f"{path} was made with another {key}; give another --out")
        self._model.load_state_dict(state["model"])
        self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        history = {key: value.numpy() for key, value in state["history"].items()}
        self._history.load_state_dict(history)
        torch.set_rng_state(state["rng"])
        self._epoch, self._best = state["epoch"], state["best"]
        return True

    def run(self, report: Callable[[Progress], None]) -> Checkpoint:
        """Train to the last epoch.

        Returns:
            The checkpoint of the epoch that scored best on validation data (mA + F1).
        """
        while self._epoch < self._recipe.schedule.epochs:
            done = self._run_epoch(report)
            scores = self._validate()
            self._epoch += 1
            self._keep(done, scores)
            report(dataclasses.replace(done, scores=scores))
        return load_checkpoint(self._out / "best.pt")

    def _run_epoch(self, report: Callable[[Progress], None]) -> Progress:
        recipe, epoch = self._recipe, self._epoch
        order = training_order(len(self._train), recipe.seed, epoch)
        source = batches(
            self._train,
            order,
            recipe.size_at(epoch),
            recipe.schedule.batch,
            augmentation=recipe.augment,
            seed=(recipe.seed, epoch),
            threads=self._threads,
        )
        self._model.train()
        start, seen, summed = time.monotonic(), 0, 0.0
        progress = Progress(
            epoch=epoch,
            epochs=recipe.schedule.epochs,
            step=0,
            steps=self._steps,
            loss=0.0,
            images_per_second=0.0,
        )
        for step, batch in enumerate(source, 1):
            summed += self._step(batch) * len(batch.ids)
            seen += len(batch.ids)
            rate = seen / (time.monotonic() - start)
            progress = dataclasses.replace(
                progress, step=step, loss=summed / seen, images_per_second=rate
            )
            report(progress)
        return progress

    def _step(self, batch: Batch) -> float:
        options = self._recipe.loss
        deviation = np.zeros(len(batch.ids), np.float32)
        if options.history_epochs and self._epoch >= options.burn_in_epochs:
            deviation = self._history.deviation(batch.ids)
        with self._autocast():
            output = self._model(batch.crops)
        loss = total_loss(output, batch.labels, self._prior, torch.from_numpy(deviation), options)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise EdgeAttrError(
                f"the loss became {value} in epoch {self._epoch + 1}: lower schedule.head_rate "
                "and schedule.backbone_rate, or use precision=fp32; --resume goes on from the "
                "epoch before"
            )
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self._recipe.schedule.clip:
            nn.utils.clip_grad_norm_(self._model.parameters(), self._recipe.schedule.clip)
        self._optimizer.step()
        self._schedule.step()
        self._follow()
        probabilities = output.logits.detach().sigmoid().numpy()
        self._history.record(batch.ids, probabilities, batch.labels.numpy().astype(np.uint8))
        return value

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged weights and statistics a little towards the current ones."""
        decay = min(
            self._recipe.schedule.average_decay,
            (1 + self._schedule.last_epoch) / (10 + self._schedule.last_epoch),
        )
        pairs = zip(self._average.parameters(), self._model.parameters(), strict=True)
        kept, current = map(list, zip(*pairs, strict=True))
        torch._foreach_lerp_(kept, current, 1 - decay)
        for kept_buffer, buffer in zip(self._average.buffers(), self._model.buffers(), strict=True):
            if buffer.is_floating_point():
                kept_buffer.lerp_(buffer, 1 - decay)
            else:
                kept_buffer.copy_(buffer)

    def _validate(self) -> Scores:
        size = self._recipe.size_at(self._epoch)
        probabilities = predict_probabilities(
            self._average, self._val, size, autocast=self._autocast
        )
        return evaluate(probabilities, self._val.labels)

    def _keep(self, done: Progress, scores: Scores) -> None:
        self._out.mkdir(parents=True, exist_ok=True)
        quality = float(np.nan_to_num(scores.mA + scores.f1))
        schedule = self._recipe.schedule
        full_size = self._epoch > min(schedule.small_epochs, schedule.epochs - 1)
        if quality > self._best and full_size:
            self._best = quality
            _write(self._out / "best.pt", self._deployable(scores))
        _write(self._out / "last.pt", self._resumable())
        line = {
            "epoch": self._epoch,
            "loss": done.loss,
            "images_per_second": done.images_per_second,
            "mA": scores.mA,
            "f1": scores.f1,
            "accuracy": scores.accuracy,
            "mAP": scores.mAP,
        }
        with open(self._out / "log.jsonl", "a") as log:
            log.write(json.dumps(line) + "\n")

    def _deployable(self, scores: Scores) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "recipe": self._recipe.to_dict(),
            "schema": self._train.schema.to_json(),
            "model": self._average.state_dict(),
            "facts": {
                "dataset": self._train.name,
                "split": self._train.split,
                "images": len(self._train),
                "selected_on": self._val.split,
                "licence": self._train.licence,
                "epoch": self._epoch,
                "mA": scores.mA,
                "f1": scores.f1,
            },
        }

    def _resumable(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "recipe": self._recipe.to_dict(),
            "epoch": self._epoch,
            "best": self._best,
            "model": self._model.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "history": {
                key: torch.from_numpy(value) for key, value in self._history.state_dict().items()
            },
            "data": self._data_digest(),
            "rng": torch.get_rng_state(),
        }

    def _data_digest(self) -> str:
        """Tells one set of training samples from another."""
        digest = hashlib.sha256(self._train.ids.tobytes())
        digest.update(self._train.labels.tobytes())
        return digest.hexdigest()

    def _start_batch_norms(self) -> None:
        if not any(hasattr(module, "folded_bias") for module in self._model.modules()):
            return
        order = training_order(len(self._train), self._recipe.seed, 0)[:256]
        size = self._recipe.size_at(0)
        crops = next(batches(self._train, order, size, len(order), threads=self._threads)).crops
        set_batch_norms_from_data(self._model, crops)

    def _optimizers(self) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.OneCycleLR]:
        options = self._recipe.schedule
        rates = [options.backbone_rate, options.head_rate]
        optimizer = torch.optim.AdamW(
            [
                {"params": list(self._model.backbone.parameters()), "lr": rates[0]},
                {"params": self._model.head_parameters(), "lr": rates[1]},
            ],
            weight_decay=options.weight_decay,
            foreach=True,
        )
        total = max(4, self._steps * options.epochs)  # the cycle needs two steps each way
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            rates,
            total_steps=total,
            pct_start=max(options.warm_up, 2 / total),
            cycle_momentum=False,
        )
        return optimizer, schedule

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self._recipe.precision == "bf16":
            return torch.autocast("cpu", dtype=torch.bfloat16)
        return contextlib.nullcontext()


@torch.no_grad()
def predict_probabilities(
    model: AttributeNet,
    data: AttributeDataset,
    size: tuple[int, int],
    *,
    batch: int = 64,
    autocast: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
) -> npt.NDArray[np.float32]:
    """Probabilities of a data set, [N, C], in its order."""
    model.eval()
    rows = []
    for part in batches(data, np.arange(len(data)), size, batch):
        with autocast():
            rows.append(model(part.crops).logits.float().sigmoid().numpy())
    return np.concatenate(rows)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read ``best.pt``.

    Raises:
        InputError: missing, truncated, or not a checkpoint of edgeattr.
    """
    state = _read(path)
    try:
        recipe = recipe_from_dict(state["recipe"])
        schema = AttributeSchema.from_json(state["schema"])
        options = dataclasses.replace(recipe.model, weights="none")
        model = build_model(len(schema), options)
        model.load_state_dict(state["model"])
    except (KeyError, RuntimeError, UsageError) as error:
        raise InputError(f"{path}: not a model checkpoint of this version ({error})") from error
    return Checkpoint(model=model.eval(), recipe=recipe, schema=schema, facts=state["facts"])


def _read(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing") from error
    except Exception as error:  # torch raises many kinds on damaged files
        raise InputError(f"{path}: damaged or not a checkpoint ({error})") from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise InputError(f"{path}: not a checkpoint of this version of edgeattr")
    return state


def _write(path: Path, state: dict[str, Any]) -> None:
    with atomic_path(path) as temporary:
        torch.save(state, temporary)
