"""How well people are followed through the sequences of a data set: MOTA, IDF1, switches."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeattr.core.crops import Image
from edgeattr.core.errors import importing
from edgeattr.outputs.tracks_file import TracksFile
from edgeattr.video.detection_interval import SceneCutDetector
from edgeattr.video.detectors import Detections
from edgeattr.video.sources import Frame
from edgeattr.video.tracker import PersonTracker
from edgeattr_train.data.boxes import MotSequence

_NOBODY = "1,-1,0,0,1,1,0,-1,-1,-1\n"  # for the library, which takes no empty file


class TrackingAccuracy:
    """Follows people as `run --tracks` does, and compares with the ground truth (CLEAR MOT,
    Identity).

    Args:
        sequences: of the frames that come.

    Raises:
        MissingDependency: the library of the measures is not installed.
    """

    def __init__(self, sequences: Sequence[MotSequence]) -> None:
        with importing("trackers", extra="convert", purpose="measure how people are followed"):
            import trackers.eval
        self._measures = trackers.eval
        self._waiting = list(sequences)
        self._results: list[tuple[MotSequence, Any, int]] = []
        self._folder = tempfile.TemporaryDirectory()
        self._begin()

    def add(self, image: Image, found: Detections) -> None:
        """Take in the next frame of all frames of all sequences."""
        sequence = self._waiting[0]
        seconds = self._index / sequence.rate
        if self._cuts.is_cut(image):
            self._tracker.cut()
        self._tracker.size = image.shape[1], image.shape[0]
        people = self._tracker.update(found, seconds, image)
        frame = Frame(image=image, index=self._index, seconds=seconds)
        self._file.write_tracks("", frame, people, self._tracker.earlier)
        self._index += 1
        if self._index == sequence.frames:
            self._end(self._waiting.pop(0))
            if self._waiting:
                self._begin()

    def figures(self) -> dict[str, Any]:
        """MOTA and IDF1, 0..100; switches, tracks and persons: over all sequences, and of each.

        To be asked once all frames have come.
        """
        self._folder.cleanup()
        clear = [dataclasses.asdict(result.CLEAR) for _, result, _ in self._results]
        identity = [dataclasses.asdict(result.Identity) for _, result, _ in self._results]
        rows = [
            _row(one, other, tracks)
            for one, other, (_, _, tracks) in zip(clear, identity, self._results, strict=True)
        ]
        whole = _row(
            self._measures.aggregate_clear_metrics(clear),
            self._measures.aggregate_identity_metrics(identity),
            0,
        )
        whole["tracks"] = sum(row["tracks"] for row in rows)
        whole["persons"] = sum(row["persons"] for row in rows)
        names = [sequence.name for sequence, _, _ in self._results]
        return {
            **whole,
            "sequences": [{"name": name, **row} for name, row in zip(names, rows, strict=True)],
        }

    def _begin(self) -> None:
        self._tracker, self._cuts, self._index = PersonTracker(), SceneCutDetector(), 0
        self._path = Path(self._folder.name) / "tracks.txt"
        self._file = TracksFile(self._path)

    def _end(self, sequence: MotSequence) -> None:
        self._file.close()
        told = self._path.read_text()
        self._path.write_text(told or _NOBODY)
        truth = Path(self._folder.name) / "truth.txt"
        truth.write_text(_with_class(sequence.truth.read_text()))
        result = self._measures.evaluate_mot_sequence(truth, self._path, ["CLEAR", "Identity"])
        numbers = {line.split(",")[1] for line in told.splitlines()}
        self._results.append((sequence, result, len(numbers)))


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
