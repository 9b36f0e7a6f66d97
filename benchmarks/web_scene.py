"""A make-believe site for looking at the live page: cameras, people, trouble."""

from __future__ import annotations

import dataclasses
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

import edgeattr
from edgeattr.core.crops import Image
from edgeattr.core.posterior import TrackPosterior
from edgeattr.core.prediction import TrackRecord
from edgeattr.core.timestamps import utc_text
from edgeattr.video.status import StreamStatus

__all__ = ["CAMERAS", "Scene", "camera", "troubled", "without_time"]

CAMERAS = (
    "front door", "car park north", "car park south", "loading bay", "reception",
    "corridor 2nd floor", "roof", "rtsp://192.0.2.17/Streaming/Channels/101",
)  # fmt: skip


class Scene:
    """People with real answers: of PETA's images where they are at hand, else of drawn figures.

    Args:
        folder: where their pictures are put.
        count: how many different people there are.
        shared: the folder of PETA; see EDGEATTR_SHARED.
    """

    def __init__(self, folder: Path, count: int = 40, shared: Path | None = None) -> None:
        shared = shared or Path(os.environ.get("EDGEATTR_SHARED", "../shared"))
        rng = np.random.default_rng(5)
        files = sorted((shared / "peta" / "images").glob("*.jpg"))
        chosen = [files[index] for index in rng.permutation(len(files))[:count]]
        self.images: list[Image] = [cv2.imread(str(file)) for file in chosen]
        self.images = self.images or [_drawn(rng) for _ in range(count)]
        self._folder = folder
        with edgeattr.load() as model:
            self.names = [model.decision.schema.names[index] for index in model.decision.reported]
            logits = [found.logits for found in model.predict(self.images)]
            self._answers = []
            for row in logits:
                posterior = TrackPosterior(model.decision, model.bundle.track)
                for _ in range(int(rng.integers(2, 9))):
                    posterior.add(row + rng.normal(0, 0.6, row.shape), rng.uniform(0.3, 0.9))
                self._answers.append((posterior.answers(), posterior.crops))

    def person(self, number: int, stream: str, *, ago: float, picture: bool = True) -> TrackRecord:
        """One person who was seen some seconds ago."""
        place = number % len(self.images)
        name = str(uuid.UUID(int=number + 1))
        answers, crops = self._answers[place]
        path = self._folder / f"{name}.jpg"
        if picture:
            cv2.imwrite(str(path), self.images[place])
        return TrackRecord(
            stream=stream,
            track=number + 1,
            first_s=100.0,
            last_s=104.0 + number * 7 % 40,
            frames=60 + number * 17 % 300,
            crops_classified=crops,
            box=(10.0, 20.0, 60.0, 160.0),
            attributes=answers,
            id=name,
            time=utc_text(time.time() - ago),
            crop=str(path) if picture else None,
        )


def camera(name: str, number: int = 0, **changes: object) -> StreamStatus:
    """A camera that does well, but for what is said to be otherwise."""
    people, seen = 13 + number * 7, 1800 + 431 * number
    well = StreamStatus(
        stream=name, state="running", live=True, frames_in=20_000, frames=19_998,
        dropped_frames=0, frames_waiting=2, frames_damaged=0, reconnects=0, detections=9000,
        people=people, crops_seen=seen, crops_classified=seen // 11, seconds=800.0,
        frames_per_second=24.9 - number / 10, last_frame_s=0.04,
    )  # fmt: skip
    return dataclasses.replace(well, **changes)  # type: ignore[arg-type]


def troubled(names: Sequence[str] = CAMERAS) -> list[StreamStatus]:
    """Cameras of which some do badly."""
    found = [camera(name, number) for number, name in enumerate(names)]
    found[1] = camera(names[1], 1, dropped_frames=1_284, frames_per_second=14.2, reconnects=2)
    found[3] = camera(names[3], 3, state="stalled", reconnects=7, error="no picture for 12 s")
    found[6] = camera(
        names[6], 6, state="connecting", frames_per_second=0.0, people=0, last_frame_s=None,
        error="rtsp://192.0.2.17/1: Connection refused",
    )  # fmt: skip
    return found


def without_time(record: TrackRecord) -> TrackRecord:
    """As of a file, where no clock was."""
    return dataclasses.replace(record, time=None)


def _drawn(rng: np.random.Generator) -> Image:
    image = np.full((192, 96, 3), rng.integers(90, 200), np.uint8)
    colour = [int(value) for value in rng.integers(20, 230, 3)]
    cv2.circle(image, (48, 34), 18, (150, 180, 215), -1)
    cv2.rectangle(image, (26, 56), (70, 116), colour, -1)
    cv2.rectangle(image, (32, 116), (64, 184), (70, 50, 30), -1)
    return image
