from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import edgeattr
from edgeattr.bundle import Bundle
from edgeattr.errors import ContractNotMet, InputError
from edgeattr.schema import Attribute, AttributeSchema
from edgeattr_convert.build import Int8Options, add_fp16, add_int8, bundle_from_checkpoint
from edgeattr_convert.calibration import calibration_crops, digest, sample
from edgeattr_convert.golden import golden_crops
from edgeattr_convert.int8 import Quantizer
from edgeattr_convert.onnx_from_torch import fold_batch_norms
from edgeattr_convert.ranges import METHODS
from edgeattr_train.checkpoint import Checkpoint
from edgeattr_train.datasets import AttributeDataset, open_dataset
from edgeattr_train.model import build_model
from edgeattr_train.peta import PETA_SCHEMA
from edgeattr_train.recipe import load_recipe


def _checkpoint(schema: AttributeSchema = PETA_SCHEMA) -> Checkpoint:
    torch.manual_seed(0)
    recipe = load_recipe("default", ["height=64", "width=32", "model.attention_channels=16"])
    model = build_model(len(schema), recipe.model, (64, 32))
    model.train()
    with torch.no_grad():  # batch-norm statistics as of a trained model
        for _ in range(20):
            model(torch.from_numpy(golden_crops(64, 32)))
    return Checkpoint(model=model.eval(), recipe=recipe, schema=schema, facts={"dataset": "drawn"})


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path = tmp_path_factory.mktemp("made") / "made.edgeattr"
    return bundle_from_checkpoint(_checkpoint(), path, "made")


@pytest.fixture
def data(tiny_peta: Path) -> AttributeDataset:
    return open_dataset(f"peta:{tiny_peta}", "train")


def test_exported_graph_takes_uint8_of_any_batch_and_answers_as_torch(bundle: Bundle) -> None:
    variant = bundle.variants["onnx-fp32"]
    assert variant.parity <= 1e-4
    model = onnx.load_from_string(bundle.read_file(variant))
    entry, output = model.graph.input[0], model.graph.output[0]
    assert entry.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    dims = entry.type.tensor_type.shape.dim
    assert (dims[0].dim_param, [d.dim_value for d in dims[1:]]) == ("batch", [64, 32, 3])
    assert (entry.name, output.name) == ("crops", "logits")
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)
    assert b"/" + b"site-packages" not in bundle.read_file(variant)


def test_folding_batch_norms_changes_nothing() -> None:
    model = _checkpoint().model
    crops = torch.from_numpy(golden_crops(64, 32, seed=1))
    with torch.no_grad():
        assert torch.allclose(fold_batch_norms(model)(crops).logits, model(crops).logits, atol=1e-4)


def test_own_attributes_keep_their_names(tmp_path: Path) -> None:
    schema = AttributeSchema(
        tuple(Attribute(name=name, group="work") for name in ("helmet", "vest", "badge"))
    )
    bundle_from_checkpoint(_checkpoint(schema), tmp_path / "own.edgeattr", "own")
    with edgeattr.load(tmp_path / "own.edgeattr") as model:
        prediction = model.predict([np.zeros((50, 20, 3), np.uint8)])[0]
    assert tuple(prediction.attributes) == ("helmet", "vest", "badge")


def test_fp16(bundle: Bundle, tmp_path: Path) -> None:
    made = add_fp16(bundle, tmp_path / "half.edgeattr")
    variant = made.variants["onnx-fp16"]
    half, full = (len(made.read_file(v)) for v in (variant, made.variants["onnx-fp32"]))
    assert half < 0.6 * full
    assert 0 < variant.parity < 0.1
    with edgeattr.load(made.path, precision="fp16") as model:
        assert model.describe().precision == "fp16"


