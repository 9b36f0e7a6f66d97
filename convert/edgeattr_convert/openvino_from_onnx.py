"""ONNX to OpenVINO's IR: weights in float16, or INT8 by NNCF.

A variant's file is a zip of ``model.xml`` and ``model.bin``. Preprocessing stays in the graph, and
so do the attention masks as further outputs.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import tempfile
import warnings
import zipfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import MissingDependency, RuntimeFailure
from edgeattr.core.files import add_to_zip, atomic_path
from edgeattr_runtimes.openvino_engine import IR_MEMBERS, read_network

_TALKATIVE = ("nncf", "torch.utils.cpp_extension")  # NNCF imports PyTorch where it is installed


def openvino_from_onnx(source: Path, target: Path) -> None:
    """Convert; weights are stored as float16.

    Args:
        source: float32 ONNX.
        target: the zip to write.

    Raises:
        MissingDependency: OpenVINO is not installed.
        RuntimeFailure: OpenVINO cannot read the file.
    """
    write_network(_read(source), target)


def int8_from_onnx(
    source: Path,
    pictures: Collection[npt.NDArray[np.uint8]],
    in_float: Sequence[str],
) -> Any:
    """Quantize with NNCF: weights per channel, activations with zero points.

    Args:
        source: float32 ONNX, batch norms folded.
        pictures: to calibrate on, uint8 [H, W, 3] each.
        in_float: regular expressions of the names of ONNX nodes that stay in float.

    Returns:
        An ``openvino.Model``.

    Raises:
        MissingDependency: OpenVINO or NNCF is not installed.
        RuntimeFailure: OpenVINO cannot read the file, or NNCF cannot quantize it.
    """
    model = _read(source)
    nncf = import_nncf()
    with quiet_nncf(), _named_failure():
        return nncf.quantize(model, _calibration(pictures), **nncf_options(len(pictures), in_float))


def write_network(model: Any, target: Path) -> None:
    """Write an ``openvino.Model`` as one zip, float32 weights as float16.

    Args:
        model: to write.
        target: the zip.

    Raises:
        RuntimeFailure: OpenVINO cannot write its files, most often for want of space.
    """
    import openvino

    with tempfile.TemporaryDirectory() as folder, atomic_path(target) as temporary:
        try:
            openvino.save_model(model, str(Path(folder) / IR_MEMBERS[0]), compress_to_fp16=True)
        except RuntimeError as error:
            raise RuntimeFailure(f"OpenVINO cannot write to {folder}: {error}") from error
        with zipfile.ZipFile(temporary, "w") as archive:
            for name in IR_MEMBERS:
                add_to_zip(archive, name, (Path(folder) / name).read_bytes())


def _read(source: Path) -> Any:
    """The network with all its outputs."""
    return read_network(source.read_bytes(), attention=True, name=source.name)


def _calibration(pictures: Collection[npt.NDArray[np.uint8]]) -> Any:
    return import_nncf().Dataset([picture[None] for picture in pictures])


def nncf_options(pictures: int, in_float: Sequence[str]) -> dict[str, Any]:
    """Weights per channel and symmetric, activations with zero points, these nodes in float."""
    nncf = import_nncf()
    return {
        "preset": nncf.QuantizationPreset.MIXED,
        "subset_size": pictures,
        "ignored_scope": nncf.IgnoredScope(patterns=list(in_float), validate=False),
    }


def these_nodes(names: Sequence[str]) -> list[str]:
    """Regular expressions of ONNX nodes, and of what OpenVINO makes of them."""
    return [f"^{re.escape(name)}(/.*)?$" for name in names]


@contextlib.contextmanager
def _named_failure() -> Iterator[None]:
    """NNCF's errors, which share no base class, as one of ours."""
    try:
        yield
    except Exception as error:
        raise RuntimeFailure(f"NNCF cannot quantize the model: {error}") from error


def import_nncf() -> Any:
    """Import NNCF without what it prints.

    Raises:
        MissingDependency: it is not installed.
    """
    try:
        with quiet_nncf():
            import nncf
    except ImportError as error:
        raise MissingDependency(
            error.name or "nncf", extra="convert", purpose="quantize a model for OpenVINO"
        ) from error
    return nncf


@contextlib.contextmanager
def quiet_nncf() -> Iterator[None]:
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
