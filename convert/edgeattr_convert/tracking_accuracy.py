"""How well people are followed through the sequences of a data set: MOTA, IDF1, switches."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgeattr.core.errors import InputError, importing
from edgeattr.model import AttributeModel
from edgeattr.outputs.tracks_file import TracksFile
from edgeattr.video.detectors import Detector
from edgeattr.video.pipeline import Pipeline
from edgeattr.video.sources import SourceSpec
from edgeattr_train.data.boxes import MotSequence

_NOBODY = "1,-1,0,0,1,1,0,-1,-1,-1\n"  # for the library, which takes no empty file


def measure_tracking(
    model: AttributeModel,
    detector: Detector,
    sequences: Sequence[MotSequence],
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Follow people as `run --tracks` does and compare with the ground truth (CLEAR, Identity).

    Args:
        model: reads people's attributes, and tells them apart.
        detector: finds people.
        sequences: each is followed from its first frame to its last.
        progress: called with the sequences done.

    Returns:
        MOTA and IDF1, 0..100; switches, tracks and persons: over all sequences, and of each.

    Raises:
        InputError: a sequence cannot be followed to its end.
        MissingDependency: the library of the measures is not installed.
    """
    with importing("trackers", extra="convert", purpose="measure how people are followed"):
        import trackers.eval as measures
    results, tracks = [], []
    with tempfile.TemporaryDirectory() as folder:
        told, truth = Path(folder) / "tracks.txt", Path(folder) / "truth.txt"
        for done, sequence in enumerate(sequences, 1):
            _follow(model, detector, sequence, told)
            lines = told.read_text().splitlines()
            if not lines:
                told.write_text(_NOBODY)
            truth.write_text(_with_class(sequence.truth.read_text()))
            results.append(measures.evaluate_mot_sequence(truth, told, ["CLEAR", "Identity"]))
            tracks.append(len({line.split(",")[1] for line in lines}))
            progress(done)
    clear = [dataclasses.asdict(result.CLEAR) for result in results]
    identity = [dataclasses.asdict(result.Identity) for result in results]
    rows = [_row(*figures) for figures in zip(clear, identity, tracks, strict=True)]
    whole = _row(
        measures.aggregate_clear_metrics(clear),
        measures.aggregate_identity_metrics(identity),
        sum(tracks),
    )
    whole["persons"] = sum(row["persons"] for row in rows)
    names = [sequence.name for sequence in sequences]
    return {
        **whole,
        "sequences": [{"name": name, **row} for name, row in zip(names, rows, strict=True)],
    }


def _follow(model: AttributeModel, detector: Detector, sequence: MotSequence, told: Path) -> None:
    source = SourceSpec(address=str(sequence.images), image_rate=sequence.rate)
    with Pipeline(model, detector, outputs=[TracksFile(told)]) as pipeline:
        pipeline.add(source)
        pipeline.wait()
        [summary] = pipeline.summaries()
    if summary.error:
        raise InputError(f"{sequence.images}: {summary.error}")


def _row(clear: dict[str, Any], identity: dict[str, Any], tracks: int) -> dict[str, Any]:
    return {
        "MOTA": round(100 * float(clear["MOTA"]), 2),
        "IDF1": round(100 * float(identity["IDF1"]), 2),
        "switches": int(clear["IDSW"]),
        "tracks": tracks,
        "persons": sum(int(clear[kind]) for kind in ("MT", "PT", "ML")),
    }


def _with_class(truth: str) -> str:
    """The ground truth with the class in column 8, where MOT15 has x, y and z: all are people."""
    rows = (line.split(",") for line in truth.splitlines() if line.strip())
    return "".join(
        ",".join(row if len(row) == 9 else [*row[:7], *["1"] * (9 - len(row[:7]))]) + "\n"
        for row in rows
    )
