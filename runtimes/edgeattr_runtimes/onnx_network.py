"""ONNX files of other people on ONNX Runtime, a picture at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import RuntimeFailure
from edgeattr_runtimes.network import Array, Picture, Port, Spares
from edgeattr_runtimes.onnx_engine import open_session

__all__ = ["OnnxNetwork"]

_DTYPES = {  # ONNX Runtime's names -> NumPy's
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}


class OnnxNetwork:
    """See :func:`edgeattr_runtimes.network.open_network`."""

    engine = "onnxruntime"

    def __init__(self, path: Path, threads: int | None) -> None:
        self._session: Any = open_session(str(path), threads)
        self.inputs = tuple(map(_port, self._session.get_inputs()))
        self.outputs = tuple(map(_port, self._session.get_outputs()))

    def prepare(self, picture: Picture) -> Spares[_Slot]:
        """Make it take pictures."""
        dtype = next(port.dtype for port in self.inputs if picture.name in port.names)
        return Spares(lambda: _Slot(self._session, picture, np.dtype(dtype)))


class _Slot:
    """A picture, and its colour planes as the network takes them."""

    def __init__(self, session: Any, picture: Picture, dtype: np.dtype[Any]) -> None:
        self.picture: npt.NDArray[np.uint8]
        self.picture = np.zeros((picture.height, picture.width, 3), np.uint8)
        self._session, self._wanted = session, picture
        self._planes = np.empty((1, 3, picture.height, picture.width), dtype)

    def run(self, others: Mapping[str, Array]) -> list[Array]:
        order = (2, 1, 0) if self._wanted.rgb else (0, 1, 2)
        # splitting the bytes first is twice as fast as one transposing conversion
        for plane, place in zip(cv2.split(self.picture), order, strict=True):
            if self._wanted.scale == 1.0:
                self._planes[0, place] = plane
            else:
                np.multiply(plane, self._wanted.scale, out=self._planes[0, place], casting="unsafe")
        try:
            found: list[Array] = self._session.run(
                None, {self._wanted.name: self._planes, **others}
            )
        except Exception as error:  # ONNX Runtime's exceptions share no public base class
            raise RuntimeFailure(f"ONNX Runtime failed: {error}") from error
        return found


def _port(entry: Any) -> Port:
    return Port(
        names=frozenset([entry.name]),
        shape=tuple(side if isinstance(side, int) else None for side in entry.shape),
        dtype=_DTYPES.get(entry.type, entry.type),
    )
