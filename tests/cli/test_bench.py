"""`edgeattr bench`: figures, files, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeattr.cli.bench import bench
from edgeattr.core.bundle import Bundle

from .program import Said, edgeattr


def _bench(*arguments: object, code: int = 0) -> Said:
    return edgeattr("bench", *arguments, code=code)


_QUICK = ("--seconds", "0.1", "--runtime", "onnxruntime", "--precision", "fp32")


def test_table_and_json(small_bundle: Bundle, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    said = _bench(
        small_bundle.path, *_QUICK, "--batch", "1", "--batch", "5", "--threads", "1",
        "--against", "raw", "--json", figures,
    ).stdout  # fmt: skip
    record = json.loads(figures.read_text())
    assert record["device"]
    assert [(entry["batch"], entry["raw"]) for entry in record["results"]] == [
        (1, False), (1, True), (5, False), (5, True),
    ]  # fmt: skip
    for entry in record["results"]:
        assert (entry["runtime"], entry["precision"]) == ("onnxruntime", "fp32")
        assert (entry["threads"], entry["streams"]) == (1, 1)
        low, high = entry["interval"]
        assert low <= entry["crops_per_second"] <= high
        assert entry["latency_ms"].keys() == {"p50", "p95", "p99"}
        assert (entry["rss_mb"] is None) == (entry["load_seconds"] is None) == entry["raw"]
    assert record["results"][0]["relative"] == 1
    assert said.count("onnxruntime") == 4
    assert said.count(" raw ") == 2
    done = _bench(small_bundle.path, *_QUICK, "--batch", "1", "--json", "-", "--quiet")
    assert len(json.loads(done.stdout)["results"]) == 1, "JSON alone goes to standard output"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--against", "speed"), 2, "there is raw"),
        (("--tune", "--batch", "3"), 2, "--tune tries the settings itself"),
        (("--runtime", "openvino", "--precision", "int8"), 1, "no int8 variant for openvino"),
        (("--runtime", "tflite"), 2, "no runtime 'tflite'"),
        (("--runtime", "onnxruntime", "--precision", "fp16"), 1, "no fp16 variant"),
        (("--runtime", "onnxruntime", "--device", "tpu"), 2, "has no device 'tpu' here"),
        (("--device", "tpu"), 2, "no engine has a device 'tpu' here"),
        (("--batch", "0"), 2, "0 is not in the range x>=1"),
    ],
)
def test_what_cannot_be_timed_is_named(
    small_bundle: Bundle, options: tuple[str, ...], code: int, message: str
) -> None:
    assert message in _bench(small_bundle.path, *options, code=code).stderr
    said = _bench("run/best.pt", code=2).stderr
    assert "run/best.pt is a checkpoint, and only bundles are timed" in said
    assert "edgeattr convert run/best.pt, then run: edgeattr bench run/best.edgeattr" in said


def test_tuning_says_what_it_chose(
    small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edgeattr_runtimes.tune.automatic", lambda: ("onnxruntime",))
    monkeypatch.setattr("edgeattr_runtimes.tune.BATCHES", (2,))
    bench(str(small_bundle.path), tune=True, seconds=0.1)
    said = capsys.readouterr().err
    assert "every later load here takes onnx-" in said
    assert "crops/s; kept in " in said
