"""A loaded model: crops in, attributes out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeattr.bundle import Bundle
from edgeattr.closing import Closing
from edgeattr.crops import stack_crops
from edgeattr.errors import InputError
from edgeattr.hub import resolve_bundle
from edgeattr.prediction import Decision, Prediction

if TYPE_CHECKING:
    from edgeattr_runtimes import Runtime, RuntimeInfo

__all__ = ["AttributeModel", "load"]

Crops = Sequence[npt.ArrayLike] | npt.NDArray[Any]
"""Images of one person each: a list of arrays, or one array [N, h, w, 3]."""

_PART = 64  # crops resized and inferred at a time: bounds memory for long lists


def load(
    model: str | os.PathLike[str] | None = None,
    *,
    runtime: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    include_sensitive: bool = False,
) -> AttributeModel:
    """Load a bundle on the best engine of this device.

    Args:
        model: a bundle's path, or nothing for the one that comes with edgeattr.
        runtime: ``auto``, ``onnxruntime``, ``openvino`` or ``tensorrt``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``int8``.
        threads: that one call may use; all cores where absent.
        include_sensitive: whether predictions show age and gender.

    Raises:
        BundleError: the bundle is missing, damaged, or answers wrongly on this device.
        UsageError: no such runtime or precision.
        RuntimeFailure: the engine cannot be started.

    Example:
        >>> model = edgeattr.load()
        >>> [prediction.present for prediction in model.predict(crops)]
    """
    from edgeattr_runtimes import open_runtime

    bundle = Bundle.read(resolve_bundle(model))
    opened = open_runtime(bundle, runtime, precision, threads=threads)
    return AttributeModel(bundle, opened, include_sensitive=include_sensitive)


class AttributeModel(Closing):
    """A bundle on an engine. Safe to call from several threads; a context manager.

    Args:
        bundle: what the model is.
        runtime: what runs it; closed with the model.
        include_sensitive: whether predictions show age and gender.
    """

    def __init__(
        self, bundle: Bundle, runtime: Runtime, *, include_sensitive: bool = False
    ) -> None:
        self.bundle = bundle
        self._runtime = runtime
        self.decision = Decision(
            schema=bundle.schema,
            thresholds=bundle.thresholds,
            scale=bundle.scale,
            offset=bundle.offset,
            include_sensitive=include_sensitive,
        )

    def predict(self, crops: Crops) -> list[Prediction]:
        """Read the attributes of people.

        Args:
            crops: one image of one person each, any size: uint8 [h, w, 3] BGR as OpenCV gives,
                or grey [h, w], BGRA [h, w, 4], float 0..1. May be empty.

        Returns:
            One prediction per crop, in order.

        Raises:
            InputError: a crop cannot be used; the text gives its place in the list.
            RuntimeFailure: the engine failed, or the model was closed.
        """
        return [Prediction(self.decision.answers(row), row) for row in self.logits(crops)]

    def logits(self, crops: Crops) -> npt.NDArray[np.float32]:
        """Raw scores, float32 [N, C] in schema order; arguments and errors as :meth:`predict`."""
        if isinstance(crops, np.ndarray) and crops.ndim < 4:
            raise InputError(
                f"one array of shape {crops.shape} is not a list of crops: predict([crop])"
            )
        size = self.bundle.input.height, self.bundle.input.width
        parts = [
            self._runtime.infer(stack_crops(crops[start : start + _PART], *size, first=start))
            for start in range(0, len(crops), _PART)
        ]
        if not parts:
            return np.empty((0, len(self.bundle.schema)), np.float32)
        return np.concatenate([part.logits for part in parts])

    def describe(self) -> RuntimeInfo:
        """What runs, and where."""
        return self._runtime.describe()

    def close(self) -> None:
        """Release the engine. May be called twice."""
        self._runtime.close()
