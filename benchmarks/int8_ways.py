"""INT8 beside the plain ways: accuracy on PETA val and speed, all in one interleaved run.

    python benchmarks/int8_ways.py --data peta:../shared/peta

The plain ways are ONNX Runtime's quantize_static with its defaults (per channel) and NNCF's
quantize with its defaults, on the same model and the same calibration crops. Decisions at
probability 0.5: thresholds fitted to the float model would favour nobody, and hide what moves.
Speed is of the engine alone at batch 8. Needs the extras convert and train, and NNCF (pip install
nncf).
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from common import interleaved, load_crops, rate

from edgeattr.core.bundle import Bundle
from edgeattr.core.hub import resolve_bundle
from edgeattr.core.metrics import evaluate
from edgeattr_convert.calibration import calibration_from_dataset, sample, sampled_crops
from edgeattr_convert.openvino_from_onnx import write_network
from edgeattr_convert.quiet import quiet
from edgeattr_convert.steps import STEPS, Job
from edgeattr_runtimes.device import device_name
from edgeattr_runtimes.onnx_engine import OnnxSession
from edgeattr_runtimes.openvino_engine import OpenvinoSession, read_network
from edgeattr_runtimes.session import Session
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.data.datasets import open_dataset
from edgeattr_train.platt import sigmoid

_BATCH = 8
_CALIBRATED = 512  # crops
_JUDGED = 256  # other crops, on which ways are compared
_ROUND = 64  # crops timed in a round
_Crops = npt.NDArray[np.uint8]
_Way = tuple[str, str]  # engine, name
_Run = Callable[[_Crops], npt.NDArray[np.float32]]


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="peta:DIR")
    parser.add_argument("--model", default="default")
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    bundle = Bundle.read(resolve_bundle(options.model))
    val = open_dataset(options.data, "val")
    val = val.first(len(val) // _BATCH * _BATCH)
    size = bundle.input.height, bundle.input.width
    crops = load_crops(val, *size)
    train = open_dataset(options.data, "train")
    calibration = calibration_from_dataset(train, *size, count=_CALIBRATED).crops
    judged = _others(train)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "fp32.onnx"
        source.write_bytes(bundle.read_file(bundle.variant("onnx-fp32")))
        job = Job(
            source=source, folder=Path(folder), crops=calibration,
            judged=sampled_crops(judged, *size, count=_JUDGED),
        )  # fmt: skip
        runs = _ways(job)
        logits = {way: run(crops) for way, run in runs.items()}
        timed = {way: (lambda run=run: run(crops[:_ROUND])) for way, run in runs.items()}
        seconds = interleaved(timed, rounds=options.rounds)
    print(
        f"{device_name()}; {val.name} val; {len(calibration)} calibration crops; batch {_BATCH}\n"
    )
    _print(logits, seconds, val.labels)


def _ways(job: Job) -> dict[_Way, _Run]:
    """Every way to run the model, by engine and name."""
    return {
        ("ONNX Runtime", "FP32"): _onnx(job.source),
        ("ONNX Runtime", "INT8, `quantize_static` defaults"): _onnx(_plain_onnx(job)),
        ("ONNX Runtime", "INT8, `nncf.quantize` defaults"): _onnx(_nncf_onnx(job)),
        ("ONNX Runtime", "INT8, edgeattr"): _onnx(_ours("onnx-int8", job)),
        ("OpenVINO", "FP32"): _openvino(job.source),
        ("OpenVINO", "INT8, `nncf.quantize` defaults"): _openvino(_plain_openvino(job)),
        ("OpenVINO", "INT8, edgeattr"): _openvino(_ours("openvino-int8", job), "int8"),
    }


def _print(
    logits: Mapping[_Way, npt.NDArray[np.float32]],
    seconds: Mapping[_Way, list[float]],
    labels: npt.NDArray[np.int8],
) -> None:
    print("| engine | way | mA | F1 | decisions that flip | crops/s | times FP32 |")
    print("|---|---|---|---|---|---|---|")
    truth = logits["ONNX Runtime", "FP32"]
    for (engine, way), values in logits.items():
        scores = evaluate(sigmoid(values), labels)
        flips = 100 * float(np.mean((values > 0) != (truth > 0)))
        mine, full = seconds[engine, way], seconds[engine, "FP32"]
        ratio = statistics.median(b / a for a, b in zip(mine, full, strict=True))
        print(
            f"| {engine} | {way} | {scores.mA:.2f} | {scores.f1:.2f} | {flips:.2f} % | "
            f"{rate(_ROUND, mine):.0f} | {ratio:.2f} |"
        )


def _others(train: AttributeDataset) -> AttributeDataset:
    """Training images that do not calibrate: our ways are compared on them, and not on val."""
    return train.take(np.setdiff1d(np.arange(len(train)), sample(train.labels, _CALIBRATED)))


def _ours(variant: str, job: Job) -> Path:
    """The first draft: no repair is needed on the default model."""
    return next(STEPS[variant].drafts(job)).file


def _onnx(file: Path) -> _Run:
    return _logits(OnnxSession(file.read_bytes()))


def _openvino(file: Path, precision: str = "fp32") -> _Run:
    return _logits(OpenvinoSession(file.read_bytes(), precision=precision))


def _logits(session: Session) -> _Run:
    shape = {"crops": (_BATCH, *(side or 0 for side in session.inputs[0].shape[1:]))}
    fixed = session.fixed(shape, ["logits"])
    return lambda crops: fixed.run({"crops": crops})[0]


def _plain_onnx(job: Job) -> Path:
    from onnxruntime.quantization import quantize_static

    assert job.crops is not None
    target = job.folder / "plain.onnx"
    batches = iter([{"crops": job.crops[i : i + 32]} for i in range(0, len(job.crops), 32)])

    class Reader:
        def get_next(self) -> dict[str, _Crops] | None:
            return next(batches, None)

    logging.getLogger().setLevel(logging.ERROR)
    quantize_static(str(job.source), str(target), Reader(), per_channel=True)
    return target


def _nncf_onnx(job: Job) -> Path:
    """NNCF's ONNX backend."""
    import onnx

    assert job.crops is not None
    model = _by_nncf(onnx.load(str(job.source)), [{"crops": crop[None]} for crop in job.crops])
    target = job.folder / "nncf.onnx"
    onnx.save(model, str(target))
    return target


def _plain_openvino(job: Job) -> Path:
    assert job.crops is not None
    network = read_network(job.source.read_bytes())
    target = job.folder / "plain.zip"
    write_network(_by_nncf(network, [crop[None] for crop in job.crops]), target)
    return target


def _by_nncf(model: Any, feeds: list[Any]) -> Any:
    with quiet():
        import nncf

        return nncf.quantize(model, nncf.Dataset(feeds), subset_size=len(feeds))


if __name__ == "__main__":
    main()
