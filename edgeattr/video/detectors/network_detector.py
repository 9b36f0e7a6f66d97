"""A detector from somebody's network: what it gives tells of which format it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from edgeattr.core.closeable import Closeable
from edgeattr.core.crops import Image
from edgeattr.core.detection_bundle import GREY, input_size
from edgeattr.core.errors import InputError, RuntimeFailure
from edgeattr.video.detectors.decoders import Answer
from edgeattr.video.detectors.formats import (
    FORMATS,
    FREE_SIDE,
    Format,
    PictureInput,
    fit_into,
    format_of,
    picture_input,
    refusal,
)
from edgeattr.video.detectors.protocol import Detections, inside, suppress
from edgeattr_runtimes.session import Session, ShapedSessions

_SIZES = "orig_target_sizes"  # RT-DETR's second input: width and height of the picture
_STRIDE = 32  # sides that are free are multiples of this


class NetworkDetector(Closeable):
    """Runs a network on one frame at a time; threads may share it.

    A batch that the network fixes is filled up with what was there. Sides that it leaves free
    follow the frame's shape, where its format allows.

    Args:
        network: closed with this.
        name: for logs and reports.
        form: a key of :data:`FORMATS`; told by the network's outputs if None.
        size: longer side of the picture where the network leaves both free, or its height and
            width, pixels; 640 along the longer side if None.
        min_score: people less certain than this are left out; the format's own if None.

    Raises:
        InputError: of no format that is known, or of several.
        RuntimeFailure: the engine cannot run it.
    """

    precision = "as it is"

    def __init__(
        self,
        network: Session,
        name: str,
        *,
        form: str | None = None,
        size: int | tuple[int, int] | None = None,
        min_score: float | None = None,
    ) -> None:
        self.name, self.engine = name, network.engine
        self._size = size or FREE_SIDE
        self._input = _picture_input(network, name)
        self._has_sizes = len(network.inputs) > 1
        self._sessions = ShapedSessions(network)
        self._closed = False
        grey = np.full((*self._whole_sides(), 3), GREY, np.uint8)
        # of the formats, all of which take grey for grey, one that is not scaled
        with self._answer(grey, FORMATS[form or "yolox"]) as answer:
            self.format = form or format_of(answer, network, name)
            self._format = FORMATS[self.format]
            self.min_score = self._format.min_score if min_score is None else min_score
            try:
                self._format.people(answer, self.min_score)
            except InputError as error:
                raise InputError(f"{name}: {error}") from error
            except (LookupError, ValueError, TypeError) as error:
                raise InputError(
                    f"{name} is not of the format {self.format}, {self._format.interface}: it has "
                    f"the outputs {'; '.join(map(str, network.outputs))}"
                ) from error

    def detect(self, image: Image) -> Detections:
        """See :meth:`Detector.detect`.

        Raises:
            RuntimeFailure: the engine failed, or the detector was closed.
        """
        if self._closed:
            raise RuntimeFailure(f"the detector {self.name} was closed")
        form = self._format
        picture: Image = np.empty((*self.sides_for(image), 3), np.uint8)
        fit = fit_into(image, picture, form.pixels.placed)
        with self._answer(picture, form) as answer:
            boxes, scores = form.people(answer, self.min_score)
        boxes = fit.to_frame(boxes)
        if form.overlap is None:
            return inside(boxes, scores, image.shape)
        return suppress(boxes, scores, form.overlap, image.shape)

    def close(self) -> None:
        """Release the network; calls that run come to their end. May be called twice."""
        self._closed = True
        self._sessions.close()

    @contextlib.contextmanager
    def _answer(self, picture: Image, form: Format) -> Iterator[Answer]:
        """What the network gives for a picture, until the block ends."""
        height, width = picture.shape[:2]
        shapes: dict[str, tuple[int, ...]] = {self._input.name: self._input.shape_of(height, width)}
        if self._has_sizes:
            shapes[_SIZES] = (shapes[self._input.name][0], 2)
        session = self._sessions.of(shapes)
        with session.lent() as slot:
            self._input.put(picture, slot.inputs[self._input.name], form.pixels)
            if self._has_sizes:
                slot.inputs[_SIZES][...] = width, height
            yield Answer(ports=session.outputs, arrays=slot.run(), height=height, width=width)

    def sides_for(self, image: Image) -> tuple[int, int]:
        """Height and width of the picture for a frame."""
        free = self._input.sides == (None, None) and self._format.any_shape
        if not free or isinstance(self._size, tuple):
            return self._whole_sides()
        return input_size(image.shape, self._size, _STRIDE)

    def _whole_sides(self) -> tuple[int, int]:
        """Height and width of the network's picture, as asked for where they are free."""
        size = self._size if isinstance(self._size, tuple) else (self._size, self._size)
        height, width = (side or ours for side, ours in zip(self._input.sides, size, strict=True))
        return height, width


def _picture_input(network: Session, name: str) -> PictureInput:
    found = picture_input(network.inputs)
    others = [port for port in network.inputs if found is None or port.name != found.name]
    if found is None or any(port.names != {_SIZES} for port in others):
        raise refusal(network, name)
    return found
