"""ONNX to OpenVINO's IR: weights in float16, or INT8 by NNCF, which may give layers back to float.

A variant's file is a zip of ``model.xml`` and ``model.bin``. Preprocessing stays in the graph, and
so do the attention masks as further outputs.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.errors import MissingDependency, RuntimeFailure
from edgeattr.files import atomic_path

__all__ = ["int8_from_onnx", "layers_in_float", "openvino_from_onnx", "write_network"]

Score = Callable[[npt.NDArray[np.float32]], float]
"""How good logits of the judged crops are, [n, C]; the higher the better."""

_MEMBERS = ("model.xml", "model.bin")  # as edgeattr_runtimes.openvino_engine reads them
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same content gives the same file
_TALKATIVE = ("nncf", "torch.utils.cpp_extension")  # NNCF imports PyTorch where it is installed
_WEIGHED = ("Convolution", "GroupConvolution", "MatMul")  # what NNCF quantizes


def openvino_from_onnx(source: Path, target: Path) -> None:
    """Convert; weights are stored as float16, arithmetic stays what the device does best.

    Args:
        source: float32 ONNX.
        target: the zip to write.

    Raises:
        MissingDependency: OpenVINO is not installed.
        RuntimeFailure: OpenVINO cannot read the file.
    """
    write_network(_read(source), target, half=True)


def int8_from_onnx(
    source: Path,
    crops: npt.NDArray[np.uint8],
    in_float: Sequence[str],
    *,
    judged: npt.NDArray[np.uint8] | None = None,
    score: Score | None = None,
    max_drop: float = 0.0,
) -> Any:
    """Quantize with NNCF: weights per channel, activations with zero points.

    Args:
        source: float32 ONNX, batch norms folded.
        crops: calibration images, uint8 [n, H, W, 3].
        in_float: names of ONNX nodes that stay in float.
        judged: other images; with them and ``score`` given, NNCF's accuracy control puts layers
            back into float until the score falls by no more than ``max_drop``.
        score: see :data:`Score`.
        max_drop: of the score.

    Returns:
        An ``openvino.Model``.

    Raises:
        MissingDependency: OpenVINO or NNCF is not installed.
        RuntimeFailure: OpenVINO cannot read the file, or NNCF cannot quantize it.
    """
    model = _read(source)
    nncf = _nncf()
    options = {
        "preset": nncf.QuantizationPreset.MIXED,
        "subset_size": len(crops),
        "ignored_scope": nncf.IgnoredScope(
            patterns=[f"^{re.escape(name)}(/.*)?$" for name in in_float], validate=False
        ),
    }
    calibration = nncf.Dataset([crop[None] for crop in crops])
    try:
        with _quiet():
            if judged is None or score is None:
                return nncf.quantize(model, calibration, **options)
            return nncf.quantize_with_accuracy_control(
                model,
                calibration,
                nncf.Dataset([crop[None] for crop in judged]),
                _validation(score),
                max_drop=max_drop,
                **options,
            )
    except (RuntimeError, nncf.errors.ValidationError, nncf.errors.InternalError) as error:
        raise RuntimeFailure(f"NNCF cannot quantize the model: {error}") from error


def layers_in_float(model: Any) -> list[str]:
    """Layers with weights whose input is not quantized, in the order of the graph."""
    return [
        op.get_friendly_name()
        for op in model.get_ordered_ops()
        if op.get_type_name() in _WEIGHED
        and op.input_value(0).get_node().get_type_name() != "FakeQuantize"
    ]


def write_network(model: Any, target: Path, *, half: bool) -> None:
    """Write an ``openvino.Model`` as one zip.

    Args:
        model: to write.
        target: the zip.
        half: whether float32 weights are stored as float16.
    """
    import openvino

    with tempfile.TemporaryDirectory() as folder, atomic_path(target) as temporary:
        openvino.save_model(model, str(Path(folder) / _MEMBERS[0]), compress_to_fp16=half)
        with zipfile.ZipFile(temporary, "w") as archive:
            for name in _MEMBERS:
                info = zipfile.ZipInfo(name, _ZIP_TIME)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, (Path(folder) / name).read_bytes())


def _read(source: Path) -> Any:
    try:
        import openvino
    except ImportError as error:
        raise MissingDependency(
            "openvino", extra="openvino", purpose="convert a model to OpenVINO"
        ) from error
    try:
        return openvino.Core().read_model(str(source))
    except RuntimeError as error:
        raise RuntimeFailure(f"OpenVINO cannot read {source.name}: {error}") from error


def _validation(score: Score) -> Callable[..., tuple[float, Any]]:
    """The score as NNCF asks for it: of a compiled model and an iterable of batches."""

    def validate(compiled: Any, batches: Any) -> tuple[float, Any]:
        rows = [compiled(batch)["logits"].copy() for batch in batches]
        logits = np.concatenate(rows)
        return score(logits), list(logits)

    return validate


def _nncf() -> Any:
    # NNCF sends statistics of its use over the network unless this is set; nothing leaves from here
    os.environ.setdefault("NNCF_CI", "1")
    try:
        with _quiet():
            import nncf
    except ImportError as error:
        raise MissingDependency(
            error.name or "nncf", extra="convert", purpose="quantize a model for OpenVINO"
        ) from error
    return nncf


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's own lines and bars, which go to standard output."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
