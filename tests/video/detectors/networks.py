"""Small networks with a given interface and given outputs, and what compares detections."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeattr.core.detection_metrics import overlaps
from edgeattr.video.detectors import Detections


def found_by(box: npt.NDArray[np.float32], detections: Detections) -> bool:
    """Whether one of the detections is this box, more or less."""
    return bool((overlaps(box[None], detections.boxes) > 0.5).any())


def same(first: Detections, second: Detections, *, pixels: float = 0.05) -> bool:
    """Whether two detectors found the same people, in the same order."""
    return (
        len(first) == len(second)
        and np.allclose(first.boxes, second.boxes, atol=pixels)
        and np.allclose(first.scores, second.scores, atol=1e-3)
    )


def save_network(
    path: Path,
    inputs: Mapping[str, tuple[int, list[int | str]]],
    nodes: list[onnx.NodeProto],
    outputs: Mapping[str, tuple[int, list[int | str]]],
    constants: Mapping[str, npt.NDArray[np.generic]],
) -> Path:
    """Write a network; inputs and outputs are given as element type and shape."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
        [helper.make_tensor_value_info(name, *kind) for name, kind in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def fixed_yolox(path: Path, output: npt.NDArray[np.float32], side: int = 64) -> Path:
    """A network of YOLOX's interface that always gives the same output."""
    return save_network(
        path,
        {"images": (TensorProto.FLOAT, [1, 3, side, side])},
        [helper.make_node("Identity", ["value"], ["output"])],
        {"output": (TensorProto.FLOAT, list(output.shape))},
        {"value": output},
    )
