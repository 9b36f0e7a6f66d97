"""A loaded model: crops in, attributes out."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle import Bundle
from edgeattr.core.closeable import Closeable
from edgeattr.core.crops import cut_boxes, fill_crops, is_bgr
from edgeattr.core.decision import Decision
from edgeattr.core.errors import BundleError, InputError, RuntimeFailure, UsageError
from edgeattr.core.hub import resolve_bundle
from edgeattr.core.prediction import VISIBLE, Prediction
from edgeattr.core.schema import PARTS, AttributeSchema
from edgeattr.explain.attention_maps import Explanation, explanations

if TYPE_CHECKING:
    from edgeattr_runtimes import EngineOptions, Outputs, Runtime, RuntimeInfo
    from edgeattr_runtimes.protocol import Fill


class _Array(Protocol):
    """What becomes an array of NumPy's: a tensor, a picture of Pillow's."""

    def __array__(self) -> npt.NDArray[Any]: ...


ImageLike = npt.NDArray[Any] | _Array | Sequence[Sequence[float] | Sequence[Sequence[float]]]
"""One picture: see :func:`edgeattr.core.crops.as_bgr`."""

Boxes = Sequence[Sequence[float] | npt.NDArray[Any]] | npt.NDArray[Any]
"""Left, top, right, bottom of each, pixels: [N, 4]."""

Crops = Sequence[ImageLike] | npt.NDArray[Any]
"""Images of one person each: a list of arrays, or one array [N, h, w, 3]."""

_OpenExplaining = Callable[["EngineOptions"], "Runtime"]

_EXPLAINED_AT_ONCE = 8  # crops a run of the engine that gives masks


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

    Where runtime, precision and device are left open, what is best but cannot be started, or
    answers wrongly here, makes room for the next; the logger ``edgeattr`` warns of it.

    Args:
        model: a bundle's path, or nothing for the one that comes with edgeattr; or a checkpoint
            of training (``best.pt``), which PyTorch runs.
        runtime: ``auto``, ``onnxruntime``, ``openvino``, ``tensorrt`` or ``torch``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``int8``.
        device: of the engine: ``cpu``; with onnxruntime-gpu ``cuda`` and ``tensorrt``; on OpenVINO
            ``gpu``, ``npu`` and ``auto``; on TensorRT ``cuda``. The engine chooses if None;
            where the engine is not named, one that has the device is taken.
        threads: of the processor, that the engine may use in all; all cores if None.
        streams: batches that run at once; the engine chooses if None.
        batch: crops a run, at most; the engine chooses if None.
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
    if path.exists() and not (path.is_dir() or path.is_file()):  # a device or pipe might never end
        raise BundleError(f"{path} is neither a directory nor a file; see: edgeattr models list")
    explaining: _OpenExplaining | None = None
    if path.suffix == ".pt":
        if runtime not in ("auto", "torch") or precision not in ("auto", "fp32"):
            raise UsageError(f"{path} is a checkpoint: PyTorch runs it in fp32, nothing else does")
        bundle, opened = open_checkpoint(path, options)
        explaining = _checkpoint_opener(path)
    else:
        bundle = Bundle.read(path)
        opened = open_runtime(bundle, runtime, precision, options)
    return AttributeModel(
        bundle, opened, include_sensitive=include_sensitive, open_explaining=explaining
    )


class AttributeModel(Closeable):
    """A bundle on an engine. Safe to call from several threads; a context manager.

    Args:
        bundle: what the model is.
        runtime: what runs it; closed with the model.
        include_sensitive: whether predictions show age and gender.
        open_explaining: opens what gives attention masks; the bundle if None.
    """

    def __init__(
        self,
        bundle: Bundle,
        runtime: Runtime,
        *,
        include_sensitive: bool = False,
        open_explaining: _OpenExplaining | None = None,
    ) -> None:
        self.bundle = bundle
        self._runtime = runtime
        self._open_explaining = open_explaining or self._open_masked
        self._explaining: Runtime | None = None  # opened when it is first asked for
        self._explaining_lock = threading.Lock()
        self._closed = False
        self._shape = bundle.input.height, bundle.input.width, 3
        self.decision = bundle.decision(include_sensitive=include_sensitive)

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
        return self._worded(self.outputs(crops))

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
        return self.predict(cut_boxes(frame, boxes))

    def logits(self, crops: Crops) -> npt.NDArray[np.float32]:
        """Raw scores, float32 [N, C] in schema order; arguments and errors as :meth:`predict`.

        They are the network's own: of every attribute, sensitive ones too, whatever was asked for.
        """
        return self.outputs(crops).logits

    def outputs(self, crops: Crops) -> Outputs:
        """All that the model gives: logits, and visibility and embedding where it has them.

        Arguments and errors are as of :meth:`predict`.
        """
        count, fill = _filling(crops)
        if count == 1 and is_bgr(crop := crops[0]) and crop.shape == self._shape:
            return self._runtime.infer(crop[None])  # as it is: no resizing, no copy
        return self._runtime.infer_filled(count, fill)

    def read(self, crops: Crops) -> Outputs:
        """As :meth:`outputs`, logits not a number where the part of the body is not seen."""
        found = self.outputs(crops)
        return dataclasses.replace(found, logits=visible_logits(found, self.bundle.schema))

    def explain(self, crops: Crops) -> list[Explanation]:
        """Read the attributes of people, and show where the model looked for each.

        The first call opens the variant a second time, with its attention masks and one thread of
        the processor, so that :meth:`predict` stays as fast as it is; TensorRT's variants have no
        masks, and another of the bundle explains in their place. May be called with no crops, to
        open it.

        Args:
            crops: as :meth:`predict` takes them.

        Returns:
            One explanation per crop, in order.

        Raises:
            InputError: a crop cannot be used; the text gives its place in the list.
            UsageError: the model has no attention masks.
            RuntimeFailure: the engine failed, or the model was closed.

        Example:
            >>> explanation = model.explain([crop])[0]
            >>> explanation.masks["hat"][0].shape  # at stride 8
            (24, 12)
        """
        count, fill = _filling(crops)
        pixels = np.empty((count, *self._shape), np.uint8)
        fill(0, pixels)
        found = self._masked().infer(pixels)
        return explanations(self.bundle, self._worded(found), pixels, found.attention)

    @property
    def explained_by(self) -> str:
        """What explains, in words: name, precision, engine. Opens it; errors as :meth:`explain`."""
        about = self._masked().describe()
        return f"model {self.bundle.name}, {about.precision} on {about.engine}"

    def describe(self) -> RuntimeInfo:
        """What runs, and where."""
        return self._runtime.describe()

    def close(self) -> None:
        """Release the engine once the batches that run have ended. May be called twice."""
        self._closed = True
        self._runtime.close()
        with self._explaining_lock:
            if self._explaining:
                self._explaining.close()

    def _masked(self) -> Runtime:
        """The engine that gives masks too."""
        from edgeattr_runtimes import EngineOptions

        with self._explaining_lock:
            if self._closed:
                raise RuntimeFailure("this model was closed; load it again")
            if self._explaining is None:
                # PyTorch's threads are one number for all
                threads = None if self.describe().engine == "torch" else 1
                options = EngineOptions(
                    device="cpu",
                    threads=threads,
                    streams=1,
                    batch=_EXPLAINED_AT_ONCE,
                    attention=True,
                )
                self._explaining = self._open_explaining(options)
            return self._explaining

    def _open_masked(self, options: EngineOptions) -> Runtime:
        """The same variant on the same engine, or another where that has no masks."""
        from edgeattr_runtimes import open_runtime
        from edgeattr_runtimes.engines import ENGINES, NO_ATTENTION

        about = self.describe()
        if about.engine in ENGINES and about.engine not in NO_ATTENTION:
            return open_runtime(self.bundle, about.engine, about.precision, options)
        return open_runtime(self.bundle, options=options)

    def _worded(self, outputs: Outputs) -> list[Prediction]:
        return predictions(self.bundle.schema, self.decision, outputs)


def predictions(schema: AttributeSchema, decision: Decision, outputs: Outputs) -> list[Prediction]:
    """Put an engine's outputs into words, one prediction per crop.

    Sensitive scores are left out with their answers.
    """
    found = []
    hidden = np.setdiff1d(np.arange(len(schema)), decision.reported)
    reported = outputs.logits.copy()
    reported[:, hidden] = np.nan
    for place, row in enumerate(visible_logits(outputs, schema)):
        answers = decision.answers(row)
        parts = () if outputs.visibility is None else outputs.visibility[place].tolist()
        colours = decision.colours(answers) if schema.colours else {}
        visibility = dict(zip(PARTS, parts, strict=False))
        found.append(Prediction(answers, reported[place], colours, visibility))
    return found


def visible_logits(outputs: Outputs, schema: AttributeSchema) -> npt.NDArray[np.float32]:
    """Logits, not a number where an attribute's part of the body is not in the picture, [N, C].

    Where no part is, the picture shows nobody, and nothing can be said.
    """
    if outputs.visibility is None:
        return outputs.logits
    seen = outputs.visibility >= VISIBLE
    anybody = seen.any(1)
    logits = outputs.logits.copy()
    for index, part in enumerate(schema.parts):
        logits[~(anybody if part is None else seen[:, part]), index] = np.nan
    return logits


def _checkpoint_opener(path: Path) -> _OpenExplaining:
    from edgeattr_runtimes import open_checkpoint

    return lambda options: open_checkpoint(path, options)[1]


def _filling(crops: Crops) -> tuple[int, Fill]:
    """How many crops there are, and what writes them into an engine's memory.

    Raises:
        InputError: not a list of images.
    """
    if type(crops) is not list and (
        isinstance(crops, Mapping | str | bytes)
        or not (hasattr(crops, "__len__") and hasattr(crops, "__getitem__"))
    ):
        raise InputError(f"crops are {type(crops).__name__}; expected a list of images")
    if isinstance(crops, np.ndarray) and crops.ndim < 4:
        raise InputError(
            f"one array of shape {crops.shape} is not a list of crops: predict([crop])"
        )
    return len(crops), lambda first, out: fill_crops(crops, out, first=first)
