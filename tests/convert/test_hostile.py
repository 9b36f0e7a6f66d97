"""A model with one layer of wild channel ranges: repaired, or refused with the layer's name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from edgeattr.core.bundle import Bundle
from edgeattr.core.hub import default_bundle
from edgeattr_convert.int8 import Quantizer
from edgeattr_train.golden import golden_crops


def _made_hostile(model: onnx.ModelProto, factor: float = 1000.0) -> tuple[onnx.ModelProto, str]:
    """Blow up one channel between two convolutions, and take it back in the second.

    Between a bottleneck's linear end and the next block there is no activation, so the function
    stays the same; but the tensor between has one channel a thousand times as wide as the rest.

    Returns:
        The model, and the name of the convolution that reads the tensor.
    """
    own = onnx.ModelProto()
    own.CopyFrom(model)
    nodes = list(own.graph.node)
    weights = {entry.name: entry for entry in own.graph.initializer}
    for first in nodes:
        readers = [node for node in nodes if first.output[0] in node.input]
        if first.op_type != "Conv" or len(readers) != 1 or readers[0].op_type != "Conv":
            continue
        second = readers[0]
        depthwise = numpy_helper.to_array(weights[second.input[1]]).shape[1] == 1
        for name in first.input[1:]:
            _scale(weights[name], (0,), factor)
        _scale(weights[second.input[1]], (0,) if depthwise else (slice(None), 0), 1 / factor)
        return own, second.name
    raise AssertionError("no two convolutions follow each other directly")


def _scale(tensor: onnx.TensorProto, place: tuple[int | slice, ...], factor: float) -> None:
    values = numpy_helper.to_array(tensor).copy()
    values[place] *= np.float32(factor)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _float_model(bundle: Bundle) -> onnx.ModelProto:
    return onnx.load_from_string(bundle.read_file(bundle.variants["onnx-fp32"]))


def test_the_most_sensitive_layers_go_back_to_float(tmp_path: Path) -> None:
    source = tmp_path / "source.onnx"
    onnx.save(_float_model(Bundle.read(default_bundle())), str(source))
    crops, judged = (golden_crops(192, 96, seed=seed) for seed in (1, 2))
    quantizer = Quantizer(source, crops, judged)
    quantizer.search()
    quantizer.measure_layers()
    before = quantizer.error
    rounded = (layer for layer in quantizer.layers if not layer.in_float)
    worst = sorted(rounded, key=lambda layer: -layer.error)[:5]
    assert quantizer.keep_in_float(5) == [layer.layer for layer in worst]
    assert quantizer.error < before
    kept = {layer.layer for layer in quantizer.layers if layer.in_float}
    assert kept >= {layer.layer for layer in worst}


def test_the_hostile_model_means_the_same(bundle: Bundle, tmp_path: Path) -> None:
    from edgeattr_runtimes.onnx_engine import open_session

    plain = _float_model(bundle)
    model, _ = _made_hostile(plain)
    crops = {"crops": golden_crops(64, 32, seed=4)}
    found, expected = (
        open_session(entry.SerializeToString()).run(["logits"], crops)[0]
        for entry in (model, plain)
    )
    assert np.abs(found - expected).max() < 1e-3
