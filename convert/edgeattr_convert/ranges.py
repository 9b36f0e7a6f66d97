"""What a float model's activations look like on calibration crops: their extremes and means."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

Range = tuple[float, float]
Tick = Callable[[int, int], None]

_BATCH = 32  # crops a run


def seen_ranges(
    model: onnx.ModelProto,
    names: Sequence[str],
    crops: npt.NDArray[np.uint8],
    *,
    symmetric: bool,
    tick: Tick = lambda done, total: None,
) -> dict[str, Range]:
    """The least and the greatest value of each activation.

    Zero always lies inside: it must have an exact code, since convolutions pad with it.

    Args:
        model: float32, input ``crops``.
        names: of the activations.
        crops: uint8 [n, H, W, 3].
        symmetric: the same distance on both sides of zero, as TensorRT asks for.
        tick: receives the runs that are done, and their number.
    """
    lows, highs = np.zeros(len(names)), np.zeros(len(names))
    total = -(-len(crops) // _BATCH)
    for done, values in enumerate(tensors(model, names, crops), 1):
        lows = np.minimum(lows, [value.min() for value in values])
        highs = np.maximum(highs, [value.max() for value in values])
        tick(done, total)
    if symmetric:
        highs = np.maximum(-lows, highs)
        lows = -highs
    return {
        name: (float(low), float(high)) for name, low, high in zip(names, lows, highs, strict=True)
    }


def channel_means(
    model: onnx.ModelProto, names: Sequence[str], crops: npt.NDArray[np.uint8]
) -> dict[str, npt.NDArray[np.float64]]:
    """Mean of each channel of the named maps, [channels], over crops and places."""
    sums = [np.zeros(1) for _ in names]
    runs = 0
    for values in tensors(model, names, crops):
        sums = [sum_ + value.mean((0, 2, 3)) for sum_, value in zip(sums, values, strict=True)]
        runs += 1
    return {name: total / max(1, runs) for name, total in zip(names, sums, strict=True)}


def tensors(
    model: onnx.ModelProto, names: Sequence[str], crops: npt.NDArray[np.uint8]
) -> Iterator[list[npt.NDArray[np.float32]]]:
    """Yield the named tensors for each batch of crops, computed without graph optimisation."""
    import onnx

    from edgeattr_runtimes.onnx_engine import OnnxSession

    exposed = copy.deepcopy(model)
    del exposed.graph.output[:]
    for name in names:
        exposed.graph.output.append(onnx.ValueInfoProto(name=name))
    shape = {"crops": (_BATCH, *crops.shape[1:])}
    with OnnxSession(exposed.SerializeToString(), optimize=False).fixed(shape, names) as session:
        for start in range(0, len(crops), _BATCH):
            yield session.run({"crops": crops[start : start + _BATCH]})
