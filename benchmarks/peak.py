"""How much of what this processor can do the model reaches, and what bounds it.

    python benchmarks/peak.py [--model M]

The peak is measured: one wide 3x3 convolution in FP32 and in INT8, which nothing but arithmetic
bounds, on the same engine and settings. Where the model's time goes is what OpenVINO's own
counters say of one crop.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from model_table import size_of
from onnx import TensorProto, helper, numpy_helper

from edgeattr.core.bundle import Bundle
from edgeattr.core.hub import resolve_bundle
from edgeattr_runtimes import open_variant
from edgeattr_runtimes.device import device_name, has_int8_instructions
from edgeattr_runtimes.openvino_engine import read_network

_CHANNELS, _SIDE = 256, 56
_MACS = _CHANNELS * _CHANNELS * 9 * _SIDE * _SIDE
_ROUNDS = 15
_CROPS = 32


def main() -> None:
    """Print the peak, the share of it, and where time goes."""
    import openvino

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    bundle = Bundle.read(resolve_bundle(parser.parse_args().model))
    _, flops = size_of(bundle)
    kind = "with" if has_int8_instructions() else "without"
    print(f"{device_name()}, {kind} INT8 dot products; OpenVINO {openvino.__version__}")
    print("| precision | peak, GFLOP/s | crops/s | GFLOPs a crop | share of the peak |")
    print("|---|---|---|---|---|")
    variants = {
        precision: bundle.variants.get(f"openvino-{precision}")
        or bundle.variant(f"onnx-{precision}")
        for precision in ("fp32", "int8")
    }
    crops = np.resize(bundle.golden.crops, (_CROPS, *bundle.golden.crops.shape[1:]))
    for precision, variant in variants.items():
        peak = _Peak(precision == "int8")
        with open_variant(bundle, variant, "openvino") as runtime:
            found: dict[str, list[float]] = {"peak": [], "model": []}
            for _ in range(_ROUNDS):
                found["peak"].append(2 * _MACS / _seconds(peak.run) / 1e9)
                found["model"].append(_CROPS / _seconds(partial(runtime.infer, crops)))
        most, speed = (float(np.median(found[key])) for key in ("peak", "model"))
        share = speed * flops / 1e9 / most
        print(f"| {precision} | {most:.0f} | {speed:.0f} | {flops / 1e9:.2f} | {share:.0%} |")
    for variant in variants.values():
        print(f"\n{variant.name}, one crop, time by kind of layer:")
        for name, part in _where(bundle.read_file(variant), bundle.golden.crops[:1]):
            print(f"  {part:6.1%}  {name}")


class _Peak:
    """One convolution of many channels, compiled."""

    def __init__(self, quantized: bool) -> None:
        import openvino

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "convolution.onnx"
            onnx.save(_convolution(quantized), file)
            network = openvino.Core().compile_model(
                openvino.Core().read_model(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
            )
        self._request = network.create_infer_request()
        shape = 1, _CHANNELS, _SIDE, _SIDE
        self._input = np.random.default_rng(0).normal(size=shape).astype(np.float32)

    def run(self) -> None:
        self._request.infer({0: self._input}, share_inputs=True)


def _convolution(quantized: bool) -> onnx.ModelProto:
    """3x3, in Q/DQ where it is quantized."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(_CHANNELS, _CHANNELS, 3, 3)).astype(np.float32)
    inputs = [numpy_helper.from_array(weights, "w")]
    nodes, names = [], ["x", "w"]
    if quantized:
        scale = np.array(4 / 127, np.float32)
        inputs = [
            numpy_helper.from_array(scale, "s"),
            numpy_helper.from_array(np.array(0, np.int8), "z"),
            numpy_helper.from_array(
                np.clip(np.rint(weights / scale), -127, 127).astype(np.int8), "q"
            ),
        ]
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
            helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["wd"]),
        ]
        names = ["xd", "wd"]
    nodes.append(helper.make_node("Conv", names, ["y"], pads=[1, 1, 1, 1]))
    # a small result: what is written must not count
    nodes.append(helper.make_node("ReduceMax", ["y"], ["m"], keepdims=0))
    shape = [1, _CHANNELS, _SIDE, _SIDE]
    graph = helper.make_graph(
        nodes,
        "peak",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("m", TensorProto.FLOAT, [])],
        inputs,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _where(content: bytes, crop: Any) -> list[tuple[str, float]]:
    """Kinds of layers and their share of the time, the largest first."""
    import openvino

    model = read_network(content)
    model.reshape([1, *crop.shape[1:]])
    compiled = openvino.Core().compile_model(
        model, "CPU", {"PERF_COUNT": True, "INFERENCE_PRECISION_HINT": "f32"}
    )
    request, spent = compiled.create_infer_request(), Counter[str]()
    for _ in range(_ROUNDS):
        request.infer({0: crop})
        for entry in request.get_profiling_info():
            kind = entry.node_type
            if "_dw_" in entry.exec_type or "dw" in entry.exec_type.split("_"):
                kind += ", depthwise"
            spent[f"{kind} ({entry.exec_type})"] += entry.real_time.total_seconds()
    whole = sum(spent.values())
    return [(name, part / whole) for name, part in spent.most_common(8)]


def _seconds(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
