"""What a data set's own files say about one split, and the checks between that and its use."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image, read_image
from edgeattr.core.errors import InputError
from edgeattr.core.schema import AttributeSchema

_NAMED = 5  # how many faults an error spells out
_THREADS = 8  # that look at files: a network disk answers slowly, but many at once


@dataclass(frozen=True, eq=False, kw_only=True)
class AttributeDataset:
    """Images of one person each, with their labels.

    ``ids`` name a sample for good: a history or a log keyed by them survives shuffling.
    """

    name: str  # "peta", "peta@identity", ...
    split: str  # "train", "val", ...
    schema: AttributeSchema
    paths: tuple[Path, ...]  # N image files
    labels: npt.NDArray[np.int8]  # [N, C]: 1 yes, 0 no, -1 unknown
    ids: npt.NDArray[np.int64]  # [N], unique, not negative
    persons: npt.NDArray[np.int64]  # [N], equal where the person is the same
    licence: str  # what the data may be used for
    # [N, 4] x, y, w, h in pixels; of a width of 0, or None: whole images
    boxes: npt.NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> Image:
        """Decode one sample: uint8 BGR [h, w, 3], cut to its box where the set has boxes.

        Raises:
            InputError: the file cannot be decoded, or the box lies outside of it.
        """
        image = read_image(self.paths[index])
        if self.boxes is None or not self.boxes[index, 2]:
            return image
        return cut(image, self.boxes[index], self.paths[index])

    def first(self, count: int) -> AttributeDataset:
        """The first ``count`` samples, or all if there are fewer."""
        return self.take(np.arange(min(count, len(self))))

    def take(self, indices: npt.NDArray[np.int64]) -> AttributeDataset:
        """The samples at ``indices``, in that order."""
        return replace(
            self,
            paths=tuple(self.paths[int(index)] for index in indices),
            labels=self.labels[indices],
            ids=self.ids[indices],
            persons=self.persons[indices],
            boxes=None if self.boxes is None else self.boxes[indices],
        )


def cut(image: Image, box: npt.NDArray[np.int32], path: Path) -> Image:
    """The part of ``image`` inside ``box`` (x, y, w, h), clipped to the image.

    Raises:
        InputError: nothing of the box lies in the image; the text names ``path``.
    """
    x, y, width, height = (int(value) for value in box)
    part = image[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)]
    if not part.size:
        raise InputError(
            f"{path}: box {x},{y} of {width}x{height} lies outside the image, "
            f"which has {image.shape[1]}x{image.shape[0]} pixels"
        )
    return part


_LOG = logging.getLogger("edgeattr.train")
_OFF_CODE = np.int8(-128)

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class Annotations:
    """One split as the data set's files give it; nothing is checked against the disk yet."""

    name: str  # "peta", "peta@identity", ...
    split: str
    schema: AttributeSchema
    licence: str  # what the data may be used for
    root: Path  # directory that messages leave out of paths
    paths: tuple[Path, ...]  # N image files, or where they should be
    raw: npt.NDArray[Any]  # [N, C], label values in the data set's own coding
    coding: Mapping[int, int]  # its values -> 1 yes, 0 no, -1 unknown
    ids: npt.NDArray[np.int64]  # [N], unique, not negative
    persons: npt.NDArray[np.int64]  # [N]
    boxes: npt.NDArray[np.int32] | None = None  # [N, 4] x, y, w, h


@dataclass(frozen=True, eq=False)
class _Fault:
    """One way in which samples are unfit."""

    what: str  # completes "3 of 10 ..."
    where: _Mask  # [N]
    names: list[str]  # the first few


def dataset_from_annotations(notes: Annotations, *, allow_missing: bool) -> AttributeDataset:
    """Check images, labels and boxes, and bring the labels to 1, 0 and -1.

    Args:
        notes: one split.
        allow_missing: drop unfit samples with a log warning, in place of failing.

    Raises:
        InputError: there are no samples, or unfit ones; the text counts them and names the first
            five.
    """
    if not notes.paths:
        raise InputError(f"{notes.root}: the split {notes.split!r} of {notes.name} has no images")
    labels = _labels(notes)
    faults = [fault for fault in _faults(notes, labels) if fault.where.any()]
    data = AttributeDataset(
        name=notes.name,
        split=notes.split,
        schema=notes.schema,
        paths=notes.paths,
        labels=labels,
        ids=notes.ids,
        persons=notes.persons,
        licence=notes.licence,
        boxes=notes.boxes,
    )
    if not faults:
        return data
    unfit: _Mask = np.logical_or.reduce([fault.where for fault in faults])
    text = "; ".join(_told(fault) for fault in faults)
    if not allow_missing or unfit.all():
        hint = "" if allow_missing else "; --allow-missing goes on without them"
        raise InputError(f"{notes.root}: {text}{hint}")
    _LOG.warning(
        "%s %s: %d of %d samples are left out: %s",
        notes.name, notes.split, int(unfit.sum()), len(data), text,
    )  # fmt: skip
    return data.take(np.flatnonzero(~unfit))


