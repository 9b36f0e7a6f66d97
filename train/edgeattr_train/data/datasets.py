"""Annotated person crops: what every data set is brought to, and how one is opened by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image, read_image
from edgeattr.core.errors import InputError, UsageError
from edgeattr.core.schema import AttributeSchema

if TYPE_CHECKING:
    from edgeattr_train.data.annotations import Annotations

__all__ = ["AttributeDataset", "cut", "is_spec", "open_dataset"]

_READERS = {
    "csv": "edgeattr_train.data.csv_folder:open_csv",
    "market": "edgeattr_train.data.market:open_market",
    "pa100k": "edgeattr_train.data.pa100k:open_pa100k",
    "peta": "edgeattr_train.data.peta:open_peta",
    "rap": "edgeattr_train.data.rap:open_rap",
    "wider": "edgeattr_train.data.wider:open_wider",
}


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
    boxes: npt.NDArray[np.int32] | None = None  # [N, 4] x, y, w, h in pixels; None: whole images

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> Image:
        """Decode one sample: uint8 BGR [h, w, 3], cut to its box where the set has boxes.

        Raises:
            InputError: the file cannot be decoded, or the box lies outside of it.
        """
        image = read_image(self.paths[index])
        return image if self.boxes is None else cut(image, self.boxes[index], self.paths[index])

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


def open_dataset(spec: str, split: str, *, allow_missing: bool = False) -> AttributeDataset:
    """Open ``NAME[@VARIANT]:DIR``.

    Args:
        spec: for example ``peta:/data/PETA``, ``peta@3:/data/PETA`` (the third random split),
            ``peta@identity:/data/PETA`` (no person in two splits) or ``csv:/data/own``.
        split: ``train``, ``val`` or ``test``; ``val_unseen`` of PETA: the val images of persons
            that train does not show.
        allow_missing: leave out samples whose image is missing or unreadable or whose labels the
            data set's coding does not know, and say how many in a log warning, in place of failing.

    Raises:
        UsageError: the text is not ``NAME[@VARIANT]:DIR``; unknown name, variant or split.
        InputError: the directory does not hold what the data set's layout asks for.
    """
    from edgeattr_train.data.annotations import dataset_from_annotations

    name, variant, directory = _parse(spec)
    module, _, function = _READERS[name].partition(":")
    reader: Callable[[Path, str, str], Annotations]
    reader = getattr(importlib.import_module(module), function)
    return dataset_from_annotations(reader(directory, split, variant), allow_missing=allow_missing)


def is_spec(text: str) -> bool:
    """Whether a text names a data set, ``NAME[@VARIANT]:DIR``, and not a plain path."""
    head, separator, _ = text.partition(":")
    return bool(separator) and head.partition("@")[0] in _READERS


def _parse(spec: str) -> tuple[str, str, Path]:
    head, separator, directory = spec.partition(":")
    name, at, variant = head.partition("@")
    if not separator or not directory or name not in _READERS or (at and not variant):
        raise UsageError(
            f"--data {spec!r} is not NAME:DIR or NAME@VARIANT:DIR with NAME one of "
            f"{', '.join(sorted(_READERS))}; for example --data peta:/data/PETA"
        )
    return name, variant, Path(directory).expanduser()
