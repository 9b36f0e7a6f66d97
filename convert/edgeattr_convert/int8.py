"""INT8 by post-training quantization: explicit Q/DQ, per-channel weights, what hurts in float.

What makes the difference to the plain way:

* ranges of activations are all that was seen, and biases make up for the rounding of the weights
  where that changes the logits less on held crops;
* the heads (spatial softmax, confidences, score average) stay in float: little arithmetic, much
  damage;
* so do the first few convolutions, as long as that still cuts the error: their channels differ
  wildly in range, and their few channels leave no redundancy to average the rounding out. On
  CPUs they are faster in float as well;
* every layer's own harm is measured, so that the worst can be kept in float where the contract
  would not hold otherwise.

The error is that of the logits, measured in ONNX Runtime's optimised session; what is made for
another engine is then proven on that engine.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import evenly
from edgeattr.core.errors import InputError, importing
from edgeattr.core.files import write_atomically
from edgeattr.core.progress import Tell, Tick, no_tick, silent
from edgeattr_convert.bias_correction import bias_corrected, quantized_alone
from edgeattr_convert.qdq import CPU, QdqScheme, activations, convolutions, head, quantized
from edgeattr_convert.ranges import Range, channel_means, seen_ranges
from edgeattr_convert.validation_result import LayerError

if TYPE_CHECKING:
    import onnx

_BATCH = 32  # crops a run
FIRST_IN_FLOAT = (3, 0, 5, 8)  # leading convolutions that may stay in float, in this order
_PLAIN = "ranges of all that was seen"  # a way
_WORTH_IT = 2 / 3  # what is left of the error must be no more than this to keep more in float
_HELPS = 0.98  # and no more than this for a correction to be taken
_CORRECTED = 128  # crops that tell the means by which biases are corrected
_JUDGED_ALONE = 64  # crops on which each layer's own harm is measured


class Quantizer:
    """Finds the best INT8 form of a float model; returns layers to float on request.

    Args:
        source: float32 ONNX, input ``crops``, output ``logits``, batch norms folded.
        crops: calibration images, uint8 [n, H, W, 3]: they set the ranges.
        judged: other images, uint8 [m, H, W, 3]: on them the ways are compared.
        scheme: the form that the engine wants.
        tell: receives a line for each result.
        tick: receives the progress of each long part.

    Raises:
        InputError: the model has nothing to quantize.
        MissingDependency: onnx is not installed.
    """

    def __init__(
        self,
        source: Path,
        crops: npt.NDArray[np.uint8],
        judged: npt.NDArray[np.uint8],
        scheme: QdqScheme = CPU,
        *,
        tell: Tell = silent,
        tick: Tick = no_tick,
    ) -> None:
        with importing("onnx", extra="convert", purpose="quantize a model"):
            import onnx
        self._crops, self._judged, self._scheme = crops, judged, scheme
        self._tell, self._tick = tell, tick
        self._plain = self._model = onnx.load(str(source))
        self._head = head(self._model, scheme)
        self._body = [node.name for node in convolutions(self._model, scheme)]
        if not self._body:
            raise InputError(f"{source}: there is no convolution to quantize")
        self._truth = _logits(self._model, judged)
        self._floats: list[str] = []
        self._content, self.error = b"", np.inf  # RMS change of the logits on the judged crops
        self.tried: dict[str, float] = {}  # way -> that error
        self._harm: dict[str, float] = {}  # layer -> RMS of the logits when it alone is quantized
        self._taken: list[str] = []  # the ways in force

    @property
    def layers(self) -> tuple[LayerError, ...]:
        """Each layer's own harm, in the order of the graph; empty before it is measured."""
        return tuple(
            LayerError(layer=name, error=error, in_float=name in self._floats)
            for name, error in self._harm.items()
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided, for people."""
        kept = ", ".join(self._floats) or "none"
        return (
            f"taken: {', '.join(self._taken)}",
            f"{len(self._floats)} of {len(self._body)} convolutions in float: {kept}",
        )

    def search(self) -> None:
        """Try the ways and keep the best."""
        self._choose(self._body[: FIRST_IN_FLOAT[0]])
        for first in FIRST_IN_FLOAT[1:]:
            worth = 1 / _WORTH_IT if first < len(self._floats) else _WORTH_IT
            way = f"first {first} convolutions in float" if first else "no convolution in float"
            self._try(way, self._model, self._body[:first], worth)

    def measure_layers(self) -> None:
        """What each convolution does to the logits when it alone is quantized."""
        crops = self._judged[:_JUDGED_ALONE]
        for place, name in enumerate(self._body):
            self._tick("sensitivity of the layers", place, len(self._body))
            alone = quantized_alone(self._plain, name, self._ranges, self._scheme)
            self._harm[name] = _rms(_logits(alone, crops) - self._truth[: len(crops)])
        self._tick("sensitivity of the layers", len(self._body), len(self._body))

    def keep_in_float(self, count: int) -> list[str]:
        """Keep the ``count`` most harmful layers in float that are not yet.

        Returns:
            Their names; none where half of the layers are in float already, and more would leave
            little of INT8.
        """
        if not self._harm:
            self.measure_layers()
        rest = [name for name in self._harm if name not in self._floats]
        rest.sort(key=lambda name: -self._harm[name])
        room = len(self._body) // 2 - len(self._floats)
        worst = rest[: max(0, min(count, room))]
        if worst:
            self._choose([*self._floats, *worst])
        return worst

    def write(self, target: Path) -> None:
        """Write the best model so far."""
        write_atomically(target, self._content)

    def _choose(self, floats: list[str]) -> None:
        """Quantize with these in float, and with corrected biases where they help."""
        self.tried, self.error, self._taken = {}, np.inf, [_PLAIN]
        self._try(_PLAIN, self._plain, floats)
        self._correct_biases()

    @functools.cached_property
    def _ranges(self) -> dict[str, Range]:
        return seen_ranges(
            self._plain, activations(self._plain, self._scheme), self._crops,
            symmetric=self._scheme.symmetric,
            tick=lambda done, total: self._tick("ranges of the activations", done, total),
        )  # fmt: skip

    def _correct_biases(self) -> None:
        inputs = {node.input[0] for node in convolutions(self._plain, self._scheme)}
        spread = self._crops[evenly(len(self._crops), _CORRECTED)]
        means = channel_means(self._plain, sorted(inputs), spread)
        rounded = [name for name in self._body if name not in self._floats]
        corrected = bias_corrected(self._plain, rounded, means)
        if self._try("bias correction", corrected, self._floats, _HELPS):
            self._taken.append("bias correction")

    def _try(self, way: str, model: onnx.ModelProto, floats: list[str], worth: float = 1.0) -> bool:
        """Quantize one way, and keep it where the error is at most ``worth`` of the best so far."""
        content, error = self._quantize(model, floats)
        self.tried[way] = error
        self._tell(f"{way}: logits off by {error:.3f} (RMS)")
        better = error <= worth * self.error
        if better:
            self._content, self.error = content, error
            self._model, self._floats = model, floats
        return better

    def _quantize(self, model: onnx.ModelProto, floats: list[str]) -> tuple[bytes, float]:
        """The file's content, and its error on the judged crops."""
        in_float = [*self._head, *floats]
        content = quantized(model, self._ranges, in_float, self._scheme, self._crops[:1])
        return content, _rms(_logits(content, self._judged) - self._truth)


def _logits(
    model: onnx.ModelProto | bytes, crops: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    from edgeattr_runtimes.onnx_engine import OnnxSession

    content = model if isinstance(model, bytes) else model.SerializeToString()
    with OnnxSession(content).fixed({"crops": (_BATCH, *crops.shape[1:])}, ["logits"]) as session:
        (logits,) = session.run({"crops": crops})
    return logits


def _rms(values: npt.NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
