"""INT8 the plain way (ONNX Runtime's defaults) against ours: same model, same images.

python benchmarks/int8_ways.py --data peta:../shared/peta
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from common import interleaved, load_crops, rate

from edgeattr.bundle import Bundle
from edgeattr.hub import resolve_bundle
from edgeattr.metrics import evaluate
from edgeattr_convert.calibration import calibration_crops
from edgeattr_convert.int8 import Quantizer
from edgeattr_runtimes.device import device_name
from edgeattr_runtimes.onnx_engine import open_session
from edgeattr_train.datasets import open_dataset

_BATCH = 32


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="peta:DIR")
    parser.add_argument("--model", default="default")
    options = parser.parse_args()
    bundle = Bundle.read(resolve_bundle(options.model))
    val = open_dataset(options.data, "val")
    size = bundle.input.height, bundle.input.width
    crops = load_crops(val, *size)
    calibration = calibration_crops(open_dataset(options.data, "train"), *size)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "fp32.onnx").write_bytes(bundle.read_file(bundle.variant("onnx-fp32")))
        _plain(work / "fp32.onnx", work / "plain.onnx", calibration)
        quantizer = Quantizer(work / "fp32.onnx", calibration, crops[:256])
        quantizer.search()
        quantizer.write(work / "ours.onnx")
        sessions = {
            "FP32": open_session(str(work / "fp32.onnx")),
            "INT8, ONNX Runtime's defaults, per channel": open_session(str(work / "plain.onnx")),
            "INT8, edgeattr": open_session(str(work / "ours.onnx")),
        }
    logits = {name: _run(session, crops) for name, session in sessions.items()}
    seconds = interleaved(
        {name: lambda s=session: _run(s, crops[:256]) for name, session in sessions.items()}  # type: ignore[misc]
    )
    print(f"{device_name()}; PETA val; {len(calibration)} calibration crops; batch {_BATCH}\n")
    print("| way | mA | F1 | decisions that flip | crops/s |\n|---|---|---|---|---|")
    for name, values in logits.items():
        scores = evaluate(1 / (1 + np.exp(-values)), val.labels)
        flips = 100 * float(np.mean((values > 0) != (logits["FP32"] > 0)))
        speed = rate(256, seconds[name])
        print(f"| {name} | {scores.mA:.2f} | {scores.f1:.2f} | {flips:.2f} % | {speed:.0f} |")


def _run(session: Any, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.concatenate(
        [
            session.run(["logits"], {"crops": crops[start : start + _BATCH]})[0]
            for start in range(0, len(crops), _BATCH)
        ]
    )


def _plain(source: Path, target: Path, crops: npt.NDArray[np.uint8]) -> None:
    from onnxruntime.quantization import quantize_static

    logging.getLogger().setLevel(logging.ERROR)
    batches = iter([{"crops": crops[i : i + _BATCH]} for i in range(0, len(crops), _BATCH)])

    class Reader:
        def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
            return next(batches, None)

    quantize_static(str(source), str(target), Reader(), per_channel=True)


if __name__ == "__main__":
    main()
