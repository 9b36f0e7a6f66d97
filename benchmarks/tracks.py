"""Images of one person fused as a track: what it is worth, and what a schedule spares.

    python benchmarks/tracks.py --data peta:../shared/peta \
        --detector ../shared/models/detectors/yolox_nano.onnx --video ../shared/videos/*

A person's images come in the order of their rows, 0.2 s apart. The parameters of fusion are fitted
on half of the persons and judged on the other half, both ways, for --repeats divisions; thresholds
and calibration are the bundle's, or with --refit-decision fitted on the same half too. Every person
counts once, however many images there are. FP32 on ONNX Runtime. Needs the extra train.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tracks_run import Crop, Played, play

import edgeattr
from edgeattr.video.schedule import Schedule, assess_whole_crop
from edgeattr_runtimes.device import device_name
from edgeattr_train.calibrate import fit_decision
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.data.datasets import open_dataset
from edgeattr_train.selective import judge
from edgeattr_train.track_fusion import BOUND, fit
from edgeattr_train.tracks import Tracks, tracks_of

_Floats = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]

_STEP = 0.2  # seconds between a person's images
_BATCH = 64
_WAYS = ("single crops", "fused, every crop", "fused, scheduled")


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="peta:DIR")
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", default="default")
    parser.add_argument("--allow-missing", action="store_true")
    parser.add_argument("--bound", type=float, default=BOUND, help="error rate among answers, 0..1")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--refit-decision", action="store_true")
    parser.add_argument("--video", type=Path, nargs="*", default=[])
    parser.add_argument("--detector", type=Path)
    options = parser.parse_args()
    data = open_dataset(options.data, options.split, allow_missing=options.allow_missing)
    print(f"edgeattr {edgeattr.__version__}, {device_name()}\n")
    with edgeattr.load(options.model, runtime="onnxruntime", precision="fp32") as model:
        crops, decision = _crops(model, data), model.bundle.decision(include_sensitive=True)
        tracks = tracks_of(
            np.stack([crop.logits for crop in crops]), data.labels, data.persons, decision,
            quality=[crop.assessment.quality for crop in crops], order=data.ids,
        )  # fmt: skip
        _print_labels(data, tracks)
        found = _judged(tracks, crops, data, options)
        _print_accuracy(found, _sets(tracks, data, options), tracks)
        _print_bounds(tracks)
        if options.video:
            from tracks_video import print_videos

            fusion = model.bundle.track or fit(tracks, bound=options.bound)
            print_videos(model, fusion, options.detector, options.video)


def _crops(model: edgeattr.AttributeModel, data: AttributeDataset) -> list[Crop]:
    crops = []
    for start in range(0, len(data), _BATCH):
        images = [data.read(index) for index in range(start, min(start + _BATCH, len(data)))]
        rows = model.logits(images)
        crops += [
            Crop(assess_whole_crop(image), row) for image, row in zip(images, rows, strict=True)
        ]
    return crops


def _sets(tracks: Tracks, data: AttributeDataset, options: Any) -> dict[str, _Mask]:
    """Which persons are in which row of the table, [P] each."""
    lengths = tracks.lengths
    sets = {f"{count} images or more": lengths >= count for count in (1, 2, 3, 4, 6, 8)}
    if options.split == "val":
        train = open_dataset(options.data, "train", allow_missing=options.allow_missing).persons
        person = np.array([data.persons[rows[0]] for rows in tracks.rows])
        new = ~np.isin(person, train)
        sets["not in train"] = new
        sets["not in train, 2 or more"] = new & (lengths > 1)
    return {name: chosen for name, chosen in sets.items() if chosen.any()}


def _judged(
    tracks: Tracks, crops: Sequence[Crop], data: AttributeDataset, options: Any
) -> list[list[tuple[Played, ...]]]:
    """For each division, each person's three ways, by parameters that have not seen the person."""
    repeats = []
    halves = list(tracks.halves(options.repeats))
    for first, second in zip(halves[::2], halves[1::2], strict=True):
        people: list[tuple[Played, ...]] = [()] * len(tracks)
        for fitted, judged in (first, second):
            known = _with_decision(tracks, fitted, crops, data, options)
            fusion = fit(known.take(fitted), bound=options.bound)
            for place in judged:
                track = [(k * _STEP, crops[row]) for k, row in enumerate(tracks.rows[place])]
                people[place] = tuple(
                    play(track, known.decision, way, schedule)
                    for way, schedule in (
                        (None, None),
                        (fusion, None),
                        (fusion, Schedule()),
                    )
                )
        repeats.append(people)
    return repeats


