"""What every engine offers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import InputError, UsageError

ATTENTION = "attention_"  # what the names of outputs with masks start with
_FURTHER = ("visibility", "embedding")


Arrays = list[npt.NDArray[np.float32]]
"""Outputs of a run, in the order of :func:`output_names`."""

Fill = Callable[[int, npt.NDArray[np.uint8]], None]
"""Writes crops ``first``, ``first + 1``, ... into uint8 [n, H, W, 3]; called from any thread."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """How an engine is to run. What is absent, the engine chooses."""

    device: str | None = None  # the engine's own name for it: "cpu", "cuda", "gpu", "npu", ...
    threads: int | None = None  # of the processor, that the engine may use in all
    streams: int | None = None  # batches that run at once
    batch: int | None = None  # crops a run, at most
    attention: bool = False  # whether outputs hold the attention masks
    half: bool | None = None
    """Half precision in layers that are not INT8; True is an error where the device has none.

    None: where the device has it, in FP16 and INT8 variants.
    """

    def __post_init__(self) -> None:
        for name in ("threads", "streams", "batch"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _whole(name, value))


def _whole(name: str, value: Any) -> int:
    """A count as Python's int, also where it came as NumPy's.

    Raises:
        UsageError: it is none, or less than 1.
    """
    refused = UsageError(f"{name}={value!r}; expected a whole number from 1")
    if isinstance(value, bool | np.bool_):
        raise refused
    try:
        count = operator.index(value)
    except TypeError as error:
        raise refused from error
    if count < 1:
        raise refused
    return count


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a model gives for N crops."""

    logits: npt.NDArray[np.float32]  # [N, C]
    visibility: npt.NDArray[np.float32] | None = None
    """Probability that each of edgeattr.core.schema.PARTS is in the picture, [N, 4]; None where
    the model or the engine does not tell it."""
    embedding: npt.NDArray[np.float32] | None = None
    """Of the person, [N, D], unit length; None where the model or the engine has none."""
    attention: tuple[npt.NDArray[np.float32], ...] = ()
    """Masks, [N, C, h, w] for each scale, the finest first; only where they were asked for."""


@dataclass(frozen=True, kw_only=True)
class RuntimeInfo:
    """What runs, and where."""

    engine: str  # "onnxruntime", ...
    version: str  # of the engine
    device: str  # "CPU", ...
    precision: str  # of the variant: "fp32", "fp16", "int8"
    threads: int  # of the processor, in all
    streams: int  # batches that run at once
    batch: int  # crops a run, at most
    arithmetic: str = "f32"  # of layers that are not INT8: "f32", "f16", "bf16"


class Runtime(AbstractContextManager["Runtime"], Protocol):
    """A loaded model. Safe to call from several threads; a context manager."""

    def infer(self, crops: npt.NDArray[np.uint8]) -> Outputs:
        """Score crops.

        Args:
            crops: uint8 [N, H, W, 3], BGR, any N from 0 up, at the model's input size.

        Raises:
            InputError: wrong shape or dtype.
            RuntimeFailure: the engine failed, or was closed.
        """
        ...

    def infer_filled(self, count: int, fill: Fill) -> Outputs:
        """Score crops that are written straight into the engine's own input memory.

        Args:
            count: how many, from 0 up.
            fill: is called for one batch after the other, and for several at once: it writes the
                crops from ``first`` on into uint8 [n, H, W, 3], all of it.

        Raises:
            RuntimeFailure: the engine failed, or was closed.
            Exception: what ``fill`` raised.
        """
        ...

    def describe(self) -> RuntimeInfo:
        """What runs, and where."""
        ...

    def close(self) -> None:
        """Release everything once the batches that run have ended. May be called twice.

        A call that has more batches to run raises :class:`edgeattr.core.errors.RuntimeFailure`.
        """
        ...


def check_crops(crops: npt.NDArray[np.uint8], height: int, width: int) -> None:
    """Refuse what is no batch of crops of this size.

    Raises:
        InputError: with what came and what was expected.
    """
    if not isinstance(crops, np.ndarray) or crops.dtype != np.uint8:
        got = getattr(crops, "dtype", type(crops).__name__)
        raise InputError(f"crops are {got}; expected a NumPy array of uint8, 0..255, BGR")
    if crops.ndim != 4 or crops.shape[1:] != (height, width, 3):
        raise InputError(f"crops have shape {crops.shape}; expected [N, {height}, {width}, 3]")


def crops_shape(bundle: Bundle, batch: int) -> tuple[int, int, int, int]:
    """[B, H, W, 3] of a model's crops."""
    return batch, bundle.input.height, bundle.input.width, 3


def batch_size(count: int, batch: int, streams: int) -> int:
    """Crops a run of a call of ``count``: no more than ``batch``, and work for every stream."""
    return min(batch, -(-count // streams))


def checked_device(engine: str, wanted: str, here: Sequence[str], hint: str = "") -> str:
    """The device that is asked for.

    Args:
        engine: its name, for the error.
        wanted: :attr:`EngineOptions.device`.
        here: what there is.
        hint: a sentence for the error.

    Raises:
        UsageError: it is not there.
    """
    if wanted not in here:
        raise UsageError(
            f"{engine} has no device {wanted!r} here; there are: {', '.join(here)}{hint}"
        )
    return wanted


def output_names(found: Iterable[str], bundle: Bundle, attention: bool) -> list[str]:
    """Which of a file's outputs are wanted.

    Args:
        found: the names that the file has.
        bundle: the model, for the error.
        attention: whether masks are wanted.

    Returns:
        The logits, what the file has of visibility and embedding, the masks, the finest first.

    Raises:
        UsageError: masks are wanted, and there are none.
    """
    here = set(found)
    names = ["logits", *(name for name in _FURTHER if name in here)]
    if not attention:
        return names
    masks = sorted(name for name in here if name.startswith(ATTENTION))
    if not masks:
        raise UsageError(
            f"{bundle.path or bundle.name} gives no attention masks: its model has none, or it "
            "was exported by an older version of edgeattr"
        )
    return [*names, *masks]


def known_name(names: Iterable[str]) -> str:
    """Of the names that an engine has for one output, the one of :func:`output_names`."""
    known = ("logits", *_FURTHER)
    return next(name for name in names if name in known or name.startswith(ATTENTION))


def joined_outputs(
    parts: Sequence[Sequence[npt.NDArray[np.float32]]], names: Sequence[str], attributes: int
) -> Outputs:
    """One result of the batches that a call was split into.

    Args:
        parts: of each batch its arrays in the order of ``names``; there may be none.
        names: of :func:`output_names`.
        attributes: C.
    """
    if not parts:
        return Outputs(np.empty((0, attributes), np.float32))
    arrays = parts[0]
    if len(parts) > 1:
        arrays = [np.concatenate(found) for found in zip(*parts, strict=True)]
    named = dict(zip(names, arrays, strict=True))
    return Outputs(
        named["logits"],
        named.get("visibility"),
        named.get("embedding"),
        tuple(named[name] for name in names if name.startswith(ATTENTION)),
    )
