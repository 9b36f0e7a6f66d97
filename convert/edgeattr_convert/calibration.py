"""Which crops calibrate INT8: a seeded sample of a data set, a folder of crops, or a video."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image, read_image, resize_crop
from edgeattr.core.errors import InputError, UsageError
from edgeattr.core.progress import Tick, no_tick
from edgeattr.video.detectors import Detector
from edgeattr_train.data.annotations import AttributeDataset

MINIMUM = 100  # images below which ranges are guesswork
_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
_FRAMES = 2000  # of a video that are looked at
_EVERY = 5  # frames: people hardly move between two
_SURE = 0.4  # score of a detection that is taken
_SMALLEST = 48  # pixels of a person's height: less shows no attribute


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """Crops that set the ranges of activations, and where they come from."""

    crops: npt.NDArray[np.uint8]  # [n, H, W, 3], BGR, at the model's size
    facts: dict[str, Any]  # for the bundle: source, images, seed, SHA-256 of the pixels
    warnings: tuple[str, ...] = ()  # what is odd about them


def calibration_from_dataset(
    data: AttributeDataset, height: int, width: int, *, count: int = 512, seed: int = 0
) -> Calibration:
    """A sample of labelled images that shows every attribute.

    Raises:
        InputError: fewer than 100 images, or one cannot be read.
    """
    _enough(len(data), f"images of {data.name} {data.split}")
    crops = sampled_crops(data, height, width, count=count, seed=seed)
    return _calibration(crops, {"dataset": data.name, "split": data.split, "seed": seed})


def calibration_from_folder(
    folder: Path, height: int, width: int, *, count: int = 512, seed: int = 0
) -> Calibration:
    """A sample of the images under a folder, one person each.

    Raises:
        UsageError: there is no such folder.
        InputError: fewer than 100 images, or one cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder of calibration images")
    paths = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file()
    )
    _enough(len(paths), f"images ({', '.join(_SUFFIXES)}) under {folder}")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(paths))[:count])
    crops = np.empty((len(chosen), height, width, 3), np.uint8)
    wide = 0
    for crop, index in zip(crops, chosen, strict=True):
        image = read_image(paths[int(index)])
        wide += image.shape[1] > image.shape[0]
        crop[...] = resize_crop(image, height, width)
    warnings: tuple[str, ...] = ()
    if 2 * wide > len(crops):
        warnings = (
            f"{wide} of {len(crops)} calibration images are wider than high: give crops of one "
            "person each, not whole frames; of a video, edgeattr cuts them itself",
        )
    return _calibration(crops, {"folder": folder.resolve().name, "seed": seed}, warnings)


def calibration_from_video(
    video: Path,
    detector: Detector,
    height: int,
    width: int,
    *,
    count: int = 512,
    seed: int = 0,
    tick: Tick = no_tick,
) -> Calibration:
    """A sample of the people that a detector finds in a video.

    Raises:
        InputError: not a video, or fewer than 100 people are found in its first 2,000 frames.
    """
    rng = np.random.default_rng(seed)
    kept: list[Image] = []
    seen = 0
    for person in _people(video, detector, tick):
        seen += 1
        place = seen - 1 if seen <= count else int(rng.integers(seen))
        if place < count:  # each person found stays with equal chance
            crop = resize_crop(person, height, width)
            if place < len(kept):
                kept[place] = crop
            else:
                kept.append(crop)
    _enough(len(kept), f"crops of people found by {detector.name} in {video}")
    facts = {"video": video.name, "detector": detector.name, "found": seen, "seed": seed}
    return _calibration(np.stack(kept), facts)


def sample(labels: npt.NDArray[np.int8], count: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Pick images so that each attribute's positives are there, rare ones first.

    Args:
        labels: [N, C], 1 yes, 0 no, -1 unknown.
        count: images wanted.
        seed: of the choice.

    Returns:
        Positions, [min(count, N)], sorted.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    per_attribute = max(1, count // (2 * labels.shape[1]))
    chosen: dict[int, None] = {}
    for attribute in np.argsort((labels > 0).sum(0), kind="stable"):
        positives = order[labels[order, attribute] > 0]
        chosen.update(dict.fromkeys(map(int, positives[:per_attribute])))
    chosen.update(dict.fromkeys(map(int, order)))
    return np.sort(np.fromiter(chosen, np.int64)[:count])


def sampled_crops(
    data: AttributeDataset, height: int, width: int, *, count: int, seed: int = 0
) -> npt.NDArray[np.uint8]:
    """The crops that :func:`sample` picks, uint8 [n, height, width, 3].

    Raises:
        InputError: an image cannot be read.
    """
    chosen = data.take(sample(data.labels, count, seed))
    return np.stack([resize_crop(chosen.read(k), height, width) for k in range(len(chosen))])


def digest(crops: npt.NDArray[np.uint8]) -> str:
    """SHA-256 of the calibration crops' pixels."""
    return hashlib.sha256(np.ascontiguousarray(crops).tobytes()).hexdigest()


def _calibration(
    crops: npt.NDArray[np.uint8], facts: dict[str, Any], warnings: tuple[str, ...] = ()
) -> Calibration:
    facts = {**facts, "images": len(crops), "sha256": digest(crops)}
    return Calibration(crops=crops, facts=facts, warnings=warnings)


def _enough(found: int, what: str) -> None:
    if found < MINIMUM:
        raise InputError(
            f"{found} {what} are too few to calibrate INT8; give at least {MINIMUM}, better 500, "
            "of your cameras"
        )


def _people(video: Path, detector: Detector, tick: Tick) -> Iterator[Image]:
    """Crops of those who are large and certain enough, of every fifth frame."""
    from edgeattr.video.sources.file import VideoFileSource

    with VideoFileSource(str(video)) as source:
        total = min(source.announced_frames or _FRAMES, _FRAMES)
        for number, frame in enumerate(source.frames()):
            if number >= _FRAMES:
                break
            tick(f"people in {video.name}", min(number, total), total)
            if number % _EVERY:
                continue
            found = detector.detect(frame.image)
            for (left, top, right, bottom), score in zip(
                found.boxes.round().astype(int), found.scores, strict=True
            ):
                if score >= _SURE and bottom - top >= _SMALLEST and right > left:
                    yield frame.image[top:bottom, left:right]
        tick(f"people in {video.name}", total, total)
