"""How a frame becomes a network's input: layout, colour order, scale, and where it is put."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image, resize_crop
from edgeattr.core.detection_bundle import GREY, fit_frame
from edgeattr_runtimes.session import Port

__all__ = ["FREE_SIDE", "Fit", "PictureInput", "Pixels", "Placement", "picture_input"]

FREE_SIDE = 640  # pixels of a side that a network leaves free: what most were trained at
_KINDS = ("float32", "float16", "uint8")

Placement = Literal["stretched", "corner", "centred"]
"""Stretched to the input's shape; or shrunk in proportion, with grey to the right and below, or
grey on both sides."""


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """What the numbers of an input mean, and where the frame lies in it."""

    rgb: bool = True  # red first instead of blue
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of 0..255, subtracted; as the channels
    deviation: tuple[float, float, float] = (255.0, 255.0, 255.0)  # the rest is divided by this
    placed: Placement = "centred"


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Where a frame lies in a network's picture."""

    scale: tuple[float, float]  # pixels of the picture for one of the frame, across and down
    left: int = 0  # pixels of the picture
    top: int = 0

    def to_frame(self, boxes: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Boxes [n, 4] in pixels of the picture, in pixels of the frame."""
        moved = boxes - np.array([self.left, self.top] * 2, np.float32)
        return (moved / np.array(self.scale * 2, np.float32)).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class PictureInput:
    """A network's input for pictures."""

    name: str
    shape: tuple[int | None, ...]  # of four sides; None where a side is free
    channels_last: bool
    is_bytes: bool  # uint8, which no scale applies to

    @property
    def sides(self) -> tuple[int | None, int | None]:
        """Height and width; None where they are free."""
        first = 1 if self.channels_last else 2
        return self.shape[first], self.shape[first + 1]

    def shape_of(self, height: int, width: int) -> tuple[int, ...]:
        """Of the whole input for pictures of this size; a batch that is free becomes 1."""
        sides = (height, width, 3) if self.channels_last else (3, height, width)
        return (self.shape[0] or 1, *sides)

    def put(self, picture: Image, memory: npt.NDArray[Any], pixels: Pixels) -> None:
        """Write a picture, [height, width, 3] BGR, into the first row of the input's memory."""
        planes = np.moveaxis(memory[0], 2, 0) if self.channels_last else memory[0]
        for place, channel in enumerate((2, 1, 0) if pixels.rgb else (0, 1, 2)):
            if self.is_bytes:
                planes[place] = picture[..., channel]
                continue
            mean, deviation = pixels.mean[place], pixels.deviation[place]
            # copying the bytes of a channel first is twice as fast as a strided conversion
            plane = np.ascontiguousarray(picture[..., channel])
            np.multiply(plane, np.float32(1 / deviation), out=planes[place], casting="unsafe")
            if mean:
                planes[place] -= np.float32(mean / deviation)


def picture_input(ports: Sequence[Port]) -> PictureInput | None:
    """The one input of a network that takes pictures, [N, 3, H, W] or [N, H, W, 3]; else None."""
    found = [_as_picture(port) for port in ports]
    pictures = [entry for entry in found if entry is not None]
    return pictures[0] if len(pictures) == 1 else None


def fit_into(frame: Image, picture: Image, placed: Placement) -> Fit:
    """Bring a frame to a network's picture, [height, width, 3], written to."""
    height, width = picture.shape[:2]
    across, down = width / frame.shape[1], height / frame.shape[0]
    if placed == "stretched":
        resize_crop(frame, height, width, out=picture)
        return Fit(scale=(across, down))
    left = top = 0
    if placed == "centred":
        scale = min(across, down)
        left = max(0, width - round(frame.shape[1] * scale)) // 2
        top = max(0, height - round(frame.shape[0] * scale)) // 2
        picture[:top], picture[:, :left] = GREY, GREY
    scale = fit_frame(frame, picture[top:, left:])
    return Fit(scale=(scale, scale), left=left, top=top)


def _as_picture(port: Port) -> PictureInput | None:
    if len(port.shape) != 4 or port.dtype not in _KINDS:
        return None
    if port.shape[1] == 3 or (port.shape[1] is None and port.shape[3] != 3):
        channels_last = False
    elif port.shape[3] == 3:
        channels_last = True
    else:
        return None
    return PictureInput(
        name=port.name,
        shape=port.shape,
        channels_last=channels_last,
        is_bytes=port.dtype == "uint8",
    )
