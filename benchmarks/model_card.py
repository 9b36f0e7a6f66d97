"""The tables of docs/model-card.md, measured and written into it.

    python benchmarks/model_card.py --data peta@wide:../shared/peta --write docs/model-card.md

Everything is on PETA's validation split: FP32 on ONNX Runtime, INT8 on OpenVINO, decisions at the
bundle's thresholds. Intervals are of 95 %, persons drawn again. A machine-readable copy is put
beside the card. About a minute on two idle cores. Needs the extra train.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from card_figures import Figures, Group, Judged
from common import load_crops
from markers import replace_marked, table

import edgeattr
from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import UsageError
from edgeattr.core.files import write_atomically
from edgeattr.core.hub import default_bundle, resolve_bundle
from edgeattr.core.metrics import reliability
from edgeattr_runtimes import open_runtime
from edgeattr_runtimes.device import device_name
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.data.datasets import open_dataset
from edgeattr_train.data.peta import source_sets

_Mask = npt.NDArray[np.bool_]

_HEIGHTS = (0, 100, 130, 160, 200, 280, 10_000)  # pixels
_FEWEST = 20  # images that a group wants to be told of
_HARDEST = 24  # errors that are listed
_HEAD = ["images of", "images", "persons", "mA", "F1", "wrong yeses", "wrong noes", "ECE"]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="peta:DIR")
    parser.add_argument("--model", default=str(default_bundle()))
    parser.add_argument("--write", type=Path, help="the card; its .json is written beside it")
    options = parser.parse_args()
    name, _, directory = options.data.partition(":")
    if name.partition("@")[0] != "peta":
        raise UsageError("the card tells PETA's source sets and persons apart: --data peta:DIR")
    bundle = Bundle.read(resolve_bundle(options.model))
    data, train = (open_dataset(options.data, split) for split in ("val", "train"))
    judged = _judged(bundle, data)
    groups = _groups(data, train, source_sets(Path(directory), data.ids))
    parts, record = _parts(bundle, data, train, judged, groups)
    print("\n\n".join(f"{name}\n\n{part}" for name, part in parts.items()))
    if options.write:
        replace_marked(options.write, {f"card: {name}": part for name, part in parts.items()})
        write_atomically(options.write.with_suffix(".json"), json.dumps(record, indent=1) + "\n")


def _judged(bundle: Bundle, data: AttributeDataset) -> dict[str, Judged]:
    """By precision."""
    crops, found = load_crops(data, bundle.input.height, bundle.input.width), {}
    for precision, engine in (("fp32", "onnxruntime"), ("int8", "openvino")):
        with open_runtime(bundle, engine, precision) as runtime:
            found[precision] = Judged(bundle, runtime.infer(crops).logits, data)
    return found


def _groups(
    data: AttributeDataset, train: AttributeDataset, sets: Sequence[str]
) -> dict[str, list[Group]]:
    """What the images are cut into."""
    known = np.isin(data.persons, train.persons)
    heights = np.array([data.read(index).shape[0] for index in range(len(data))])
    source = np.array(sets)
    label = {name: data.labels[:, c] > 0 for c, name in enumerate(data.schema.names)}
    ages = [name for name in data.schema.names if name.startswith("age_")]
    return {
        "persons": [
            Group(name="all", chosen=np.ones(len(data), bool)),
            Group(name="persons who are in training", chosen=known),
            Group(name="persons who are not", chosen=~known),
        ],
        "source": [
            Group(name=name, chosen=source == name) for name in sorted(set(sets), key=str.lower)
        ],
        "size": [
            Group(name=_between(low, high), chosen=(heights >= low) & (heights < high))
            for low, high in itertools.pairwise(_HEIGHTS)
        ],
        "sex": [
            Group(name="labelled male", chosen=label["male"]),
            Group(name="labelled not male", chosen=~label["male"]),
        ],
        "age": [
            *(Group(name=f"labelled {name}", chosen=label[name]) for name in ages),
            Group(
                name="labelled with none of these",
                chosen=~np.logical_or.reduce([label[name] for name in ages]),
            ),
        ],
    }


def _parts(
    bundle: Bundle,
    data: AttributeDataset,
    train: AttributeDataset,
    judged: dict[str, Judged],
    groups: dict[str, list[Group]],
) -> tuple[dict[str, str], dict[str, Any]]:
    """Markdown by name, and the same figures as plain values."""
    float_ = judged["fp32"]
    plain = np.array([not entry.sensitive for entry in bundle.schema.attributes])
    unseen = groups["persons"][2].chosen
    overall = {
        f"{group.name}, {precision.upper()}": found.figures(group.chosen)
        for precision, found in judged.items()
        for group in groups["persons"]
    }
    cut = {
        "source": _figures(float_, groups["source"]),
        "source, new persons": _figures(float_, groups["source"], unseen),
        "size": _figures(float_, groups["size"]),
        "size, new persons": _figures(float_, groups["size"], unseen),
        "sex": _with_new(float_, groups["sex"], unseen, plain),
        "age": _with_new(float_, groups["age"], unseen, plain),
    }
    facts = _facts(bundle, data, train)
    parts = {
        "about": facts["told"],
        "overall": _overall(overall),
        "attributes": _attributes(bundle, judged, train, unseen),
        "source": _rows(cut["source"]),
        "source, new persons": _rows(cut["source, new persons"]),
        "size": _rows(cut["size"]),
        "size, new persons": _rows(cut["size, new persons"]),
        "calibration": _calibration(float_, groups["persons"]),
        "sex": _rows(cut["sex"]),
        "age": _rows(cut["age"]),
        "gaps": _gaps(float_, groups["sex"], plain, unseen),
        "hardest": _hardest(float_, data, groups["source"]),
    }
    record = {
        **facts,
        "overall": _plain(overall),
        "by": {name: _plain(found) for name, found in cut.items()},
        "per_attribute": _attribute_record(bundle, judged, unseen),
    }
    return parts, record


def _facts(bundle: Bundle, data: AttributeDataset, train: AttributeDataset) -> dict[str, Any]:
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    told = (
        f"Bundle `{bundle.name}`, digest `{bundle.digest}` (`edgeattr.Bundle.digest`: SHA-256 of "
        f"its description, which has the SHA-256 of every file). Measured on {today} with edgeattr "
        f"{edgeattr.__version__} on {device_name()}: `python benchmarks/model_card.py`. Training: "
        f"{len(train)} images of {len(np.unique(train.persons))} persons; validation: {len(data)} "
        f"images of {len(np.unique(data.persons))} persons."
    )
    return {
        "bundle": bundle.name,
        "digest": bundle.digest,
        "licence": bundle.training["licence"],
        "date": today,
        "edgeattr": edgeattr.__version__,
        "device": device_name(),
        "dataset": data.name,
        "split": data.split,
        "told": told,
    }


def _figures(
    judged: Judged, groups: list[Group], within: _Mask | None = None, columns: _Mask | None = None
) -> dict[str, Figures]:
    found = {}
    for group in groups:
        chosen = group.chosen if within is None else group.chosen & within
        if chosen.sum() >= _FEWEST:
            found[group.name] = judged.figures(chosen, columns)
    return found


def _with_new(
    judged: Judged, groups: list[Group], unseen: _Mask, columns: _Mask
) -> dict[str, Figures]:
    """Of each group, and of its new persons alone."""
    new = [Group(name=f"{group.name}, new", chosen=group.chosen & unseen) for group in groups]
    return _figures(judged, [*groups, *new], columns=columns)


def _overall(found: dict[str, Figures]) -> str:
    head = ["images of", "images", "persons", "mA", "accuracy", "precision", "recall", "F1", "mAP",
            "ECE"]  # fmt: skip
    rows = [
        [
            name, str(f.images), str(f.persons), f.mA.worded(1),
            *(f"{value:.1f}" for value in (f.accuracy, f.precision, f.recall)), f.f1.worded(1),
            f"{f.mAP:.1f}", f"{f.ece:.2f}",
        ]
        for name, f in found.items()
    ]  # fmt: skip
    return table(head, rows)


def _rows(found: dict[str, Figures]) -> str:
    rows = [
        [
            name, str(f.images), str(f.persons), f"{f.mA.worded(1)} of {f.attributes}",
            f.f1.worded(1), f.false_yes.worded(1), f.false_no.worded(1), f"{f.ece:.2f}",
        ]
        for name, f in found.items()
    ]  # fmt: skip
    return table(_HEAD, rows)


def _attributes(
    bundle: Bundle, judged: dict[str, Judged], train: AttributeDataset, unseen: _Mask
) -> str:
    head = ["attribute", "yes in training", "yes in validation", "threshold", "found of yes",
            "spared of no", "right of its yeses", "mA, FP32", "mA, INT8", "AP", "ECE",
            "new persons: yes", "mA"]  # fmt: skip
    rows = []
    for entry in _attribute_record(bundle, judged, unseen):
        c = bundle.schema.index(entry["name"])
        name = entry["name"] + ("*" if bundle.schema.attributes[c].sensitive else "")
        share = 100 * float((train.labels[:, c] > 0).mean())
        shown = [entry[key] for key in ("found", "spared", "precision", "mA_fp32", "mA_int8", "ap")]
        rows.append(
            [
                name, f"{share:.1f} %", str(entry["positives"]), f"{entry['threshold']:.2f}",
                *(_percent(value) for value in shown), f"{entry['ece']:.2f}",
                str(entry["positives_new"]), _percent(entry["mA_new"]),
            ]
        )  # fmt: skip
    return table(head, rows)


def _attribute_record(
    bundle: Bundle, judged: dict[str, Judged], unseen: _Mask
) -> list[dict[str, Any]]:
    float_, every = judged["fp32"], np.ones(len(unseen), bool)
    scores, int8, new = (
        float_.scores(every), judged["int8"].scores(every), float_.scores(unseen)
    )  # fmt: skip
    found = []
    for c, name in enumerate(bundle.schema.names):
        yes, truth = float_.yes[:, c], float_.truth[:, c]
        found.append(
            {
                "name": name,
                "sensitive": bundle.schema.attributes[c].sensitive,
                "threshold": bundle.thresholds[c],
                "positives": int(truth.sum()),
                "found": _share(yes[truth]),
                "spared": _share(~yes[~truth]),
                "precision": _share(truth[yes]),
                "mA_fp32": _number(scores.per_attribute_mA[c]),
                "mA_int8": _number(int8.per_attribute_mA[c]),
                "ap": _number(scores.per_attribute_ap[c]),
                "ece": reliability(float_.p[:, c], truth.astype(int)).error,
                "positives_new": int(truth[unseen].sum()),
                "mA_new": _number(new.per_attribute_mA[c]),
            }
        )
    return found


def _calibration(judged: Judged, groups: list[Group]) -> str:
    """Said against happened, by bins of what was said."""
    head = ["probability said"]
    for group in groups:
        head += [f"{group.name}: answers", "mean said", "came true"]
    curves = [
        reliability(judged.p[group.chosen], judged.truth[group.chosen].astype(int))
        for group in groups
    ]
    bins, rows = len(curves[0].count), []
    for place in range(bins):
        row = [f"{place / bins:.2f} to {(place + 1) / bins:.2f}"]
        for curve in curves:
            row += [
                str(int(curve.count[place])),
                f"{curve.predicted[place]:.3f}",
                f"{curve.observed[place]:.3f}",
            ]
        rows.append(row)
    rows.append(["expected calibration error, %"])
    for curve in curves:
        rows[-1] += ["", "", f"{curve.error:.2f}"]
    return table(head, rows)


def _gaps(judged: Judged, groups: list[Group], plain: _Mask, within: _Mask) -> str:
    """Attributes whose error rate differs between two groups by more than chance explains."""
    first, second = (Group(name=group.name, chosen=group.chosen & within) for group in groups)
    rows, compared = [], 0
    for c in np.flatnonzero(plain):
        for true, kind in ((True, "missed"), (False, "wrongly seen")):
            gap = judged.gap(first.chosen, second.chosen, int(c), true=true)
            compared += gap is not None
            if gap and (gap.low > 0 or gap.high < 0):
                counted = judged.truth[:, c] == true
                counts = [int((group.chosen & counted).sum()) for group in (first, second)]
                rows.append((abs(gap.value), [
                    judged.names[c], kind, *map(str, counts), gap.worded(1),
                ]))  # fmt: skip
    head = ["attribute", "error", f"images, {first.name}", second.name,
            f"error rate, {first.name} less {second.name}"]  # fmt: skip
    told = (
        f"{compared} rates were compared, so about {round(0.05 * compared)} of these "
        f"{len(rows)} rows would be there by chance."
    )
    listed = table(head, [row for _, row in sorted(rows, key=lambda entry: -entry[0])])
    return f"{told}\n\n{listed}"


def _errors(judged: Judged) -> list[tuple[int, int]]:
    """Image and attribute of the surest wrong answers; of an attribute two at most."""
    loss = -np.log(np.where(judged.truth, judged.p, 1 - judged.p))
    loss[judged.yes == judged.truth] = 0
    found: list[tuple[int, int]] = []
    for flat in np.argsort(-loss, axis=None):
        n, c = np.unravel_index(flat, loss.shape)
        if sum(other == c for _, other in found) < 2:
            found.append((int(n), int(c)))
        if len(found) == _HARDEST:
            break
    return found


def _hardest(judged: Judged, data: AttributeDataset, sources: list[Group]) -> str:
    rows = []
    for n, c in _errors(judged):
        source = next(group.name for group in sources if group.chosen[n])
        height, width = data.read(n).shape[:2]
        label = "yes" if judged.truth[n, c] else "no"
        rows.append(
            [judged.names[c], label, f"{judged.p[n, c]:.4f}", f"{data.ids[n]:05d}", source,
             f"{width}x{height}"]
        )  # fmt: skip
    return table(["attribute", "labelled", "p(yes)", "PETA row", "source", "pixels"], rows)


def _plain(found: dict[str, Figures]) -> dict[str, Any]:
    return {name: figures.to_json() for name, figures in found.items()}


def _between(low: int, high: int) -> str:
    if not low:
        return f"under {high} pixels high"
    return f"{low} to {high - 1}" if high < _HEIGHTS[-1] else f"{low} and more"


def _share(values: _Mask) -> float | None:
    return 100 * float(values.mean()) if values.size else None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


if __name__ == "__main__":
    main()
