"""One step of learning: teachers, losses, gradients, moving average, history."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from torch import Tensor

from edgeattr.core.errors import EdgeAttrError, UsageError
from edgeattr_train.checkpoint import take_matching
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.distillation import Teachers, soft_labels
from edgeattr_train.embedding import embed_persons, embedding_loss
from edgeattr_train.history import PredictionHistory
from edgeattr_train.loader import Batch, batches, training_order
from edgeattr_train.losses import total_loss, visibility_loss
from edgeattr_train.model import AttributeNet, NetOutput, build_model
from edgeattr_train.optimization import Optimization, freeze, moving_average
from edgeattr_train.recipe import Recipe
from edgeattr_train.start import (
    has_folded_norms,
    set_batch_norms_from_data,
    start_facts,
    take_bundle,
)
from edgeattr_train.sync_norms import synchronize_batch_norms

_LOG = logging.getLogger("edgeattr.train")
_NORM_IMAGES = 256  # crops from which folded batch norms get their statistics


class Learner:
    """A model that learns batch by batch, in one process or many.

    Args:
        recipe: what to do.
        train: training data: labels for the history, shares of positives, first batch norms.
        taught: soft labels of it, [N, C], NaN where there are none; None: no soft labels.
        steps: steps in an epoch.
        fabric: processes, device and precision.
        threads: decoding threads.
    """

    def __init__(
        self,
        recipe: Recipe,
        train: AttributeDataset,
        steps: int,
        fabric: Fabric,
        *,
        threads: int,
        taught: npt.NDArray[np.float32] | None = None,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self._recipe, self._fabric = recipe, fabric
        model = _first_model(recipe, train, threads)
        self._frozen = freeze(model.backbone, recipe.schedule.frozen)
        self._tuned = [p for p in model.backbone.parameters() if p.requires_grad]
        self._average = moving_average(model.to(fabric.device), recipe.schedule.average_decay)
        self._place = {sample: place for place, sample in enumerate(train.ids.tolist())}
        self._model = model
        self._optimization = Optimization(model, recipe.schedule, steps)
        self._forward, self._optimizer = self._set_up()
        known = np.maximum((train.labels >= 0).sum(0), 1)
        self._prior = torch.from_numpy((train.labels > 0).sum(0) / known).float().to(fabric.device)
        length = max(1, recipe.loss.history_epochs)
        self.history = PredictionHistory(train.ids, train.labels, length)
        self._taught = taught
        self._embeddings = _embeddings(recipe, train, threads)
        self._teachers = Teachers(recipe.distillation.teachers, train.schema)
        self.ancestry = _ancestry(recipe, self._teachers, train.name)

    @property
    def average(self) -> AttributeNet:
        """The averaged model, which is validated and kept."""
        return cast(AttributeNet, self._average.module)

    @property
    def rate(self) -> float:
        """The backbone's current learning rate."""
        return self._optimization.rate

    def begin(self, seed: int, epoch: int) -> None:
        """Start an epoch: nothing random outlives one, so a killed run repeats it exactly."""
        torch.manual_seed(seed)
        for parameter in self._tuned:
            parameter.requires_grad_(epoch >= self._recipe.schedule.frozen_epochs)
        self._forward.train()
        for part in self._frozen:
            part.eval()

    def learn(self, batch: Batch, epoch: int) -> tuple[float, npt.NDArray[np.float32]]:
        """One step on this process's share of a batch.

        Args:
            batch: every process has as many images.
            epoch: from 0; decides whether Eq. 5 is past its burn-in.

        Returns:
            The loss, mean over all processes, and this share's probabilities [n, C].

        Raises:
            EdgeAttrError: the loss or its gradient is no longer a number.
        """
        output, loss = self._loss(batch, epoch)
        value = self._checked(loss, epoch)
        self._move(loss, epoch)
        probabilities = output.logits.detach().float().sigmoid().cpu()
        self._remember(batch, probabilities)
        return value, probabilities.numpy()

    def after_epoch(self, quality: float) -> None:
        """Move the rates that follow the validation score."""
        self._optimization.after_epoch(quality)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The recipe's precision."""
        context: contextlib.AbstractContextManager[Any] = self._fabric.autocast()
        return context

    def gather(self, values: Tensor) -> Tensor:
        """[n, ...] of each process -> [processes * n, ...], on the CPU."""
        if self._fabric.world_size == 1:
            return values
        mine = values.to(self._fabric.device).contiguous()
        parts = [torch.empty_like(mine) for _ in range(self._fabric.world_size)]
        dist.all_gather(parts, mine)
        return torch.cat(parts).cpu()

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs."""
        history = self.history.state_dict()
        return {
            "model": self._model.state_dict(),
            "average": self._average.state_dict(),
            "optimization": self._optimization.state_dict(),
            "history": {key: torch.from_numpy(value) for key, value in history.items()},
            "precision": self._fabric.strategy.precision.state_dict(),  # the loss scaler of fp16
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` gave."""
        self._model.load_state_dict(state["model"])
        self._average.load_state_dict(state["average"])
        self._optimization.load_state_dict(state["optimization"])
        self.history.load_state_dict(
            {key: value.numpy() for key, value in state["history"].items()}
        )
        if state.get("precision"):
            self._fabric.strategy.precision.load_state_dict(state["precision"])

    def _loss(self, batch: Batch, epoch: int) -> tuple[NetOutput, Tensor]:
        options, distillation = self._recipe.loss, self._recipe.distillation
        device = self._fabric.device
        crops, labels = batch.crops.to(device), batch.labels.to(device)
        deviation = np.zeros(len(batch.ids), np.float32)
        if options.history_epochs and epoch >= options.burn_in_epochs:
            deviation = self.history.deviation(batch.ids)
        places = [self._place[sample] for sample in batch.ids.tolist()]
        taught = self._teachers.teach(crops) if self._teachers else None
        if self._taught is not None:
            taught = torch.from_numpy(self._taught[places]).to(device)
        if taught is not None:
            labels = soft_labels(labels, taught, distillation.weight)
        output: NetOutput = self._forward(crops)
        spread = torch.from_numpy(deviation).to(device)
        loss = total_loss(output, labels, self._prior, spread, options)
        if options.visibility and output.visibility is not None:
            visible = batch.visible.to(device)
            if taught is not None:  # of whom nobody says anything, there is nothing to see
                visible[(labels < 0).all(1) & taught.isnan().all(1)] = 0
            loss = loss + options.visibility * visibility_loss(output.visibility, visible)
        if self._embeddings is not None and output.embedding is not None:
            target = torch.from_numpy(self._embeddings[places]).to(device)
            loss = loss + distillation.embedding_weight * embedding_loss(output.embedding, target)
        return output, loss

    def _checked(self, loss: Tensor, epoch: int) -> float:
        mean = self._fabric.all_reduce(loss.detach().clone(), reduce_op="mean")  # in place
        assert isinstance(mean, Tensor)
        value = mean.item()
        if not np.isfinite(value):
            raise _diverged("loss", value, epoch)
        return value

    def _move(self, loss: Tensor, epoch: int) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        self._fabric.backward(loss)
        clip = self._recipe.schedule.clip
        if clip:
            norm = self._fabric.clip_gradients(
                self._forward, self._optimizer, max_norm=clip, error_if_nonfinite=False
            )
            # of fp16, the loss scaler leaves out a step whose gradient overflowed
            if self._recipe.precision != "fp16" and norm is not None and not norm.isfinite():
                raise _diverged("gradient", norm.item(), epoch)
        self._optimizer.step()
        self._optimization.after_step()
        self._average.update_parameters(self._model)

    def _remember(self, batch: Batch, probabilities: Tensor) -> None:
        """Record every process's predictions in every process: a sample may move to another."""
        ids = self.gather(torch.from_numpy(batch.ids))
        self.history.record(ids.numpy(), self.gather(probabilities).numpy())

    def _set_up(self) -> tuple[Any, Any]:
        """Wrap model and optimizer for precision and processes."""
        if self._fabric.world_size > 1:
            synchronize_batch_norms(self._model)
        forward, optimizer = self._fabric.setup(self._model, self._optimization.optimizer)
        return forward, optimizer


