"""The deletion check: blur a window of the crop, and see how far an attribute's log-odds fall.

Windows have a sixth of the crop's area and lie inside it. They are put where a mask has the most
and the least of its sum, where another attribute's mask of another group has the most (is it this
attribute's place, or just the person?), and at random.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle import Bundle
from edgeattr.core.crops import Image, evenly
from edgeattr.core.decision import Decision
from edgeattr.explain.attention_maps import MaskGrid, mask_grids
from edgeattr_runtimes import Outputs, Runtime
from edgeattr_train.data.annotations import AttributeDataset

_WINDOW = 1 / 3, 1 / 2  # of the crop's height and width
_BLUR = 1 / 12  # standard deviation, of the crop's width
_SOFT = 1 / 40  # of the window's edge, so that it is no edge to be seen; of the width
_BATCH = 64  # crops
_SEED = 0

Corner = tuple[int, int]
"""Row and column where a window begins, pixels."""


@dataclass(frozen=True, eq=False)
class Deletions:
    """What blurring did: M images of attributes that were rightly answered yes."""

    ways: tuple[str, ...]  # W names of where the window was put
    attribute: npt.NDArray[np.int64]  # [M], position in the schema
    persons: npt.NDArray[np.int64]  # [M]
    drops: npt.NDArray[np.float64]  # [M, W], log-odds before less after


def delete(
    bundle: Bundle,
    runtime: Runtime,
    crops: npt.NDArray[np.uint8],
    outputs: Outputs,
    data: AttributeDataset,
    *,
    most: int,
) -> Deletions:
    """Blur up to so many rightly answered images of each attribute in every way.

    Args:
        bundle: the model.
        runtime: runs it.
        crops: uint8 [N, H, W, 3].
        outputs: of the crops, with masks.
        data: whose crops they are.
        most: images for each attribute.
    """
    decision = Decision(
        schema=bundle.schema, thresholds=bundle.thresholds, scale=bundle.scale,
        offset=bundle.offset, include_sensitive=True,
    )  # fmt: skip
    before = decision.log_odds(outputs.logits)
    right = (before > decision.limits) & (data.labels > 0)
    chosen = [
        (c, places[k])
        for c in range(len(bundle.schema))
        if len(places := np.flatnonzero(right[:, c]))
        for k in evenly(len(places), most)
    ]
    grids = mask_grids(bundle, [mask.shape[2:] for mask in outputs.attention])
    ways = _ways(grids)
    rng, drops = np.random.default_rng(_SEED), []
    for start in range(0, len(chosen), _BATCH):
        part = chosen[start : start + _BATCH]
        changed = [
            blurred(crops[n], corner)
            for c, n in part
            for corner in _corners(bundle, outputs, grids, crops[n].shape[:2], n, c, rng)
        ]
        after = decision.log_odds(runtime.infer(np.stack(changed)).logits)
        for k, (c, n) in enumerate(part):
            drops.append(before[n, c] - after[k * len(ways) : (k + 1) * len(ways), c])
    return Deletions(
        ways,
        np.array([c for c, _ in chosen]),
        np.array([data.persons[n] for _, n in chosen]),
        np.stack(drops),
    )


def blurred(crop: Image, corner: Corner) -> Image:
    """A crop of which a window is blurred until nothing can be told there."""
    height, width = crop.shape[:2]
    rows, columns = round(_WINDOW[0] * height), round(_WINDOW[1] * width)
    alpha = np.zeros((height, width), np.float32)
    alpha[corner[0] : corner[0] + rows, corner[1] : corner[1] + columns] = 1
    alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), _SOFT * width))[:, :, None]
    soft = cv2.GaussianBlur(crop, (0, 0), _BLUR * width)
    return np.asarray(np.rint(crop * (1 - alpha) + soft * alpha), np.uint8)


def _ways(grids: tuple[MaskGrid, ...]) -> tuple[str, ...]:
    own = [f"{kind}, stride {grid.stride}" for grid in grids for kind in ("most", "least")]
    return (*own, "another attribute's most", "random")


def _corners(
    bundle: Bundle,
    outputs: Outputs,
    grids: tuple[MaskGrid, ...],
    size: tuple[int, int],
    n: int,
    c: int,
    rng: np.random.Generator,
) -> list[Corner]:
    """Where the window is put, in the order of :func:`_ways`."""
    found = []
    for mask, grid in zip(outputs.attention, grids, strict=True):
        sums = _sums(grid.upsampled(mask[n, c], *size))
        found += [_at(sums.argmax(), sums), _at(sums.argmin(), sums)]
    group = bundle.schema.attributes[c].group
    others = [k for k, entry in enumerate(bundle.schema.attributes) if entry.group != group]
    sums = _sums(grids[0].upsampled(outputs.attention[0][n, rng.choice(others)], *size))
    return [*found, _at(sums.argmax(), sums), _at(rng.integers(sums.size), sums)]


def _sums(mask: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Of a mask under the window, for each place of its corner."""
    rows, columns = (round(part * side) for part, side in zip(_WINDOW, mask.shape, strict=True))
    total = cv2.integral(mask, sdepth=cv2.CV_64F)
    return np.asarray(
        total[rows:, columns:] - total[:-rows, columns:] - total[rows:, :-columns]
        + total[:-rows, :-columns]
    )  # fmt: skip


def _at(place: np.integer, sums: npt.NDArray[np.float64]) -> Corner:
    row, column = np.unravel_index(int(place), sums.shape)
    return int(row), int(column)