def stable_ids(names: Iterable[str]) -> npt.NDArray[np.int64]:
    """Numbers that follow from the names alone: 63 bits of their SHA-256, [N]."""
    digests = (hashlib.sha256(name.encode()).digest()[:8] for name in names)
    return np.array([int.from_bytes(digest, "big") >> 1 for digest in digests], np.int64)


def check_names(found: Sequence[str], schema: AttributeSchema, path: Path) -> None:
    """Raise InputError unless a file names the attributes of ``schema``, in that order.

    Case and punctuation do not count: releases differ in them.
    """
    expected = [attribute.source for attribute in schema.attributes]
    if [_plain(name) for name in found] != [_plain(name) for name in expected]:
        pairs = zip(found, expected, strict=False)
        differ = [f"{a} in place of {b}" for a, b in pairs if _plain(a) != _plain(b)]
        raise InputError(
            f"{path} has other attributes than the {len(expected)} of the field: "
            f"{len(found)} names{', ' if differ else ''}{', '.join(differ[:_NAMED])}"
        )


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _labels(notes: Annotations) -> npt.NDArray[np.int8]:
    labels = np.full(notes.raw.shape, _OFF_CODE, np.int8)
    for value, label in notes.coding.items():
        labels[notes.raw == value] = label
    return labels


def _faults(notes: Annotations, labels: npt.NDArray[np.int8]) -> list[_Fault]:
    missing, unreadable = _unfit_files(notes.paths)
    off = labels == _OFF_CODE
    faults = [
        _fault(notes, "images are missing", missing),
        _fault(notes, "images cannot be read", unreadable),
        _fault(notes, "samples have labels off the schema", off.any(1), off),
    ]
    if notes.boxes is not None:
        flat: _Mask = np.any(notes.boxes[:, 2:] < 1, axis=1)
        faults.append(_fault(notes, "samples have a box without area", flat))
    return faults


def _fault(notes: Annotations, what: str, where: _Mask, off: _Mask | None = None) -> _Fault:
    names = []
    for row in np.flatnonzero(where)[:_NAMED]:
        path = notes.paths[row]
        name = str(path.relative_to(notes.root)) if path.is_relative_to(notes.root) else str(path)
        names.append(name if off is None else name + _off_value(notes, row, off[row]))
    return _Fault(what, where, names)


def _off_value(notes: Annotations, row: int, off: _Mask) -> str:
    column = int(np.flatnonzero(off)[0])
    known = ", ".join(str(value) for value in notes.coding)
    return f" ({notes.schema.names[column]} is {notes.raw[row, column]}, none of {known})"


def _told(fault: _Fault) -> str:
    count = int(fault.where.sum())
    more = ", ..." if count > len(fault.names) else ""
    return f"{count} of {len(fault.where)} {fault.what}: {', '.join(fault.names)}{more}"


def _unfit_files(paths: Sequence[Path]) -> tuple[_Mask, _Mask]:
    """Which files are missing, and which hold no image by their first bytes: two masks, [N]."""
    unique = list(dict.fromkeys(map(str, paths)))
    with ThreadPoolExecutor(_THREADS) as pool:
        state = dict(zip(unique, pool.map(_file_state, unique, chunksize=256), strict=True))
    states = np.array([state[str(path)] for path in paths], np.int8)
    return states == -1, states == 0


def _file_state(path: str) -> int:
    """-1: no such file; 0: not an image; 1: an image, as far as its header tells."""
    try:
        size = os.stat(path).st_size  # noqa: PTH116 - ten thousands of files
    except OSError:
        return -1
    return int(size > 0 and cv2.haveImageReader(path))
