"""Frames with people's boxes: MOTChallenge's layout (`mot:DIR`) and COCO's JSON (`coco:DIR`).

mot: a folder of sequences `NAME/img1/*.jpg` with `NAME/gt/gt.txt`, one such sequence, or videos
`NAME.mp4` beside `NAME.gt.txt`. A line is `frame,id,left,top,width,height,counts,class,visible`;
people count if `counts` is not 0 and the class, where there is one, is 1. Lines of other classes
that look like people (MOT16: 2 on a vehicle, 7 static, 8 distractor, 12 reflection) are ignored.

coco: a folder with the JSON (`annotations*.json`, or `annotations/instances_val*.json`) and the
images below it. People are of the category `person`; crowds are ignored.
"""

from __future__ import annotations

import configparser
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image, read_image
from edgeattr.core.errors import InputError, UsageError
from edgeattr.video.sources.file import VideoFileSource

_Boxes = npt.NDArray[np.float32]
_LOOKS_LIKE_PEOPLE = (2, 7, 8, 12)  # MOT16's classes that are neither right nor wrong
_DEFAULT_RATE = 25.0  # frames/s of a sequence that does not say
_VIDEOS = (".mp4", ".avi", ".mkv", ".webm", ".mov")


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledFrame:
    """A frame and who is in it."""

    image: Image
    people: _Boxes  # [n, 4], left, top, right, bottom, pixels
    ignore: _Boxes  # [k, 4], where a box is neither right nor wrong


@dataclass(frozen=True, kw_only=True)
class MotSequence:
    """One sequence of MOTChallenge's layout."""

    name: str
    images: Path  # a folder of them, or a video
    truth: Path  # frame,id,left,top,width,height,...
    frames: int
    rate: float  # frames/s


@dataclass(frozen=True, kw_only=True)
class BoxDataset:
    """Frames in order, decoded when they are asked for."""

    name: str  # "mot" or "coco"
    frames: int
    read: Callable[[], Iterator[LabelledFrame]]
    sequences: tuple[MotSequence, ...] = ()  # of "mot"


def is_box_spec(text: str) -> bool:
    """Whether a text is ``mot:DIR`` or ``coco:DIR``."""
    return text.partition(":")[0] in _READERS and ":" in text


def open_boxes(spec: str) -> BoxDataset:
    """Open ``mot:DIR`` or ``coco:DIR``.

    Raises:
        UsageError: the text is neither.
        InputError: the folder does not hold what the layout asks for.
    """
    name, _, directory = spec.partition(":")
    if name not in _READERS or not directory:
        raise UsageError(f"--data {spec!r} is not mot:DIR or coco:DIR, which detectors want")
    folder = Path(directory).expanduser()
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    return _READERS[name](folder)


def _open_mot(folder: Path) -> BoxDataset:
    folders = [folder] if (folder / "gt" / "gt.txt").is_file() else sorted(folder.iterdir())
    parts: list[tuple[Path, Path]] = []  # frames (folder or video), ground truth
    for path in folders:
        truth = path / "gt" / "gt.txt"
        if truth.is_file():
            parts.append((path / "img1", truth))
        elif path.suffix in _VIDEOS and path.with_suffix(".gt.txt").is_file():
            parts.append((path, path.with_suffix(".gt.txt")))
    if not parts:
        raise InputError(
            f"{folder}: expected MOTChallenge's NAME/img1 with NAME/gt/gt.txt, or NAME.mp4 with "
            "NAME.gt.txt, and found neither"
        )
    truths = [_mot_truth(truth) for _, truth in parts]

    def read() -> Iterator[LabelledFrame]:
        for (frames, _), (people, ignore) in zip(parts, truths, strict=True):
            for number, image in enumerate(_images(frames), 1):
                yield LabelledFrame(
                    image=image, people=_stacked(people[number]), ignore=_stacked(ignore[number])
                )

    sequences = tuple(_sequence(frames, truth) for frames, truth in parts)
    count = sum(sequence.frames for sequence in sequences)
    return BoxDataset(name="mot", frames=count, read=read, sequences=sequences)


