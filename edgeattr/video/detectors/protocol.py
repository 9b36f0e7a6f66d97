"""What a detector is, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image

__all__ = ["Detections", "Detector"]


_Self = TypeVar("_Self", bound="Detector")  # typing.Self is of Python 3.11


@dataclass(frozen=True, eq=False)
class Detections:
    """People found in one frame."""

    boxes: npt.NDArray[np.float32]  # [n, 4]: left, top, right, bottom, pixels, inside the frame
    scores: npt.NDArray[np.float32]  # [n], 0..1, falling

    def __len__(self) -> int:
        return len(self.scores)


class Detector(Protocol):
    """Finds people."""

    @property
    def name(self) -> str:
        """For logs and reports: a known name, or the file's."""
        ...

    @property
    def engine(self) -> str:
        """What computes: ``onnxruntime``, ``openvino``."""
        ...

    @property
    def precision(self) -> str:
        """``fp32``, ``fp16`` or ``int8`` of a bundle, ``as it is`` of other files."""
        ...

    @property
    def in_order(self) -> bool:
        """Whether it must see the frames of one stream in order, and no other stream's.

        Where not, any number of threads may call :meth:`detect` at once.
        """
        ...

    def detect(self, image: Image) -> Detections:
        """People in an image, uint8 [H, W, 3] BGR, best first."""
        ...

    def for_stream(self) -> Detector:
        """The detector for one more stream: itself, or a fresh one where order matters."""
        ...

    def __enter__(self: _Self) -> _Self:
        """Itself; closed at the end of the block."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def close(self) -> None:
        """Release everything. May be called twice."""
        ...
