"""Preprocessing inside the graph beside OpenVINO's own, on the same float32 network, in turns.

    python benchmarks/preprocessing.py [--model M]

Both take uint8 crops, blue-green-red. In the graph stand a cast, a transposition and the
normalisation; the other network has them cut off and OpenVINO's PrePostProcessor in their place.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from common import interleaved

from edgeattr.core.bundle import Bundle
from edgeattr.core.hub import resolve_bundle
from edgeattr_runtimes.device import device_name
from edgeattr_runtimes.openvino_engine import OpenvinoSession, read_network
from edgeattr_runtimes.timing import median_interval

_BATCH = 8
_ROUNDS = 61


def main() -> None:
    """Print both speeds and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    bundle = Bundle.read(resolve_bundle(parser.parse_args().model))
    content = bundle.read_file(bundle.variant("onnx-fp32"))
    networks = {"in the graph": read_network(content), "OpenVINO's": _replaced(content)}
    shape = {"crops": (_BATCH, bundle.input.height, bundle.input.width, 3)}
    requests = {
        name: OpenvinoSession(network).fixed(shape).network(_BATCH).create_infer_request()
        for name, network in networks.items()
    }
    crops = np.resize(bundle.golden.crops, (_BATCH, *bundle.golden.crops.shape[1:]))
    first, second = (request.infer({0: crops})[0] for request in requests.values())
    print(f"{device_name()}; logits differ by at most {np.abs(first - second).max():.1e}")
    seconds = interleaved(
        {
            name: lambda request=request: request.infer({0: crops}, share_inputs=True)
            for name, request in requests.items()
        },
        rounds=_ROUNDS,
    )
    for name, values in seconds.items():
        print(f"{name}: {_BATCH / np.median(values):.1f} crops/s")
    ratios = np.array(seconds["in the graph"]) / np.array(seconds["OpenVINO's"])
    low, middle, high = median_interval(ratios)
    print(f"OpenVINO's is {middle:.3f} times as fast ({low:.3f} to {high:.3f})")


def _replaced(content: bytes) -> Any:
    """The network with its own preprocessing cut off and OpenVINO's put in."""
    import openvino
    from openvino import opset13
    from openvino.preprocess import PrePostProcessor

    model = read_network(content)
    constants = []
    for node in model.get_ordered_ops():
        if node.get_type_name() in ("Subtract", "Divide", "Multiply", "Add"):
            constants.append(node.input_value(1).get_node())
        if node.get_type_name() == "Divide":
            break
    (mean, std) = (np.asarray(each.data).reshape(-1) for each in constants)
    _, height, width, _ = model.input(0).get_partial_shape()
    planes = opset13.parameter(openvino.PartialShape([-1, 3, height, width]), np.float32, "planes")
    for target in node.output(0).get_target_inputs():
        target.replace_source_output(planes.output(0))
    cut = openvino.Model([result.node for result in model.outputs], [planes], "cut")
    steps = PrePostProcessor(cut)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    order = steps.input().preprocess().convert_element_type(openvino.Type.f32)
    order.mean(mean.tolist()).scale(std.tolist())
    return steps.build()


if __name__ == "__main__":
    main()
