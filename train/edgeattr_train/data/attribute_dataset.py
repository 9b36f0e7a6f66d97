"""Annotated person crops: the form that every data set is brought to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image, read_image
from edgeattr.core.errors import InputError
from edgeattr.core.schema import AttributeSchema

__all__ = ["AttributeDataset", "cut"]


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
