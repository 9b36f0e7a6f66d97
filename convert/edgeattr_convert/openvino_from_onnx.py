"""ONNX to OpenVINO's IR: weights in float16.

A variant's file is a zip of ``model.xml`` and ``model.bin``. Preprocessing stays in the graph, and
so do the attention masks as further outputs.
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import Any

from edgeattr.core.errors import RuntimeFailure
from edgeattr.core.files import add_to_zip, atomic_path
from edgeattr_runtimes.openvino_engine import IR_MEMBERS, read_network


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
