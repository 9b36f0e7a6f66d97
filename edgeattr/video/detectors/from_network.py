"""What detectors that run a network share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import cv2
import numpy.typing as npt

from edgeattr.core.closing import Closing
from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError, RuntimeFailure
from edgeattr.video.detectors.protocol import Detections
from edgeattr_runtimes.network import Network, Picture, Port, Prepared

__all__ = ["Arrays", "NetworkDetector", "picture_of"]

Arrays = list[npt.NDArray[Any]]
"""A network's outputs, in its order."""

_FLOATS = ("float32", "float16")
_Self = TypeVar("_Self", bound="NetworkDetector")


class NetworkDetector(Closing, ABC):
    """A detector that runs a network on one picture at a time; threads may share it.

    Args:
        network: of the family's interface.
        name: for logs and reports.
        min_score: people less certain than this are left out.

    Raises:
        InputError: the network is of another interface.
        RuntimeFailure: the engine cannot run it.
    """

    interface: ClassVar[str]  # of the family, in words
    in_order = False
    precision = "as it is"

    def __init__(self, network: Network, name: str, min_score: float) -> None:
        picture = self.recognise(network)
        if picture is None:
            raise InputError(f"{name} is not of the interface {self.interface}")
        self.name, self.engine = name, network.engine
        self._min_score = min_score
        self._picture = picture
        self._prepared: Prepared | None = network.prepare(picture)

    @classmethod
    @abstractmethod
    def recognise(cls, network: Network) -> Picture | None:
        """What a network of this family wants its picture to be; None for all others."""

    def detect(self, image: Image) -> Detections:
        """See :meth:`Detector.detect`.

        Raises:
            RuntimeFailure: the engine failed, or the detector was closed.
        """
        with self._opened().slot() as slot:
            self._fill(image, slot.picture)
            return self._people(slot.run(self._others(image)), image.shape)

    def for_stream(self: _Self) -> _Self:
        """Itself."""
        return self

    def close(self) -> None:
        """Release the network; calls that run come to their end. May be called twice."""
        self._prepared = None

    def _opened(self) -> Prepared:
        prepared = self._prepared
        if prepared is None:
            raise RuntimeFailure(f"the detector {self.name} was closed")
        return prepared

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
    return Picture(name=min(port.names), height=height, width=width, rgb=rgb, scale=scale)