def _embeddings(
    recipe: Recipe, train: AttributeDataset, threads: int
) -> npt.NDArray[np.float32] | None:
    """What the network of ``distillation.embedding`` says of the training crops, [N, D]."""
    network, wanted = recipe.distillation.embedding, recipe.model.embedding
    if not network:
        return None
    _LOG.info("embedding %d crops by %s", len(train), network)
    found = embed_persons(Path(network), train, threads=threads)
    if found.shape[1] != wanted:
        raise UsageError(
            f"{network} gives embeddings of {found.shape[1]} numbers and the model has "
            f"{wanted or 'none'}: set model.embedding={found.shape[1]}"
        )
    return found


def _diverged(what: str, value: float, epoch: int) -> EdgeAttrError:
    return EdgeAttrError(
        f"the {what} became {value} in epoch {epoch + 1}: start again in another --out with lower "
        "schedule.head_rate and schedule.backbone_rate, or precision=fp32; "
        "model.start=OUT/best.pt takes up what was learnt"
    )


def _ancestry(recipe: Recipe, teachers: Teachers, dataset: str) -> dict[str, Any]:
    """What other models the weights owe something to, for the bundle's facts."""
    facts: dict[str, Any] = {}
    if recipe.model.start:
        facts["start"] = start_facts(recipe.model.start)
    if teachers:
        facts["teachers"] = teachers.facts
    for ancestor in (facts.get("start"), *facts.get("teachers", ())):
        if ancestor and ancestor.get("dataset") != dataset:
            _LOG.warning(
                "learning from a model of %s while training on %s: if they share persons, "
                "figures on validation and test data will be flattering",
                ancestor.get("dataset"), dataset,
            )  # fmt: skip
    return facts


def _first_model(recipe: Recipe, train: AttributeDataset, threads: int) -> AttributeNet:
    """The model with its first weights."""
    model = build_model(len(train.schema), recipe.model, (recipe.height, recipe.width))
    start = recipe.model.start
    if start.endswith(".pt"):
        take_matching(model, Path(start))
    elif start:
        take_bundle(model, start)
    if has_folded_norms(model):
        order = training_order(len(train), recipe.seed, 0)[:_NORM_IMAGES]
        size = recipe.size_at(0)
        first = next(batches(train, order, size, len(order), threads=threads))
        set_batch_norms_from_data(model, first.crops)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model
