"""What follows the last epoch: calibration, thresholds and fusion, the bundle, the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edgeattr.core.bundle import Bundle
from edgeattr.core.crops import Image, stack_crops
from edgeattr.core.decision import Decision
from edgeattr.core.posterior import TrackFusion
from edgeattr.core.progress import Tell, silent
from edgeattr_train.calibrate import DecisionFit, fit_decision
from edgeattr_train.checkpoint import Checkpoint, write_state
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.export import bundle_from_checkpoint
from edgeattr_train.predict import predict_logits
from edgeattr_train.report import ReportData, write_report
from edgeattr_train.selective import Selective, judge
from edgeattr_train.track_fusion import BOUND, fit
from edgeattr_train.tracks import crop_qualities, tracks_of

_FEWEST_PERSONS = 10  # two for each fold of the cross-validation
_MINIMUM = 50  # validation images below which thresholds would be fitted to chance


def finish_training(
    checkpoint: Checkpoint,
    val: AttributeDataset,
    out: Path,
    log: Sequence[dict[str, Any]],
    *,
    with_report: bool = True,
    tell: Tell = silent,
) -> Bundle:
    """Fit the decision on validation data, write ``OUT/NAME.edgeattr`` and ``OUT/report.html``.

    Args:
        checkpoint: the chosen epoch.
        val: the data it was chosen on.
        out: the run's directory.
        log: one entry an epoch.
        with_report: whether the report is written.
        tell: told what is being done.

    Raises:
        ContractNotMet: the export answers otherwise than the model; no bundle is written.
        MissingDependency: the report's plots want Matplotlib; the bundle is there by then.
    """
    size = (checkpoint.recipe.height, checkpoint.recipe.width)
    logits = predict_logits(checkpoint.model, val, size)
    fit, selective = _fit(logits, val, tell), None
    if fit:
        track, selective = _fit_track(logits, val, fit, tell)
        checkpoint = dataclasses.replace(
            checkpoint, decision=dataclasses.asdict(fit), track=track.to_json()
        )
        write_state(out / "best.pt", checkpoint.state())
    name = checkpoint.recipe.name
    bundle = bundle_from_checkpoint(checkpoint, out / f"{name}.edgeattr", name)
    if with_report:
        tell("writing the report")
        data = _report_data(checkpoint, val, logits, fit, log)
        write_report(out, dataclasses.replace(data, selective=selective))
    return bundle


def _fit(logits: npt.NDArray[np.float32], val: AttributeDataset, tell: Tell) -> DecisionFit | None:
    labelled = (val.labels >= 0).any(1)
    images, persons = int(labelled.sum()), len(np.unique(val.persons[labelled]))
    if images < _MINIMUM or persons < _FEWEST_PERSONS:
        tell(
            f"{images} labelled validation images of {persons} persons are too few to fit "
            "thresholds; they stay at 0.5"
        )
        return None
    fit = fit_decision(logits, val.labels, groups=val.persons)
    before, held = fit.before, fit.held_out
    tell(
        f"decision fitted on {val.split}: mA {before['mA']:.2f} -> {held['mA']:.2f}, "
        f"F1 {before['f1']:.2f} -> {held['f1']:.2f}, calibration error {before['ece']:.2f} -> "
        f"{held['ece']:.2f} % (on folds that the fit has not seen)"
    )
    return fit


def _fit_track(
    logits: npt.NDArray[np.float32], val: AttributeDataset, decision: DecisionFit, tell: Tell
) -> tuple[TrackFusion, Selective]:
    """How a person's crops are fused, and at which certainty answers are given.

    Images of one person are a track, in the order of their ids; such fits are judged on persons
    held out.
    """
    tracks = tracks_of(
        logits,
        val.labels,
        val.persons,
        _decision(val, decision),
        quality=crop_qualities(val),
        order=val.ids,
    )
    fusion, selective = fit(tracks), judge(tracks)
    held = selective.to_json(BOUND)
    tell(
        f"answers fitted on {val.split}: {held['coverage']} % of them given, {held['error']} % of "
        f"these wrong (on persons that the fit has not seen; the bound is {held['bound']} %)"
    )
    facts = {
        "dataset": val.name,
        "split": val.split,
        "images": len(val),
        "persons": len(tracks),
        "persons_with_several": int((tracks.lengths > 1).sum()),
        "held_out": held,
    }
    return dataclasses.replace(fusion, facts=facts), selective


def _decision(val: AttributeDataset, fit: DecisionFit) -> Decision:
    return Decision(
        schema=val.schema,
        thresholds=fit.thresholds,
        scale=fit.scale,
        offset=fit.offset,
        include_sensitive=True,
    )


def _report_data(
    checkpoint: Checkpoint,
    val: AttributeDataset,
    logits: npt.NDArray[np.float32],
    fit: DecisionFit | None,
    log: Sequence[dict[str, Any]],
) -> ReportData:
    count = len(val.schema)
    plain, zero, half = (1.0,) * count, (0.0,) * count, (0.5,) * count
    raw = Decision(schema=val.schema, thresholds=half, scale=plain, offset=zero)
    fitted = _decision(val, fit) if fit else raw
    return ReportData(
        title=f"{checkpoint.recipe.name} on {val.name} {val.split}",
        log=log,
        schema=val.schema,
        labels=val.labels,
        before=raw.probabilities(logits),
        after=fitted.probabilities(logits),
        thresholds=fitted.thresholds,
        read=val.read,
        masks=(lambda image: _masks(checkpoint, image)) if checkpoint.recipe.model.attend else None,
        facts=checkpoint.facts,
    )


@torch.no_grad()
def _masks(checkpoint: Checkpoint, image: Image) -> list[npt.NDArray[np.float32]]:
    """The model's attention on one crop, [C, h, w] for each scale."""
    recipe = checkpoint.recipe
    crops = stack_crops([image], recipe.height, recipe.width)
    return [mask[0].numpy() for mask in checkpoint.model(torch.from_numpy(crops)).masks]
