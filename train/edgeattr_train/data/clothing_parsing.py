"""Clothing Co-Parsing: street-fashion photos of one person each, with tags and masks of clothes.

Yang, Luo, Lin, "Clothing Co-Parsing by Joint Image Segmentation and Labeling", CVPR 2014. The
folder has ``labels.csv`` (``path``, ``person_box_ltrb``, ``tags``), ``classes.txt``, ``images/``
and, for about half of the photos, ``masks/NAME.png`` whose values are lines of ``classes.txt``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image, read_image
from edgeattr.core.errors import InputError

UPPER_GARMENTS = frozenset({
    "blazer", "blouse", "cape", "cardigan", "coat", "hoodie", "jacket", "jumper", "shirt",
    "sweater", "sweatshirt", "t-shirt", "top", "vest",
})  # fmt: skip
"""Classes that are worn on the upper body."""

FORMAL = frozenset({"suit", "tie"})
"""Tags of formal clothes."""

_MARGIN = 0.04  # around a person's box, as a share of its height
_FOLDS = 0.6  # how much of the differences of lightness stays when clothes are painted


@dataclass(frozen=True, eq=False)
class Photo:
    """One person, and what they wear."""

    path: Path
    box: tuple[int, int, int, int]  # x, y, w, h in pixels; a width of 0: not known
    tags: frozenset[str]
    mask_path: Path
    classes: tuple[str, ...]

    def read(self) -> Image:
        """The person cut out, uint8 BGR."""
        return read_image(self.path)[self._part]

    def mask(self, *classes: str) -> npt.NDArray[np.bool_]:
        """Where any of these classes is, in the picture that :meth:`read` gives, [h, w]."""
        found = cv2.imread(str(self.mask_path), cv2.IMREAD_UNCHANGED)
        if found is None:
            raise InputError(f"{self.mask_path}: no mask that can be read")
        return np.isin(found[self._part], [self.classes.index(name) for name in classes])

    @property
    def _part(self) -> tuple[slice, slice]:
        x, y, width, height = self.box
        return (slice(y, y + height), slice(x, x + width)) if width else (slice(None), slice(None))


def photos(folder: Path, *, with_masks: bool = False) -> Iterator[Photo]:
    """All photos of the folder in the order of its table, or those that have a mask and a box."""
    classes = tuple((folder / "classes.txt").read_text(encoding="utf-8").split())
    with (folder / "labels.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            box = _box(row["person_box_ltrb"])
            if box[2] or not with_masks:
                path = folder / row["path"]
                mask = folder / "masks" / f"{path.stem}.png"
                yield Photo(path, box, frozenset(row["tags"].split()), mask, classes)


def cut_out(folder: Path, name: str, *, least_part: float = 0.0) -> npt.NDArray[np.uint8]:
    """A person cut out along the mask.

    Args:
        folder: of the data set.
        name: of the photo and its mask, without suffix.
        least_part: share of the masked pixels that a part of the mask must have to be kept.

    Returns:
        uint8 [h, w, 4]: blue, green, red, opacity.
    """
    found = cv2.imread(str(folder / "masks" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
    mask = (np.asarray(found) > 0).astype(np.uint8)
    if least_part:
        count, parts, stats, _ = cv2.connectedComponentsWithStats(mask)
        least = least_part * mask.sum()
        kept = [part for part in range(1, count) if stats[part, cv2.CC_STAT_AREA] > least]
        mask = np.isin(parts, kept).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(mask)
    whole = np.dstack((read_image(folder / "images" / f"{name}.jpg"), mask * 255))
    return np.ascontiguousarray(whole[y : y + height, x : x + width])


def painted(image: Image, where: npt.NDArray[np.bool_], paint: tuple[float, float, float]) -> Image:
    """A picture with one part in another colour, its folds and shadows kept.

    Args:
        image: uint8 [h, w, 3], BGR.
        where: [h, w], what is painted; at least one pixel.
        paint: lightness 0..100, a and b of CIELAB.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)
    lightness = lab[..., 0]
    anew = np.empty_like(lab)
    anew[..., 0] = np.clip(paint[0] + _FOLDS * (lightness - lightness[where].mean()), 2, 98)
    anew[..., 1:] = paint[1:]
    share = cv2.GaussianBlur(where.astype(np.float32), (0, 0), 0.7)[..., None]
    mixed = cv2.cvtColor(lab * (1 - share) + anew * share, cv2.COLOR_LAB2BGR)
    result: Image = np.clip(np.rint(mixed * 255), 0, 255).astype(np.uint8)
    return result


def _box(edges: str) -> tuple[int, int, int, int]:
    if not edges.strip():
        return (0, 0, 0, 0)
    left, top, right, bottom = map(float, edges.split())
    margin = _MARGIN * (bottom - top)
    x, y = max(0, int(left - margin)), max(0, int(top - margin))
    return (x, y, int(right + margin) - x, int(bottom + margin) - y)
