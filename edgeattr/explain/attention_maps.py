"""Where a model looked: its own attention masks over the crop, for each answer.

The network has, at each of its scales, one mask per attribute: the spatial softmax of Eq. 2 in
Sarafianos et al. (ECCV 2018), a[c, h, w] = exp(z[c, h, w]) / sum_hw exp(z[c]). It sums to 1 as it
is; dividing by its sum here takes away what rounding left. The scales of the paper's score-level
aggregation weigh alike, so their mean sums to 1 too.

A mask says where features were taken from, not whether they spoke for or against the attribute.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle import Bundle
from edgeattr.core.crops import Image
from edgeattr.core.label_ranking import LabelRanking
from edgeattr.core.prediction import Prediction

Mask = npt.NDArray[np.float32]

_HALVED_BY_2X2 = ("densenet", "osnet")  # backbones whose later halvings average 2x2 cells
_ODD_KERNELS = ("mobilenet", "resnet")  # and those that halve by centred 3x3 kernels alone
_DIGITS = 8  # after the point, of masks in JSON


@dataclass(frozen=True, kw_only=True)
class MaskGrid:
    """Where the cells of a mask lie in the crop.

    A cell is centred on its receptive field, ``first + stride * i`` pixels from the crop's edge,
    which need not be the middle of the tile of stride x stride pixels that it seems to stand for:
    a centred 3x3 kernel of stride 2 looks at pixels 2i - 1, 2i, 2i + 1.
    """

    rows: int
    columns: int
    stride: int  # pixels from one cell's centre to the next one's
    first: float  # of the first cell's centre, pixels from the top and from the left edge

    @property
    def row_centres(self) -> npt.NDArray[np.float64]:
        """Of each row, pixels from the top edge, [rows]."""
        return self.first + self.stride * np.arange(self.rows, dtype=np.float64)

    @property
    def column_centres(self) -> npt.NDArray[np.float64]:
        """Of each column, pixels from the left edge, [columns]."""
        return self.first + self.stride * np.arange(self.columns, dtype=np.float64)

    def upsampled(self, mask: Mask, height: int, width: int) -> Mask:
        """A mask at the crop's size, not shifted: cubic between the cells' centres.

        Args:
            mask: [rows, columns].
            height, width: of the crop, pixels.

        Returns:
            float32 [height, width], 0 or above, sums to 1.
        """
        # a pixel's middle is at x + 0.5; beyond the outer cells their value goes on
        columns = (np.arange(width, dtype=np.float32) + 0.5 - self.first) / self.stride
        rows = (np.arange(height, dtype=np.float32) + 0.5 - self.first) / self.stride
        x, y = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
        smooth = cv2.remap(mask, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return _normalised(np.maximum(smooth, 0.0))


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """What the model says of one crop, and where it looked for it."""

    prediction: Prediction  # of the run that gave the masks
    crop: Image  # uint8 [H, W, 3], BGR: as the model saw it
    masks: Mapping[str, tuple[Mask, ...]]  # by reported attribute: float32 [h, w] for each scale,
    # the finest first; each sums to 1
    grids: tuple[MaskGrid, ...]  # of each scale
    ranking: LabelRanking  # order and words of the attributes, for people

    def upsampled(self, name: str) -> tuple[Mask, ...]:
        """An attribute's masks at the crop's size: float32 [H, W] each, sums to 1.

        Raises:
            KeyError: no such attribute, or one that is not reported.
        """
        height, width = self.crop.shape[:2]
        pairs = zip(self.masks[name], self.grids, strict=True)
        return tuple(grid.upsampled(mask, height, width) for mask, grid in pairs)

    def mean(self, name: str) -> Mask:
        """The mean over the scales at the crop's size: float32 [H, W], sums to 1.

        Raises:
            KeyError: no such attribute, or one that is not reported.
        """
        return np.asarray(np.mean(self.upsampled(name), axis=0), np.float32)

    def to_json(self) -> dict[str, Any]:
        """The crop's size, where cells lie, and by attribute probability, answer and masks."""
        return {
            "input": {"height": self.crop.shape[0], "width": self.crop.shape[1]},
            "scales": [
                {
                    "stride": grid.stride,
                    "first_centre": grid.first,
                    "rows": grid.rows,
                    "columns": grid.columns,
                }
                for grid in self.grids
            ],
            "attributes": {
                name: {
                    **self.prediction.attributes[name].to_json(),
                    "masks": [
                        np.round(mask.astype(np.float64), _DIGITS).tolist() for mask in masks
                    ],
                }
                for name, masks in self.masks.items()
            },
        }


def explanations(
    bundle: Bundle,
    predictions: Sequence[Prediction],
    crops: npt.NDArray[np.uint8],
    attention: Sequence[Mask],
) -> list[Explanation]:
    """Put masks beside what is said of each crop.

    Args:
        bundle: the model.
        predictions: of the run that returned the masks, N.
        crops: as the engine took them, uint8 [N, H, W, 3].
        attention: masks of each scale, [N, C, h, w], the finest first.
    """
    grids = mask_grids(bundle, [(scale.shape[2], scale.shape[3]) for scale in attention])
    ranking = LabelRanking.of_bundle(bundle)
    return [
        Explanation(
            prediction=prediction,
            crop=crop,
            masks={
                name: tuple(
                    _normalised(scale[place, bundle.schema.index(name)]) for scale in attention
                )
                for name in prediction.attributes
            },
            grids=grids,
            ranking=ranking,
        )
        for place, (crop, prediction) in enumerate(zip(crops, predictions, strict=True))
    ]


def mask_grids(bundle: Bundle, sizes: Sequence[tuple[int, int]]) -> tuple[MaskGrid, ...]:
    """Where the cells of a model's masks lie.

    MobileNets and ResNets halve by kernels of odd size with equal padding: cell i of a map of
    stride s is centred on pixel s * i, s * i + 0.5 from the edge. Where 2x2 cells are averaged
    after the first two halvings (DenseNet, OSNet), it is s * i + s / 2 - 1.5. Of a network that the
    bundle says nothing of, cells are taken for tiles, s * i + s / 2.

    Args:
        bundle: the model; its training recipe names the backbone.
        sizes: rows and columns of each mask.
    """
    recipe = bundle.training.get("recipe") or {}
    backbone = str((recipe.get("model") or {}).get("backbone", ""))
    grids = []
    for rows, columns in sizes:
        stride = 2 ** round(np.log2(bundle.input.height / rows))
        grids.append(
            MaskGrid(
                rows=rows, columns=columns, stride=stride, first=first_centre(backbone, stride)
            )
        )
    return tuple(grids)


@functools.lru_cache
def first_centre(backbone: str, stride: int) -> float:
    if backbone.startswith(_ODD_KERNELS):
        return 0.5
    if backbone.startswith(_HALVED_BY_2X2):
        return stride / 2 - 1.5
    return stride / 2


def _normalised(mask: npt.NDArray[Any]) -> Mask:
    """Float32 that sums to 1; an even share where there is nothing."""
    values = mask.astype(np.float64)
    total = values.sum()
    if not total > 0:
        return np.full(mask.shape, 1.0 / mask.size, np.float32)
    return np.asarray(values / total, np.float32)