def test_int8(bundle: Bundle, data: AttributeDataset, tmp_path: Path) -> None:
    said: list[str] = []
    options = Int8Options(images=110, max_drop=100)
    made = add_int8(bundle, tmp_path / "int8.edgeattr", data, data, options, said.append)
    variant = made.variants["onnx-int8"]
    graph = onnx.load_from_string(made.read_file(variant)).graph
    kinds = {node.op_type for node in graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    floats = {i.name for i in graph.initializer if i.data_type == onnx.TensorProto.FLOAT}
    softmaxes = [node for node in graph.node if node.op_type == "Softmax"]
    assert len(softmaxes) == 2
    assert any("scores.6.weight" in name for name in floats), "the heads stay in float"
    assert variant.calibration["images"] == 110
    assert len(variant.calibration["sha256"]) == 64
    assert {"mA", "f1", "flips_percent"} <= set(variant.metrics)
    assert "decisions flip" in variant.verdict
    assert any("convolutions in float" in line for line in said)


def test_int8_that_loses_too_much_is_not_written(
    bundle: Bundle, data: AttributeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quantizer that ruins the model: the contract refuses it and the bundle stays."""

    def ruin(quantizer: Quantizer, target: Path) -> None:
        model = onnx.load_from_string(quantizer._content)
        for entry in model.graph.initializer:
            if entry.name.endswith("branches.1.bias") or entry.name.endswith("primary.bias"):
                wrong = onnx.numpy_helper.to_array(entry) + np.float32(50) * np.resize([1, -1], 35)
                entry.CopyFrom(onnx.numpy_helper.from_array(wrong.astype("f4"), entry.name))
        onnx.save(model, str(target))

    monkeypatch.setattr(Quantizer, "write", ruin)
    target = tmp_path / "kept.edgeattr"
    before = bundle.write(target, {})
    files = {path.name: path.read_bytes() for path in target.iterdir()}
    with pytest.raises(ContractNotMet, match=r"loses too much.*It was not written"):
        add_int8(before, target, data, data, Int8Options(images=110, max_drop=0.0))
    assert {path.name: path.read_bytes() for path in target.iterdir()} == files


def test_too_few_calibration_images(bundle: Bundle, data: AttributeDataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="7 calibration images are too few"):
        add_int8(bundle, tmp_path / "x.edgeattr", data.first(7), data, Int8Options())
    assert not (tmp_path / "x.edgeattr").exists()


def test_calibration_sample_shows_rare_attributes_and_repeats() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((5000, 35)) < np.linspace(0.005, 0.6, 35)).astype(np.uint8)
    chosen = sample(labels, 512)
    assert len(np.unique(chosen)) == 512
    assert labels[chosen].sum(0).min() >= 7
    assert np.array_equal(chosen, sample(labels, 512))
    assert not np.array_equal(chosen, sample(labels, 512, seed=1))
    assert len(sample(labels[:40], 512)) == 40


def test_calibration_digest_follows_the_pixels(data: AttributeDataset) -> None:
    crops = calibration_crops(data, 64, 32, count=100)
    assert crops.shape == (100, 64, 32, 3)
    changed = crops.copy()
    changed[0, 0, 0, 0] ^= 1
    assert digest(crops) == digest(crops.copy()) != digest(changed)


def test_golden_crops_repeat_and_differ_from_each_other() -> None:
    first = golden_crops(64, 32)
    assert np.array_equal(first, golden_crops(64, 32))
    assert len({crop.tobytes() for crop in first}) == len(first)


def _histogram(values: np.ndarray) -> tuple[float, float, np.ndarray]:
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    counts = np.histogram(values, bins=4096, range=(low, high + 1e-9))[0]
    return low, high, counts.astype(np.float64)


def _rounding_error(values: np.ndarray, low: float, high: float) -> float:
    step = (high - low) / 255
    restored = np.clip(np.round(values / step) * step, low, high)
    return float(np.mean((values - restored) ** 2))


def test_ranges_leave_outliers_out_where_that_lowers_the_error() -> None:
    values = np.append(np.random.default_rng(0).normal(0, 1, 200_000), [40.0, -35.0])
    low, high, counts = _histogram(values)
    bottom, top = METHODS["mse"](low, high, counts)
    assert bottom > low
    assert top < high
    assert _rounding_error(values, bottom, top) < 0.75 * _rounding_error(values, low, high)


@pytest.mark.parametrize("shift", [9.0, -9.0])
def test_ranges_contain_zero_and_all_of_what_lies_on_one_side(shift: float) -> None:
    values = np.random.default_rng(0).uniform(-1, 1, 50_000) + shift
    bottom, top = METHODS["mse"](*_histogram(values))
    assert bottom <= 0 <= top
    assert bottom <= values.min() + 0.5
    assert top >= values.max() - 0.5
