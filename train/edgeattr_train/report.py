"""The report of a training run: one HTML file that opens anywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image
from edgeattr.core.errors import OutputError
from edgeattr.core.files import write_atomically
from edgeattr.core.metrics import (
    average_precision,
    calibration_error,
    mean_accuracy_and_f1,
    mean_accuracy_per_attribute,
    reliability,
)
from edgeattr.core.schema import AttributeSchema
from edgeattr.explain import overlay
from edgeattr.report import jpeg_uri, render
from edgeattr.report.formats import figure
from edgeattr_train.report_charts import reliability_chart, risk_chart, training_curves
from edgeattr_train.selective import Selective

_SHOWN = ("hat", "backpack", "long_hair", "trousers", "shoes", "plastic_bag")  # whose attention
_SAMPLES = 3  # crops for each of these
_MISTAKES = 24
_ALIKE = 3  # of these, at most, of one attribute: many kinds are shown
_TALLEST, _WIDEST = 256, 256  # pixels that a crop is shown in
_RAW = 0.5  # the raw decision: logit > 0
_NAMES = {"f1": "F1", "pixels": "pixels (mean, deviation)"}  # of facts

Masks = Callable[[Image], Sequence[npt.NDArray[np.floating]]]
"""From one crop, uint8 BGR of any size, to its attention at each scale, [C, h, w] each."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ReportData:
    """What a report is made of. N validation images, C attributes."""

    title: str  # plain text
    log: Sequence[Mapping[str, Any]]  # one mapping per epoch, as the training log has them
    schema: AttributeSchema
    labels: npt.NDArray[np.int8]  # [N, C], 1 yes, 0 no, -1 unknown
    before: npt.NDArray[np.floating]  # [N, C], probabilities as the model gives them, 0..1
    after: npt.NDArray[np.floating]  # [N, C], the calibrated ones
    thresholds: Sequence[float]  # [C], of the calibrated probability
    read: Callable[[int], Image]  # from 0..N-1 to the image, uint8 BGR
    masks: Masks | None = None  # None: the report shows no attention
    selective: Selective | None = None  # None: the report shows no coverage and risk
    facts: Mapping[str, Any] = field(default_factory=dict)  # of the training


def write_report(directory: Path, data: ReportData) -> Path:
    """Write ``report.html``.

    Args:
        directory: is created if need be; an earlier report in it is replaced.
        data: what is shown.

    Returns:
        The path of the HTML file.

    Raises:
        MissingDependency: Matplotlib is not installed.
        InputError: a crop cannot be read.
        OutputError: the directory cannot be written to.
    """
    chart = reliability_chart(
        reliability(data.before, data.labels), reliability(data.after, data.labels)
    )
    text = render(
        Path(__file__).with_name("report.html"),
        title=data.title,
        facts=_facts(data),
        curves=training_curves(data.log),
        rows=_attribute_rows(data),
        reliability=chart,
        risk=risk_chart(data.selective) if data.selective else None,
        attention=_attention(data, data.masks) if data.masks else [],
        mistakes=[_mistake(data, image, attribute) for image, attribute in _hardest(data)],
    )
    target = directory / "report.html"
    try:
        write_atomically(target, text)
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written ({error.strerror or error}); give another directory"
        ) from error
    return target


def _attribute_rows(data: ReportData) -> list[dict[str, Any]]:
    """Each attribute's figures over the images where it is known, the best mA first."""
    rows = []
    for c, (name, threshold) in enumerate(zip(data.schema.names, data.thresholds, strict=True)):
        known = data.labels[:, c] >= 0
        positive, after = data.labels[known, c] > 0, data.after[known, c]
        balanced = mean_accuracy_per_attribute((after > threshold)[:, None], positive[:, None])
        rows.append(
            {
                "name": name,
                "positives": int(positive.sum()),
                "known": int(known.sum()),
                "mA": float(balanced[0]),
                "ap": average_precision(after, positive),
                "threshold": float(threshold),
                "error_before": reliability(data.before[:, c], data.labels[:, c]).error,
                "error_after": reliability(data.after[:, c], data.labels[:, c]).error,
            }
        )
    return sorted(rows, key=lambda row: -np.nan_to_num(row["mA"], nan=-1.0))


