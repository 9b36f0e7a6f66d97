"""A loaded model: crops in, attributes out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeattr.bundle import Bundle
from edgeattr.closing import Closing
from edgeattr.crops import as_bgr, cut_boxes, fill_crops
from edgeattr.errors import InputError, UsageError
from edgeattr.hub import resolve_bundle
from edgeattr.prediction import Decision, Prediction

if TYPE_CHECKING:
    from edgeattr_runtimes import Runtime, RuntimeInfo

__all__ = ["AttributeModel", "load"]

ImageLike = npt.ArrayLike
"""One picture: see :func:`edgeattr.crops.as_bgr`."""

Boxes = Sequence[Sequence[float]] | npt.NDArray[Any]
"""Left, top, right, bottom of each, pixels: [N, 4]."""

Crops = Sequence[npt.ArrayLike] | npt.NDArray[Any]
"""Images of one person each: a list of arrays, or one array [N, h, w, 3]."""


def load(
    model: str | os.PathLike[str] | None = None,
    *,
    runtime: str = "auto",
    precision: str = "auto",
    device: str | None = None,
    threads: int | None = None,
    streams: int | None = None,
    batch: int | None = None,
    include_sensitive: bool = False,
) -> AttributeModel:
    """Load a bundle on the best engine of this device.

    Args:
        model: a bundle's path, or nothing for the one that comes with edgeattr; or a checkpoint
            of training (``best.pt``), which PyTorch runs.
        runtime: ``auto``, ``onnxruntime``, ``openvino``, ``tensorrt`` or ``torch``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``int8``.
        device: of the engine: ``cpu``; with onnxruntime-gpu ``cuda`` and ``tensorrt``; on OpenVINO
            ``gpu``, ``npu`` and ``auto``; on TensorRT ``cuda``. The engine chooses where absent.
        threads: of the processor, that the engine may use in all; all cores where absent.
        streams: batches that run at once; the engine chooses where absent.
        batch: crops a run, at most; the engine chooses where absent.
        include_sensitive: whether predictions show age and gender.

    Raises:
        BundleError: the bundle is missing, damaged, or answers wrongly on this device.
        UsageError: no such runtime, precision or device.
        RuntimeFailure: the engine cannot be started.

    Example:
        >>> model = edgeattr.load()
        >>> [prediction.present for prediction in model.predict(crops)]
    """
    from edgeattr_runtimes import EngineOptions, open_checkpoint, open_runtime

    options = EngineOptions(device=device, threads=threads, streams=streams, batch=batch)
    path = resolve_bundle(model)
    if path.suffix == ".pt":
        if runtime not in ("auto", "torch") or precision not in ("auto", "fp32"):
            raise UsageError(f"{path} is a checkpoint: PyTorch runs it in fp32, nothing else does")
        bundle, opened = open_checkpoint(path, options)
    else:
        bundle = Bundle.read(path)
        opened = open_runtime(bundle, runtime, precision, options)
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

    def predict_boxes(self, frame: ImageLike, boxes: Boxes) -> list[Prediction]:
        """Read the attributes of people in a picture. Each box is resized straight from it.

        Args:
            frame: one picture, as :meth:`predict` takes crops.
            boxes: left, top, right, bottom of each person, pixels: [N, 4].

        Returns:
            One prediction per box, in order.

        Raises:
            InputError: the frame cannot be used, or a box has no pixels inside it.
            RuntimeFailure: the engine failed, or the model was closed.
        """
        return self.predict(cut_boxes(as_bgr(frame, name="the frame"), boxes))

    def logits(self, crops: Crops) -> npt.NDArray[np.float32]:
        """Raw scores, float32 [N, C] in schema order; arguments and errors as :meth:`predict`."""
        if not hasattr(crops, "__len__") or not hasattr(crops, "__getitem__"):
            raise InputError(f"crops are {type(crops).__name__}; expected a list of images")
        if isinstance(crops, np.ndarray) and crops.ndim < 4:
            raise InputError(
                f"one array of shape {crops.shape} is not a list of crops: predict([crop])"
            )

        def fill(first: int, out: npt.NDArray[np.uint8]) -> None:
            fill_crops(crops, out, first=first)

        return self._runtime.infer_filled(len(crops), fill).logits

    def describe(self) -> RuntimeInfo:
        """What runs, and where."""
        return self._runtime.describe()

    def close(self) -> None:
        """Release the engine once the batches that run have ended. May be called twice."""
        self._runtime.close()
