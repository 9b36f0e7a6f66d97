"""Ranges of activations for INT8: one pass for the extremes, one for histograms, four ways to cut.

    min_max     everything that was seen
    percentile  all but the rarest values (Nagel et al., "A white paper on neural network
                quantization", 2021, section 3.1, as the other ways)
    entropy     the least Kullback-Leibler divergence between values and rounded values
    mse         the least squared error of rounding and clipping

Zero always lies inside: it must have an exact code, since convolutions pad with it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

Range = tuple[float, float]
Tick = Callable[[int, int], None]

_BATCH = 32  # crops a run
_BINS = 4096  # of a histogram
_LEVELS = 255  # steps of an 8-bit integer
_SHRINKS = np.linspace(0.3, 1.0, 36)  # shares of the seen range that are tried
_SAMPLES = 1 << 18  # values of one tensor in one run that go into its histogram, evenly spaced
_RARE = 1e-4  # share of values that percentile leaves out, both ends together


@dataclass(frozen=True, eq=False)
class Histograms:
    """How often each activation takes which value over the calibration crops."""

    names: tuple[str, ...]  # of the tensors
    lows: npt.NDArray[np.float64]  # [T], 0 or less
    highs: npt.NDArray[np.float64]  # [T], 0 or more
    counts: npt.NDArray[np.float64]  # [T, bins], of equal width from low to high

    def ranges(self, method: str, *, symmetric: bool) -> dict[str, Range]:
        """The range of each tensor.

        Args:
            method: a key of :data:`METHODS`.
            symmetric: the same distance on both sides of zero, as TensorRT asks for.
        """
        cut = METHODS[method]
        found = {}
        for row, name in enumerate(self.names):
            low, high = float(self.lows[row]), float(self.highs[row])
            counts = self.counts[row]
            if symmetric:
                low, high, counts = _mirrored(low, high, counts)
            found[name] = cut(low, high, counts)
        return found


def collect_histograms(
    model: onnx.ModelProto,
    names: Sequence[str],
    crops: npt.NDArray[np.uint8],
    tick: Tick = lambda done, total: None,
) -> Histograms:
    """Run the float model twice over the calibration crops.

    Args:
        model: float32, input ``crops``.
        names: of the activations.
        crops: uint8 [n, H, W, 3].
        tick: receives the runs that are done, and their number.
    """
    lows, highs = np.zeros(len(names)), np.zeros(len(names))
    counts, total = np.zeros((len(names), _BINS)), 2 * -(-len(crops) // _BATCH)
    done = 0
    for values in tensors(model, names, crops):
        lows = np.minimum(lows, [value.min() for value in values])
        highs = np.maximum(highs, [value.max() for value in values])
        tick(done := done + 1, total)
    for values in tensors(model, names, crops):
        for row, value in enumerate(values):
            flat = value.ravel()[:: -(-value.size // _SAMPLES)]
            scale = _BINS / (highs[row] - lows[row] + 1e-9)
            places = np.minimum((flat - lows[row]) * scale, _BINS - 1).astype(np.int32)
            counts[row] += np.bincount(places, minlength=_BINS)
        tick(done := done + 1, total)
    return Histograms(tuple(names), lows, highs, counts)


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


def _min_max(low: float, high: float, counts: npt.NDArray[np.float64]) -> Range:
    return low, high


def _percentile(low: float, high: float, counts: npt.NDArray[np.float64]) -> Range:
    share = np.cumsum(counts) / max(counts.sum(), 1.0)
    edges = np.linspace(low, high, len(counts) + 1)
    bottom = edges[np.searchsorted(share, _RARE / 2)] if low < 0 else low
    last = min(int(np.searchsorted(share, 1 - _RARE / 2)), len(counts) - 1)
    top = edges[last + 1]
    return min(float(bottom), 0.0), max(float(top), 0.0)


def _entropy(low: float, high: float, counts: npt.NDArray[np.float64]) -> Range:
    edges = np.linspace(low, high, len(counts) + 1)
    best, least = (low, high), np.inf
    for share in _SHRINKS:
        bottom, top = low * share, high * share
        inside = slice(np.searchsorted(edges, bottom), max(np.searchsorted(edges, top), 1))
        divergence = _divergence(counts, inside)
        if divergence < least:
            best, least = (bottom, top), divergence
    return best


def _divergence(counts: npt.NDArray[np.float64], inside: slice) -> float:
    """Kullback-Leibler divergence of what 8 bits keep of ``counts``, what lies outside clipped."""
    kept = counts[inside].copy()
    if len(kept) < _LEVELS:
        return np.inf
    reference = kept.copy()
    reference[0] += counts[: inside.start].sum()
    reference[-1] += counts[inside.stop :].sum()
    starts = np.arange(_LEVELS) * len(kept) // _LEVELS
    lengths = np.diff(np.append(starts, len(kept)))
    filled = (kept > 0).astype(float)
    share = np.add.reduceat(kept, starts) / np.maximum(np.add.reduceat(filled, starts), 1)
    rounded = np.repeat(share, lengths) * filled
    p, q = reference / max(reference.sum(), 1.0), rounded / max(rounded.sum(), 1.0)
    seen = p > 0
    return float((p[seen] * np.log(p[seen] / np.maximum(q[seen], 1e-12))).sum())


def _mse(low: float, high: float, counts: npt.NDArray[np.float64]) -> Range:
    centres = low + (np.arange(len(counts)) + 0.5) * (high - low) / len(counts)
    together = low == -high  # symmetric: one share for both sides
    best, least = (low, high), np.inf
    for share_low in _SHRINKS if low < 0 and not together else _SHRINKS[-1:]:
        for share_high in _SHRINKS if high > 0 else _SHRINKS[-1:]:
            bottom, top = low * (share_high if together else share_low), high * share_high
            step = max(top - bottom, 1e-12) / _LEVELS
            clipped = np.clip(centres, bottom, top)
            squared = (centres - clipped) ** 2 + np.where(clipped == centres, step**2 / 12, 0.0)
            error = float((counts * squared).sum())
            if error < least:
                best, least = (bottom, top), error
    return best


def _mirrored(
    low: float, high: float, counts: npt.NDArray[np.float64]
) -> tuple[float, float, npt.NDArray[np.float64]]:
    """The same histogram over a range with zero in its middle."""
    reach = max(-low, high)
    centres = low + (np.arange(len(counts)) + 0.5) * (high - low) / len(counts)
    spread = np.histogram(centres, bins=len(counts), range=(-reach, reach + 1e-9), weights=counts)
    return -reach, reach, spread[0]


METHODS: Mapping[str, Callable[[float, float, npt.NDArray[np.float64]], Range]] = MappingProxyType(
    {"mse": _mse, "entropy": _entropy, "percentile": _percentile, "min_max": _min_max}
)
