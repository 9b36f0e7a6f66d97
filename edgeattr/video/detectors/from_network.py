"""What detectors that run a network share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.closeable import Closeable
from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError, RuntimeFailure
from edgeattr.video.detectors.protocol import Detections
from edgeattr_runtimes.session import Port, Session

__all__ = ["Arrays", "NetworkDetector", "Picture", "picture_of"]

Arrays = list[npt.NDArray[Any]]
"""A network's outputs, in its order."""

_FLOATS = ("float32", "float16")
_Self = TypeVar("_Self", bound="NetworkDetector")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What a network's input for a picture, [1, 3, height, width], holds."""

    name: str  # of the input
    height: int  # rows
    width: int  # columns
    rgb: bool = False  # red first instead of blue
    scale: float = 1.0  # pixels of 0..255 are multiplied by this

    def put(self, image: Image, planes: npt.NDArray[Any]) -> None:
        """Write an image [height, width, 3], BGR, into the input's planes [3, height, width]."""
        order = (2, 1, 0) if self.rgb else (0, 1, 2)
        # splitting the bytes first is twice as fast as one transposing conversion
        for plane, place in zip(cv2.split(image), order, strict=True):
            if self.scale == 1.0:
                planes[place] = plane
            else:
                np.multiply(plane, self.scale, out=planes[place], casting="unsafe")


class NetworkDetector(Closeable, ABC):
    """A detector that runs a network on one picture at a time; threads may share it.

    Args:
        network: of the family's interface; closed with this.
        name: for logs and reports.
        min_score: people less certain than this are left out.

    Raises:
        InputError: the network is of another interface.
        RuntimeFailure: the engine cannot run it.
    """

    interface: ClassVar[str]  # of the family, in words
    in_order = False
    precision = "as it is"

    def __init__(self, network: Session, name: str, min_score: float) -> None:
        picture = self.recognise(network)
        if picture is None:
            raise InputError(f"{name} is not of the interface {self.interface}")
        self.name, self.engine = name, network.engine
        self._min_score = min_score
        self._picture = picture
        self._session = network.fixed({picture.name: (1, 3, picture.height, picture.width)})
        self._closed = False

    @classmethod
    @abstractmethod
    def recognise(cls, network: Session) -> Picture | None:
        """What a network of this family wants its picture to be; None for all others."""

    def detect(self, image: Image) -> Detections:
        """See :meth:`Detector.detect`.

        Raises:
            RuntimeFailure: the engine failed, or the detector was closed.
        """
        if self._closed:
            raise RuntimeFailure(f"the detector {self.name} was closed")
        picture: Image = np.empty((self._picture.height, self._picture.width, 3), np.uint8)
        self._fill(image, picture)
        with self._session.lent() as slot:
            self._picture.put(picture, slot.inputs[self._picture.name][0])
            for name, array in self._others(image).items():
                slot.inputs[name][...] = array
            return self._people(slot.run(), image.shape)

    def for_stream(self: _Self) -> _Self:
        """Itself."""
        return self

    def close(self) -> None:
        """Release the network; calls that run come to their end. May be called twice."""
        self._closed = True
        self._session.close()

    def _outputs(self, value: int) -> Arrays:
        """What the network gives for a picture of one value."""
        with self._session.lent() as slot:
            slot.inputs[self._picture.name][...] = value * self._picture.scale
            return [found.copy() for found in slot.run()]

    def _fill(self, image: Image, picture: Image) -> None:
        """Stretch the image to the network's picture."""
        cv2.resize(image, picture.shape[1::-1], dst=picture, interpolation=cv2.INTER_LINEAR)

    def _others(self, image: Image) -> Mapping[str, npt.NDArray[Any]]:
        """The network's other inputs."""
        return {}

    @abstractmethod
    def _people(self, outputs: Arrays, shape: tuple[int, ...]) -> Detections:
        """People in the network's outputs, in pixels of an image of this shape."""


def picture_of(
    port: Port, *, free: int | None = None, rgb: bool = False, scale: float = 1.0
) -> Picture | None:
    """What an input wants, or None where it is no picture, [1, 3, height, width] of floats.

    Args:
        port: the input.
        free: height and width where the network leaves them free; None: it must not.
        rgb: see :class:`Picture`.
        scale: see :class:`Picture`.
    """
    if len(port.shape) != 4 or port.shape[0] not in (1, None) or port.shape[1] not in (3, None):
        return None
    height, width = (side or free for side in port.shape[2:])
    if not height or not width or port.dtype not in _FLOATS:
        return None
    return Picture(name=port.name, height=height, width=width, rgb=rgb, scale=scale)