def _facts(data: ReportData) -> dict[str, Any]:
    """The head of the page: the training's facts, then the overall figures."""
    facts = {_NAMES.get(key, key): value for key, value in data.facts.items()}
    for name in {"mA", "F1"} & facts.keys():
        facts[name] = figure(facts[name], 2, " %")
    if not len(data.labels):
        return {**facts, "validation images": "none"}
    facts["validation images"] = f"{len(data.labels)}, {len(data.schema)} attributes"
    for name, p, thresholds in (
        ("raw decisions", data.before, _RAW),
        ("calibrated", data.after, np.asarray(data.thresholds)),
    ):
        accuracy, f1 = mean_accuracy_and_f1(p > thresholds, data.labels)
        whole, mean = calibration_error(p, data.labels)
        facts[name] = (
            f"mA {accuracy:.2f} %, F1 {f1:.2f} %, ECE {whole:.2f} % "
            f"({mean:.2f} % as mean over attributes)"
        )
    return facts


def _attention(data: ReportData, masks: Masks) -> list[tuple[str, list[dict[str, Any]]]]:
    """Masks of a few attributes, each on a few images."""
    return [
        (name, [_sample(data, masks, image, data.schema.index(name)) for image in images])
        for name in _attributes_to_show(data)
        if (images := _images_to_show(data, data.schema.index(name)))
    ]


def _attributes_to_show(data: ReportData) -> list[str]:
    """The usual ones where the schema has them, else those with most positives."""
    positives = (data.labels > 0).sum(0)
    often = [data.schema.names[c] for c in np.argsort(-positives, kind="stable")]
    usual = [name for name in _SHOWN if name in data.schema.names]
    return [name for name in usual or often if positives[data.schema.index(name)]][: len(_SHOWN)]


def _images_to_show(data: ReportData, attribute: int) -> list[int]:
    """Of the images rightly said to have an attribute: the most certain, and others down to half.

    Neighbours in certainty are often pictures of one person, so the ranks lie apart.
    """
    p = data.after[:, attribute]
    right = np.flatnonzero((data.labels[:, attribute] > 0) & (p > data.thresholds[attribute]))
    order = right[np.argsort(-p[right], kind="stable")]
    ranks = np.unique(np.linspace(0, len(order) // 2, _SAMPLES).astype(int))
    return [int(order[rank]) for rank in ranks if rank < len(order)]


def _sample(data: ReportData, masks: Masks, image: int, attribute: int) -> dict[str, Any]:
    """A crop, and the attribute's masks over it."""
    crop = data.read(image)
    shown, found = _shown(crop), [mask[attribute] for mask in masks(crop)]
    return {
        "images": [jpeg_uri(shown), *(jpeg_uri(_masked(shown, mask)) for mask in found)],
        "sizes": [f"{mask.shape[0]}x{mask.shape[1]}" for mask in found],
        "probability": float(data.after[image, attribute]),
    }


def _mistake(data: ReportData, image: int, attribute: int) -> dict[str, Any]:
    return {
        "image": jpeg_uri(_shown(data.read(image))),
        "name": data.schema.names[attribute],
        "truth": bool(data.labels[image, attribute] > 0),
        "probability": float(data.after[image, attribute]),
    }


def _hardest(data: ReportData) -> list[tuple[int, int]]:
    """Wrong answers as (image, attribute), the least probable label first, an image once."""
    wrong = (data.after > np.asarray(data.thresholds)) != (data.labels > 0)
    of_label = np.where(data.labels > 0, data.after, 1 - data.after)
    of_label = np.where(wrong & (data.labels >= 0), of_label, np.inf)
    kept: list[tuple[int, int]] = []
    for place in np.argsort(of_label, axis=None, kind="stable"):
        image, attribute = divmod(int(place), len(data.schema))
        if len(kept) == _MISTAKES or np.isinf(of_label[image, attribute]):
            break
        alike = sum(attribute == other for _, other in kept)
        if alike < _ALIKE and all(image != other for other, _ in kept):
            kept.append((image, attribute))
    return kept


def _masked(crop: Image, mask: npt.NDArray[np.floating]) -> Image:
    """The crop coloured by a mask, [h, w]."""
    size = (crop.shape[1], crop.shape[0])
    smooth = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_CUBIC).clip(0)
    return overlay(crop, np.asarray(smooth / max(float(smooth.sum()), 1e-12), np.float32))


def _shown(crop: Image) -> Image:
    """The crop as large as fits a cell."""
    scale = min(_TALLEST / crop.shape[0], _WIDEST / crop.shape[1])
    size = max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale))
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(crop, size, interpolation=way), np.uint8)
