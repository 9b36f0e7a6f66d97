"""Bundles of other versions: the first format, newer ones of the same major, and those refused."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import edgeattr
from edgeattr.cli.app import app
from edgeattr.core.bundle import RESIZE_RULE, Bundle
from edgeattr.core.bundle_format import CURRENT, BundleFormat
from edgeattr.core.bundle_reading import with_digest
from edgeattr.core.errors import BundleError
from edgeattr.core.hub import default_bundle

_HEIGHT, _WIDTH = 8, 4
_CROPS = np.random.default_rng(0).integers(0, 256, (3, _HEIGHT, _WIDTH, 3), dtype=np.uint8)


def _mean_colour() -> bytes:
    """An ONNX model whose three logits are the mean of blue, green and red, less 127.5."""
    onnx = pytest.importorskip("onnx")
    make, kinds = onnx.helper, onnx.TensorProto
    shape = ["n", _HEIGHT, _WIDTH, 3]
    graph = make.make_graph(
        [
            make.make_node("Cast", ["crops"], ["float"], to=kinds.FLOAT),
            make.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
            make.make_node("Sub", ["mean", "half"], ["logits"]),
        ],
        "mean_colour",
        [make.make_tensor_value_info("crops", kinds.UINT8, shape)],
        [make.make_tensor_value_info("logits", kinds.FLOAT, ["n", 3])],
        [
            onnx.numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
            onnx.numpy_helper.from_array(np.array(127.5, np.float32), "half"),
        ],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


@pytest.fixture(scope="module")
def first_format(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What edgeattr 0.1.0 wrote: format 1, no section of tracks, written here field by field."""
    folder = tmp_path_factory.mktemp("old") / "old.edgeattr"
    folder.mkdir()
    network = _mean_colour()
    (folder / "model.onnx").write_bytes(network)
    logits = (_CROPS.mean((1, 2)) - 127.5).astype(np.float32)
    arrays = io.BytesIO()
    np.savez_compressed(arrays, crops=_CROPS, logits=logits)
    (folder / "golden.npz").write_bytes(arrays.getvalue())
    index = {
        "format": 1,
        "name": "old",
        "schema": {
            "attributes": [
                {"name": name, "group": "colour", "source": "", "sensitive": False}
                for name in ("blue", "green", "red")
            ],
            "exclusive": [],
        },
        "input": {
            "height": _HEIGHT, "width": _WIDTH, "layout": "NHWC", "dtype": "uint8",
            "colour": "BGR", "resize": RESIZE_RULE,
        },
        "thresholds": [0.5] * 3,
        "probability": {"scale": [0.1] * 3, "offset": [0.0] * 3},
        "training": {"dataset": "drawn", "split": "train"},
        "golden": {
            "file": "golden.npz",
            "sha256": hashlib.sha256(_CROPS.tobytes() + logits.tobytes()).hexdigest(),
        },
        "variants": {
            "onnx-fp32": {
                "engine": "onnx", "precision": "fp32", "file": "model.onnx",
                "sha256": hashlib.sha256(network).hexdigest(), "parent": "torch",
                "parity": 0.0, "tolerance": 1e-3, "metrics": {}, "speed": {},
                "calibration": {}, "verdict": "",
            }
        },
    }  # fmt: skip
    (folder / "bundle.json").write_text(json.dumps(index))
    return folder


@pytest.fixture
def copy(first_format: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first_format, tmp_path / "copy.edgeattr"))


