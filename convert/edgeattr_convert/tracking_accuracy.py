"""How well people are followed through the sequences of a data set: MOTA, IDF1, switches."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeattr.video.detectors import Detections
from edgeattr.video.tracker import PersonTracker
from edgeattr_train.data.boxes import MotSequence

__all__ = ["measure_tracking"]


def measure_tracking(
    detections: Sequence[Detections], sequences: Sequence[MotSequence]
) -> dict[str, Any]:
    """Track what was detected and compare it with the ground truth (CLEAR MOT, Identity).

    Args:
        detections: of all frames of all sequences, in order.
        sequences: the frames' rates and ground truth.

    Returns:
        MOTA and IDF1, 0..100; switches, tracks and persons over all sequences.
    """
    from trackers.eval import (
        aggregate_clear_metrics,
        aggregate_identity_metrics,
        evaluate_mot_sequence,
    )

    clear, identity, tracks, persons, start = [], [], 0, 0, 0
    for sequence in sequences:
        found = detections[start : start + sequence.frames]
        start += sequence.frames
        lines, numbers = _tracked(found, sequence.rate)
        with tempfile.TemporaryDirectory() as folder:
            truth, path = Path(folder) / "truth.txt", Path(folder) / "tracks.txt"
            truth.write_text(_with_class(sequence.truth.read_text()))
            path.write_text("".join(lines))
            result = evaluate_mot_sequence(truth, path, ["CLEAR", "Identity"])
        clear.append(dataclasses.asdict(result.CLEAR))
        identity.append(dataclasses.asdict(result.Identity))
        tracks += numbers
        persons += sum(int(clear[-1][kind]) for kind in ("MT", "PT", "ML"))
    summed = aggregate_clear_metrics(clear)
    return {
        "MOTA": round(100 * float(summed["MOTA"]), 2),
        "IDF1": round(100 * float(aggregate_identity_metrics(identity)["IDF1"]), 2),
        "switches": int(summed["IDSW"]),
        "tracks": tracks,
        "persons": persons,
    }


def _with_class(truth: str) -> str:
    """The ground truth with the class in column 8, where MOT15 has x, y and z: all are people."""
    rows = (line.split(",") for line in truth.splitlines() if line.strip())
    return "".join(
        ",".join(row if len(row) == 9 else [*row[:7], *["1"] * (9 - len(row[:7]))]) + "\n"
        for row in rows
    )


def _tracked(detections: Sequence[Detections], rate: float) -> tuple[list[str], int]:
    """Lines in MOTChallenge's format, and how many people they tell of."""
    tracker, lines, numbers = PersonTracker(rate), [], set()
    for index, found in enumerate(detections):
        for person in tracker.update(found, index / rate):
            left, top, right, bottom = person.box
            numbers.add(person.track)
            lines.append(
                f"{index + 1},{person.track},{left:.2f},{top:.2f},{right - left:.2f},"
                f"{bottom - top:.2f},{person.score:.4f},-1,-1,-1\n"
            )
    return lines or ["1,-1,0,0,1,1,0,-1,-1,-1\n"], len(numbers)
