"""Videos of people whose whereabouts are known: cut-outs that walk over an empty scene.

A person is a cut-out of Clothing Co-Parsing (`ccp/images`, `ccp/masks`) that sways and bobs as
people do who walk. Whoever stands further down in the picture is nearer and hides the others.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image
from edgeattr_train.data.clothing_parsing import cut_out

Cutout = npt.NDArray[np.uint8]
"""[H, W, 4], blue, green, red, opacity."""

Place = tuple[float, float, float]
"""x of the feet's middle, y of the feet, height, pixels."""

Box = tuple[float, float, float, float]

_STEPS = 1.8  # a second
_SWAY = 0.012  # of the height, to each side
_BOB = 0.008  # of the height


@dataclass(frozen=True)
class Walker:
    """A person on a path."""

    picture: Cutout
    path: Callable[[float], Place | None]  # by seconds; None: not in the scene

    def box(self, seconds: float) -> Box | None:
        """Left, top, right, bottom, pixels; may lie outside of the picture."""
        place = self.path(seconds)
        if place is None:
            return None
        x, y, height = place
        width = height * self.picture.shape[1] / self.picture.shape[0]
        return x - width / 2, y - height, x + width / 2, y


def cutout(ccp: Path, number: int) -> Cutout:
    """One person of Clothing Co-Parsing, cut out along the mask."""
    return cut_out(ccp, f"{number:04d}")


def empty_scene(video: Path, width: int, height: int, samples: int = 25) -> Image:
    """What a camera that does not move sees when nobody is there: the median of its frames."""
    capture = cv2.VideoCapture(str(video))
    frames = []
    while (read := capture.read())[0]:
        frames.append(cv2.resize(read[1], (width, height), interpolation=cv2.INTER_AREA))
    chosen = frames[:: max(1, len(frames) // samples)]
    return np.median(np.stack(chosen), axis=0).astype(np.uint8)


def draw(
    scene: Image, walkers: Sequence[Walker], seconds: float, posts: Sequence[Box] = ()
) -> Image:
    """One frame.

    Args:
        scene: without people.
        walkers: who is in it.
        seconds: of the frame.
        posts: parts of the scene that stand in front of everybody.
    """
    frame = scene.copy()
    placed = [(walker, place) for walker in walkers if (place := walker.path(seconds))]
    for walker, place in sorted(placed, key=lambda one: one[1][1]):
        _paste(frame, walker.picture, place, seconds)
    for left, top, right, bottom in (tuple(map(int, post)) for post in posts):
        frame[top:bottom, left:right] = scene[top:bottom, left:right]
    return frame


def write_made_video(path: Path, frames: Iterator[Image], rate: int) -> None:
    """Encode frames as H.264."""
    import av

    first = next(frames)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = first.shape[:2]
        for image in itertools.chain([first], frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))


def _paste(frame: Image, picture: Cutout, place: Place, seconds: float) -> None:
    x, y, tall = place
    scale = tall / picture.shape[0]
    phase = 2 * np.pi * _STEPS * seconds + x / 50
    sway, bob = _SWAY * tall * np.sin(phase), _BOB * tall * abs(np.sin(phase))
    reduced = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = reduced.shape[:2]
    lean = np.array([[1, -sway / tall, x - width / 2 + sway], [0, 1, y - height - bob]], np.float64)
    size = frame.shape[1], frame.shape[0]
    moved = cv2.warpAffine(reduced, lean, size, flags=cv2.INTER_LINEAR)
    rows = slice(max(0, int(y - height) - 4), max(0, int(y) + 4))
    columns = slice(max(0, int(x - width) - 4), max(0, int(x + width) + 4))
    opacity = moved[rows, columns, 3:].astype(np.float32) / 255
    part = frame[rows, columns]
    part[:] = (part * (1 - opacity) + moved[rows, columns, :3] * opacity).astype(np.uint8)