def _index(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((path / "bundle.json").read_text())
    return read


def _edit(path: Path, **changes: object) -> None:
    (path / "bundle.json").write_text(json.dumps({**_index(path), **changes}))


def _answers(path: Path) -> list[tuple[str, ...]]:
    blue = np.zeros((20, 10, 3), np.uint8)
    blue[..., 0] = 250
    with edgeattr.load(path, runtime="onnxruntime") as model:
        return [prediction.present for prediction in model.predict([blue, ~blue])]


def test_the_first_format_loads_and_answers(first_format: Path) -> None:
    assert Bundle.read(first_format).format == BundleFormat(1, 0)
    assert _answers(first_format) == [("blue",), ("green", "red")]


def test_what_is_written_names_the_lowest_format(copy: Path, tmp_path: Path) -> None:
    """So that the first readers, which knew the number 1 alone, take it."""
    for path in (copy, default_bundle()):
        made = Bundle.read(path).write(tmp_path / path.name, {})
        assert _index(made.path)["format"] == 1
        assert set(_index(made.path)["variants"]["onnx-fp32"]) == {
            "engine", "precision", "file", "sha256", "parent", "parity", "tolerance", "metrics",
            "speed", "calibration", "verdict",
        }  # fmt: skip


def _newer(path: Path) -> None:
    """As a later version of the same major might write it."""
    variants = _index(path)["variants"]
    unheard = {**variants["onnx-fp32"], "engine": "abacus", "file": "model.beads"}
    (path / "model.beads").write_bytes((path / "model.onnx").read_bytes())
    variants["onnx-fp32"]["energy"] = {"mJ": 3}
    changed = {"onnx-fp32": variants["onnx-fp32"], "abacus-fp32": unheard}
    _edit(path, format="1.7", variants=changed, provenance={"signed_by": "x"}, notes=[1, 2])


def test_a_newer_minor_is_read_and_what_is_new_is_passed_over(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _newer(copy)
    with caplog.at_level(logging.DEBUG, "edgeattr.core.bundle"):
        bundle = Bundle.read(copy)
    assert bundle.passed_over == ("provenance", "notes", "variants.onnx-fp32.energy")
    assert "format 1.7: passed over provenance, notes, variants.onnx-fp32" in caplog.text
    bundle.verify()
    assert _answers(copy) == [("blue",), ("green", "red")]
    said = CliRunner().invoke(app, ["info", str(copy)]).output
    assert "format   1.7, of a newer edgeattr; this version passes over: provenance" in said


def test_what_is_passed_over_is_not_lost(copy: Path, tmp_path: Path) -> None:
    _newer(copy)
    again = Bundle.read(copy).write(tmp_path / "again.edgeattr", {})
    expected = with_digest({**_index(copy), "golden": _golden(again)})
    assert _index(tmp_path / "again.edgeattr") == expected
    again.zip(tmp_path / "packed.edgeattr")
    assert Bundle.read(tmp_path / "packed.edgeattr").to_json() == again.to_json()


def _golden(bundle: Bundle) -> dict[str, str]:
    """The golden crops' entry: their file is named anew."""
    return {"file": bundle.golden.file, "sha256": bundle.golden.sha256}


_UPDATE = r"reads formats 1\.0 to 1\.x.*pip install --upgrade"
_NONSENSE = r"is damaged: its bundle format .* neither"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        *((it, None) for it in (1, "1.0", "1.1", "1.999999")),
        *((it, _UPDATE) for it in (2, "2.0", "17.4")),
        ("0.9", r"bundle format 0\.9.*make the bundle again"),
        *((it, _NONSENSE) for it in (
            True, None, 1.1, -1, 10**12, "", "1", "1.", ".1", "1.0.0", "v1.0", " 1.0", "1.0\n",
            "1.x", "one", "1e3", "\u0663.\u0661", "9" * 5000 + ".0", [1, 0], {"major": 1},
        )),
    ],
)  # fmt: skip
def test_formats(copy: Path, value: object, message: str | None) -> None:
    if message is None:
        _edit(copy, format=value)
        assert Bundle.read(copy).format.major == CURRENT.major
        return
    _edit(copy, format=value, golden=None)  # nothing else of it is looked at
    with pytest.raises(BundleError, match=message):
        Bundle.read(copy)


def _without_format(index: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in index.items() if key != "format"}


def _gamma(section: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A new field in a section: in a minor version, only whole sections may be added."""
    return lambda it: {**it, "format": "1.7", section: {**it.get(section, {}), "gamma": 2.2}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without_format, r"is damaged: bundle\.json has no format"),
        (_gamma("input"), "gamma"),
        (_gamma("track"), "gamma"),
        *(
            (lambda it, entry=entry: {**it, "variants": {"onnx-fp32": entry}}, "damaged")
            for entry in (7, None, [], {"engine": "onnx"}, {"later": {}})
        ),
    ],
)
def test_what_could_change_answers_or_is_none_is_refused(
    copy: Path, change: Callable[[dict[str, Any]], dict[str, Any]], message: str
) -> None:
    (copy / "bundle.json").write_text(json.dumps(change(_index(copy))))
    with pytest.raises(BundleError, match=message):
        Bundle.read(copy)
