"""The ``track`` section of a bundle, from validation data: the fit, and what it is worth."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle import Bundle
from edgeattr.core.decision import Decision
from edgeattr.core.posterior import TrackFusion
from edgeattr_train.data.datasets import AttributeDataset
from edgeattr_train.selective import BOUNDS, Selective, judge
from edgeattr_train.track_fusion import BOUND, fit
from edgeattr_train.tracks import crop_qualities, tracks_of

__all__ = ["refit", "track_section"]

_BATCH = 64  # images in memory


def track_section(
    logits: npt.ArrayLike, data: AttributeDataset, decision: Decision, *, bound: float = BOUND
) -> tuple[TrackFusion, Selective]:
    """Fit a track's fusion, and judge such fits on persons held out.

    Args:
        logits: [N, C], the model's, on every image of the data.
        data: validation data. Images of one person are a track, in the order of their ids.
        decision: calibration and thresholds, of all attributes.
        bound: the error rate among answers, 0..1.

    Raises:
        InputError: the logits do not fit the data, or an image cannot be read.
    """
    tracks = tracks_of(
        logits,
        data.labels,
        data.persons,
        decision,
        quality=crop_qualities(data),
        order=data.ids,
    )
    fusion = fit(tracks, bound=bound)
    selective = judge(tracks, bounds=sorted({*BOUNDS, bound}))
    facts = {
        "dataset": data.name,
        "split": data.split,
        "images": len(data),
        "persons": len(tracks),
        "persons_with_several": int((tracks.lengths > 1).sum()),
        "held_out": selective.to_json(bound),
    }
    return dataclasses.replace(fusion, facts=facts), selective


def refit(path: Path, data: AttributeDataset, *, bound: float = BOUND) -> Selective:
    """Fit the ``track`` section of a bundle that is there, on its FP32 model, and write it.

    Args:
        path: ``NAME.edgeattr``, a directory.
        data: validation data of the bundle's attributes, that tells who is who.
        bound: the error rate among answers, 0..1.

    Raises:
        InputError: other attributes, no image, or one that cannot be read.
        BundleError: the bundle is missing or damaged.

    Example:
        >>> refit(Path("run/default.edgeattr"), open_dataset("csv:/data/own", "val"), bound=0.02)
    """
    from edgeattr.model import load

    bundle = Bundle.read(path)
    with load(path, runtime="onnxruntime", precision="fp32") as model:
        starts = range(0, len(data), _BATCH)
        parts = [range(start, min(start + _BATCH, len(data))) for start in starts]
        logits = np.concatenate([model.logits([data.read(i) for i in part]) for part in parts])
    fusion, selective = track_section(
        logits, data, bundle.decision(include_sensitive=True), bound=bound
    )
    dataclasses.replace(bundle, track=fusion).write(path, {})
    return selective
