"""The default model beside Open Model Zoo's 0230: size, accuracy and speed on this machine.

    python benchmarks/model_table.py --data peta:../shared/peta \
        --peer ../shared/models/peers/person-attributes-recognition-crossroad-0230 \
        --against v0.1.0/edgeattr/data/default.edgeattr

Accuracy is on PETA's validation split at threshold 0.5. Speed is of the engine alone on crops
already at the model's size, 64 a call, candidates taking turns; the peer through OpenVINO, which it
is published for, in as many streams as ours. --against puts another bundle's INT8 in ONNX Runtime
beside it; the last column then says how many times as fast each was in the same turns. Needs the
extras train and openvino.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from common import PEER, interleaved, load_crops, rate

import edgeattr
from edgeattr.core.bundle import Bundle
from edgeattr.core.config import build
from edgeattr.core.errors import BundleError
from edgeattr.core.hub import resolve_bundle
from edgeattr.core.limits import available_cores
from edgeattr.core.metrics import evaluate, mean_accuracy_per_attribute
from edgeattr_runtimes import open_runtime
from edgeattr_runtimes.device import device_name
from edgeattr_train.data.align import aligned
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.data.datasets import open_dataset
from edgeattr_train.platt import sigmoid

_CALL = 64  # crops
_BATCH = 8  # of the peer
_PEER_SIZE = (160, 80)
_PUBLISHED = "0.74 M (published) | 0.17 (published)"  # of 0230, by Open Model Zoo
_SHARED = {  # our attribute -> position in 0230's output, and whether it is our attribute's inverse
    name.removeprefix("not "): (position, name.startswith("not "))
    for position, name in enumerate(PEER)
    if name
}


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="peta:DIR")
    parser.add_argument("--model", default="default")
    parser.add_argument("--peer", type=Path, help="directory of 0230 with FP32/ and FP16-INT8/")
    parser.add_argument("--against", type=Path, help="a bundle whose onnx-int8 takes turns")
    options = parser.parse_args()
    bundle = Bundle.read(resolve_bundle(options.model))
    data = aligned(open_dataset(options.data, "val"), bundle.schema)
    crops = load_crops(data, bundle.input.height, bundle.input.width)
    print(f"{device_name()}; PETA val, {len(data)} images; {_CALL} crops a call\n")
    runtimes = {}
    for engine in ("onnxruntime", "openvino"):
        for precision in ("fp32", "int8"):
            with contextlib.suppress(BundleError):  # it has no such variant
                runtimes[engine, precision] = open_runtime(bundle, engine, precision)
    runs: dict[tuple[str, str], Callable[[], object]] = {
        key: partial(runtime.infer, crops[:_CALL]) for key, runtime in runtimes.items()
    }
    peers = {}
    if options.peer:
        small = load_crops(data, *_PEER_SIZE)
        for precision, folder in (("fp32", "FP32"), ("int8", "FP16-INT8")):
            peers[precision] = _peer(options.peer / folder)
            runs["0230", precision] = partial(peers[precision], small[:_CALL])
    if options.against:
        other = Bundle.read(options.against)
        golden = other.golden.crops
        others = np.resize(golden, (_CALL, *golden.shape[1:]))
        runs["against", "int8"] = partial(open_runtime(other, "onnxruntime", "int8").infer, others)
    seconds = interleaved(runs)
    parameters, flops = size_of(bundle)
    print(
        "| model | engine | precision | parameters | GFLOPs | val mA | val F1 | crops/s | times |"
    )
    print("|---|---|---|---|---|---|---|---|---|")

    def speed(way: tuple[str, str]) -> str:
        first = seconds.get(("against", "int8"), seconds[way])
        times = statistics.median(a / b for a, b in zip(first, seconds[way], strict=True))
        return f"{rate(_CALL, seconds[way]):.0f} | {times:.2f} |"

    logits = {key: runtime.infer(crops).logits for key, runtime in runtimes.items()}
    for (engine, precision), values in logits.items():
        scores = evaluate(sigmoid(values), data.labels)
        print(
            f"| edgeattr default | {engine} | {precision} | {parameters / 1e6:.2f} M | "
            f"{flops / 1e9:.2f} | {scores.mA:.2f} | {scores.f1:.2f} | {speed((engine, precision))}"
        )
    for precision in peers:
        about = f"Open Model Zoo 0230 | openvino | {precision} | {_PUBLISHED}"
        print(f"| {about} | - | - | {speed(('0230', precision))}")
    if options.against:
        told = f"{options.against.stem} | onnxruntime | int8 | - | - | - | -"
        print(f"| {told} | {speed(('against', 'int8'))}")
    if peers and ("openvino", "int8") in logits:
        _compare(data, logits["openvino", "int8"], peers["int8"](small))


def _compare(
    data: AttributeDataset, ours: npt.NDArray[np.float32], peer: npt.NDArray[np.float32]
) -> None:
    """Balanced accuracy at 0.5 on the attributes that both models have, both in INT8."""
    print("\n| attribute, balanced accuracy on PETA val, INT8 | edgeattr default | 0230 |")
    print("|---|---|---|")
    rows = []
    for name, (position, inverse) in _SHARED.items():
        index = data.schema.index(name)
        truth = data.labels[:, [index]] > 0
        mine = mean_accuracy_per_attribute(ours[:, [index]] > 0, truth)[0]
        said = (peer[:, [position]] > 0.5) ^ inverse
        rows.append((mine, mean_accuracy_per_attribute(said, truth)[0]))
        print(f"| {name} | {rows[-1][0]:.1f} | {rows[-1][1]:.1f} |")
    means = np.mean(rows, 0)
    print(f"| mean | {means[0]:.1f} | {means[1]:.1f} |")


def _peer(folder: Path) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]:
    """0230 as a function from uint8 [N, 160, 80, 3] BGR to probabilities [N, 8]."""
    import openvino

    core = openvino.Core()
    model = core.read_model(next(folder.glob("*.xml")))
    model.reshape([-1, 3, *_PEER_SIZE])
    streams = available_cores()
    compiled = core.compile_model(
        model, "CPU", {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams}
    )
    wanted = next(o for o in compiled.outputs if tuple(o.partial_shape)[1].to_string() == "8")
    requests = openvino.AsyncInferQueue(compiled, streams)
    found: dict[int, npt.NDArray[np.float32]] = {}

    def keep(request: Any, start: int) -> None:
        found[start] = request.get_tensor(wanted).data.reshape(-1, 8).copy()

    requests.set_callback(keep)

    def run(crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        found.clear()
        for start in range(0, len(crops), _BATCH):
            planes = crops[start : start + _BATCH].transpose(0, 3, 1, 2).astype(np.float32)
            requests.start_async({0: np.ascontiguousarray(planes)}, start)
        requests.wait_all()
        return np.concatenate([found[start] for start in sorted(found)])

    return run


def size_of(bundle: Bundle) -> tuple[int, int]:
    """Parameters, and operations for one crop with multiply and add counted as two."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from edgeattr_train.model import ModelOptions, build_model

    options = build(ModelOptions, bundle.training["recipe"]["model"], what="recipe")
    options = dataclasses.replace(options, weights="none", start="")
    size = (bundle.input.height, bundle.input.width)
    model = build_model(len(bundle.schema), options, size).eval()
    crop = torch.zeros((1, bundle.input.height, bundle.input.width, 3), dtype=torch.uint8)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(crop)
    return sum(p.numel() for p in model.parameters()), counter.get_total_flops()


if __name__ == "__main__":
    print(f"edgeattr {edgeattr.__version__}")
    main()