def _with_decision(
    tracks: Tracks,
    fitted: npt.NDArray[np.int64],
    crops: Sequence[Crop],
    data: AttributeDataset,
    options: Any,
) -> Tracks:
    """The tracks, or with --refit-decision the same by thresholds of some of the persons."""
    if not options.refit_decision:
        return tracks
    rows = np.concatenate([tracks.rows[place] for place in fitted])
    logits = np.stack([crop.logits for crop in crops])
    found = fit_decision(logits[rows], data.labels[rows], groups=data.persons[rows], folds=2)
    decision = dataclasses.replace(
        tracks.decision, thresholds=found.thresholds, scale=found.scale, offset=found.offset
    )
    return dataclasses.replace(tracks, decision=decision, log_odds=decision.log_odds(logits))


def _print_labels(data: AttributeDataset, tracks: Tracks) -> None:
    several = tracks.take(tracks.lengths > 1)
    apart = int((several.labels < 0).sum())
    print(
        f"{data.name} {data.split}: {len(data)} images of {len(tracks)} persons, of whom "
        f"{len(several)} have several; labels on which a person's images differ: {apart} of "
        f"{several.labels.size}\n"
    )


def _print_accuracy(
    repeats: Sequence[Sequence[tuple[Played, ...]]], sets: Mapping[str, _Mask], tracks: Tracks
) -> None:
    print("| persons | | way | crops classified | times fewer | mA | wrong | flips | answered |"
          " wrong of these | of yeses | of noes |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name, chosen in sets.items():
        places = np.flatnonzero(chosen)
        labels, images = tracks.labels[places], int(tracks.lengths[places].sum())
        for way, title in enumerate(_WAYS):
            rows = [_figures([people[p][way] for p in places], labels) for people in repeats]
            figures = np.mean(rows, 0)
            count = f"{len(places)}, {images} images" if not way else ""
            print(
                f"| {name if not way else ''} | {count} | {title} | {figures[0]:.0f} | "
                f"{images / figures[0]:.2f} | "
                + " | ".join(f"{value:.2f}" for value in figures[1:])
                + " |"
            )


def _figures(people: Sequence[Played], labels: npt.NDArray[np.int8]) -> _Floats:
    """Crops; then percentages: mA, wrong, flips, answered, wrong of these, of yeses, of noes."""
    truth, known = labels > 0, labels >= 0
    yes, surely, surely_not = (
        np.stack([getattr(person, name) for person in people])
        for name in ("yes", "surely", "surely_not")
    )  # [P, C] each, 0..1: shares of a person's answers
    both = truth.any(0) & (known & ~truth).any(0)  # attributes of which both classes are there
    hit = (yes * truth).sum(0)[both] / truth.sum(0)[both]
    spared = ((1 - yes) * (known & ~truth)).sum(0)[both] / (known & ~truth).sum(0)[both]
    wrong = np.where(truth, 1 - yes, yes)[known].mean()
    false_yes, false_no = (surely * ~truth)[known].sum(), (surely_not * truth)[known].sum()
    given = surely[known].sum(), surely_not[known].sum()
    return np.array(
        [
            sum(person.crops for person in people),
            50 * (hit + spared).mean() if both.any() else np.nan,
            100 * wrong,
            100 * sum(p.flips for p in people) / max(1, sum(p.steps for p in people)),
            100 * sum(given) / known.sum(),
            100 * (false_yes + false_no) / max(1e-9, sum(given)),
            100 * false_yes / max(1e-9, given[0]),
            100 * false_no / max(1e-9, given[1]),
        ]
    )


def _print_bounds(tracks: Tracks) -> None:
    """Coverage against risk, for each stated bound."""
    selective = judge(tracks)
    print("\n| answers to | bound | given | wrong of these | of yeses | of noes | found of true |")
    print("|---|---|---|---|---|---|---|")
    for kind, points in selective.points.items():
        for point in points:
            figures = dataclasses.astuple(point)[1:]
            print(
                f"| {kind} | {point.bound:g} | "
                + " | ".join(f"{value:.2f}" for value in figures)
                + " |"
            )


if __name__ == "__main__":
    main()
