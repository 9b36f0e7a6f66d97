"""The report of a training run: one HTML file that opens anywhere, and its pictures beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError, OutputError
from edgeattr.core.files import write_atomically
from edgeattr.core.metrics import average_precision, mean_accuracy_per_attribute
from edgeattr.core.schema import AttributeSchema
from edgeattr_train.pictures import AttentionSample, Mistake, attention_maps, mistake_sheet
from edgeattr_train.plots import attribute_bars, reliability_chart, training_curves
from edgeattr_train.reliability import calibration_error, reliability
from edgeattr_train.report_page import AttributeRow, Picture, page
from edgeattr_train.risk_chart import risk_chart
from edgeattr_train.selective import Selective
from edgeattr_train.thresholds import mean_accuracy_and_f1

__all__ = ["ReportData", "write_report"]

_SHOWN = ("hat", "backpack", "long_hair", "trousers", "shoes", "plastic_bag")  # whose attention
_SAMPLES = 3  # crops for each of these
_MISTAKES = 24  # on the sheet
_ALIKE = 3  # of these, at most, of one attribute: the sheet shows many kinds
_FILES = (
    "curves.png",
    "attributes.png",
    "reliability.png",
    "risk.png",
    "attention.png",
    "mistakes.png",
)
_TEXTS = (  # title, and how to read it, of each file
    (
        "Training",
        "By epoch. The dashed line and the orange figure mark the epoch with the best mA + F1.",
    ),
    (
        "Attributes",
        "On validation data, with the fitted thresholds. mA is the mean of the hit rates on "
        "positives and on negatives; AP does not depend on a threshold, and falls with rarity.",
    ),
    (
        "Reliability",
        "Of the answers given with a probability p, a share p should be right: the closer to the "
        "dotted line the better. All attributes together, in 15 bins of equal width.",
    ),
    (
        "Coverage and risk",
        "Answers to a person are yes, no or unknown: the more are given, the more are wrong. The "
        "curves give the surest first; each mark is what a stated bound on the error among an "
        "attribute's yeses, and among its noes, comes to. Fitted on half of the persons, judged on "
        "the other half.",
    ),
    (
        "Attention",
        "Crops that have the attribute and are answered so, from the most certain to one of middle "
        "certainty. Beside each, where the model looks at its two scales: the mask's highest "
        "place is the brightest. Masks are learnt without being told where an attribute is.",
    ),
    (
        "Hardest mistakes",
        "The wrong answers whose label the model finds least probable: one per image and at most "
        "three per attribute. The label itself may be at fault.",
    ),
)
_RAW = 0.5  # the raw decision: logit > 0
_PERCENT = 100.0

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
    masks: Masks | None = None  # absent: the report shows no attention
    selective: Selective | None = None  # absent: the report shows no coverage and risk
    facts: Mapping[str, str] = field(default_factory=dict)  # further lines of its head

    def __post_init__(self) -> None:
        shape = (self.labels.shape[0], len(self.schema))
        for name in ("labels", "before", "after"):
            found = getattr(self, name).shape
            if found != shape:
                raise InputError(f"{name} has shape {found}; expected [images, attributes] {shape}")
        if len(self.thresholds) != len(self.schema):
            raise InputError(
                f"{len(self.thresholds)} thresholds for {len(self.schema)} attributes; "
                "give one for each"
            )


def write_report(directory: Path, data: ReportData) -> Path:
    """Write ``report.html`` and ``report/*.png``.

    Args:
        directory: is created if need be; an earlier report in it is replaced.
        data: what is shown.

    Returns:
        The path of the HTML file. Its pictures are inside it, too.

    Raises:
        MissingDependency: Matplotlib is not installed.
        InputError: a crop cannot be read.
        OutputError: the directory cannot be written to.
    """
    rows = _attribute_rows(data)
    pictures = [picture for picture in _pictures(data, rows) if picture]
    text = page(data.title, _facts(data), pictures, rows)
    folder, target = directory / "report", directory / "report.html"
    try:
        for picture in pictures:
            write_atomically(folder / picture.file, picture.content)
        write_atomically(target, text)
        for old in set(_FILES) - {picture.file for picture in pictures}:
            (folder / old).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written ({error.strerror or error}); give another directory"
        ) from error
    return target


def _attribute_rows(data: ReportData) -> list[AttributeRow]:
    """Each attribute's figures, in schema order."""
    rows = []
    for c, (name, threshold) in enumerate(zip(data.schema.names, data.thresholds, strict=True)):
        known = data.labels[:, c] >= 0
        positive, after = data.labels[known, c] > 0, data.after[known, c]
        balanced = mean_accuracy_per_attribute((after > threshold)[:, None], positive[:, None])
        rows.append(
            AttributeRow(
                name=name,
                positives=int(positive.sum()),
                known=int(known.sum()),
                balanced=float(balanced[0]),
                precision=average_precision(after, positive),
                threshold=float(threshold),
                error_before=reliability(data.before[:, c], data.labels[:, c]).error,
                error_after=reliability(data.after[:, c], data.labels[:, c]).error,
            )
        )
    return rows


def _facts(data: ReportData) -> dict[str, str]:
    """The head of the page: what the caller gave, then the overall figures."""
    if not len(data.labels):
        return {**data.facts, "validation images": "none"}
    raw = mean_accuracy_and_f1(data.before > _RAW, data.labels)
    fitted = mean_accuracy_and_f1(data.after > np.asarray(data.thresholds), data.labels)
    errors = [calibration_error(p, data.labels) for p in (data.before, data.after)]
    return {
        **data.facts,
        "validation images": f"{len(data.labels)}, {len(data.schema)} attributes",
        "raw decisions": f"mA {raw[0]:.2f} %, F1 {raw[1]:.2f} %, ECE {errors[0][0]:.2f} % "
        f"({errors[0][1]:.2f} % as mean over attributes)",
        "calibrated": f"mA {fitted[0]:.2f} %, F1 {fitted[1]:.2f} %, ECE {errors[1][0]:.2f} % "
        f"({errors[1][1]:.2f} % as mean over attributes)",
    }


def _pictures(data: ReportData, rows: Sequence[AttributeRow]) -> list[Picture | None]:
    """The pictures that there is something to draw for, None for the others."""
    share = [_PERCENT * row.positives / row.known if row.known else np.nan for row in rows]
    bars = attribute_bars(
        data.schema.names,
        np.array([row.balanced for row in rows]),
        np.array([row.precision for row in rows]),
        np.array(share),
    )
    chart = reliability_chart(
        reliability(data.before, data.labels), reliability(data.after, data.labels)
    )
    risk = risk_chart(data.selective) if data.selective else None
    contents = (training_curves(data.log), bars, chart, risk, _attention(data), _mistakes(data))
    return [
        Picture(file=file, title=title, text=text, content=content) if content else None
        for file, (title, text), content in zip(_FILES, _TEXTS, contents, strict=True)
    ]


def _attention(data: ReportData) -> bytes | None:
    """Masks of a few attributes, each on a few images."""
    if data.masks is None:
        return None
    rows = [
        (name, [_sample(data, data.masks, image, data.schema.index(name)) for image in images])
        for name in _attributes_to_show(data)
        if (images := _images_to_show(data, data.schema.index(name)))
    ]
    return attention_maps(rows) if rows else None


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


def _sample(data: ReportData, masks: Masks, image: int, attribute: int) -> AttentionSample:
    crop = data.read(image)
    return AttentionSample(
        crop=crop,
        masks=tuple(np.asarray(mask[attribute]) for mask in masks(crop)),
        probability=float(data.after[image, attribute]),
    )


def _mistakes(data: ReportData) -> bytes | None:
    names = data.schema.names
    found = [
        Mistake(
            crop=data.read(image),
            name=names[attribute],
            truth=bool(data.labels[image, attribute] > 0),
            probability=float(data.after[image, attribute]),
        )
        for image, attribute in _hardest(data)
    ]
    return mistake_sheet(found) if found else None


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