def _sequence(frames: Path, truth: Path) -> MotSequence:
    """Of a video, or of a folder with its rate in the `seqinfo.ini` beside it; else 25."""
    if frames.is_dir():
        info = configparser.ConfigParser()
        info.read(frames.parent / "seqinfo.ini")
        rate = info.getfloat("Sequence", "frameRate", fallback=_DEFAULT_RATE)
        return MotSequence(
            name=frames.parent.name,
            images=frames,
            truth=truth,
            frames=sum(1 for _ in frames.iterdir()),
            rate=rate,
        )
    with VideoFileSource(str(frames)) as source:
        count = source.announced_frames or sum(1 for _ in source.frames())
        return MotSequence(
            name=frames.stem, images=frames, truth=truth, frames=count, rate=source.rate
        )


def _mot_truth(path: Path) -> tuple[dict[int, list[Any]], dict[int, list[Any]]]:
    """People and regions to ignore by the number of the frame."""
    people: dict[int, list[Any]] = defaultdict(list)
    ignore: dict[int, list[Any]] = defaultdict(list)
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = [float(value) for value in line.split(",")]
            frame, left, top, width, height = int(values[0]), *values[2:6]
        except (ValueError, IndexError) as error:
            raise InputError(
                f"{path}, line {number}: {line[:60]!r} is not frame,id,left,top,width,height,..."
            ) from error
        box = [left, top, left + width, top + height]
        kind = int(values[7]) if len(values) == 9 else 1  # ten columns of 2015 end with x, y, z
        counts = len(values) < 7 or values[6] != 0
        if kind in _LOOKS_LIKE_PEOPLE or (kind == 1 and not counts):
            ignore[frame].append(box)
        elif kind == 1 and counts:
            people[frame].append(box)
    return people, ignore


def _images(path: Path) -> Iterator[Image]:
    if path.is_dir():
        yield from (read_image(file) for file in sorted(path.iterdir()))
        return
    with VideoFileSource(str(path)) as source:
        yield from (frame.image for frame in source.frames())


def _open_coco(folder: Path) -> BoxDataset:
    found = [
        *sorted(folder.glob("annotations*.json")),
        *sorted(folder.glob("annotations/instances_val*.json")),
        *sorted(folder.glob("annotations/*.json")),
    ]
    if not found:
        raise InputError(f"{folder}: expected annotations*.json or annotations/*.json in it")
    try:
        index = json.loads(found[0].read_text())
        person = {entry["id"] for entry in index["categories"] if entry["name"].lower() == "person"}
        people: dict[int, list[Any]] = defaultdict(list)
        ignore: dict[int, list[Any]] = defaultdict(list)
        for entry in index["annotations"]:
            if entry["category_id"] in person:
                x, y, width, height = entry["bbox"]
                side = ignore if entry.get("iscrowd") else people
                side[entry["image_id"]].append([x, y, x + width, y + height])
        images = [(entry["id"], entry["file_name"]) for entry in index["images"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{found[0]}: not COCO's JSON of boxes ({error!r})") from error
    if not person:
        raise InputError(f"{found[0]}: it has no category called person")
    paths = {path.name: path for path in folder.rglob("*") if path.suffix.lower() != ".json"}

    def read() -> Iterator[LabelledFrame]:
        for number, name in images:
            path = paths.get(Path(name).name)
            if path is None:
                raise InputError(f"{folder}: the image {name} of {found[0].name} is missing")
            yield LabelledFrame(
                image=read_image(path),
                people=_stacked(people[number]),
                ignore=_stacked(ignore[number]),
            )

    return BoxDataset(name="coco", frames=len(images), read=read)


def _stacked(boxes: list[Any]) -> _Boxes:
    return np.array(boxes, np.float32).reshape(-1, 4)


_READERS: dict[str, Callable[[Path], BoxDataset]] = {"mot": _open_mot, "coco": _open_coco}
