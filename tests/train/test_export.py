import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
import torch

import edgeattr
from edgeattr.core.bundle import Bundle
from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr_train.checkpoint import Checkpoint
from edgeattr_train.export import bundle_from_checkpoint
from edgeattr_train.golden import golden_crops
from edgeattr_train.onnx_from_torch import OPSET, fold_batch_norms

MakeCheckpoint: TypeAlias = Callable[..., Checkpoint]


def test_exported_graph_takes_uint8_of_any_batch_and_answers_as_torch(small_bundle: Bundle) -> None:
    variant = small_bundle.variants["onnx-fp32"]
    assert variant.parity <= 1e-4
    model = onnx.load_from_string(small_bundle.read_file(variant))
    entry, output = model.graph.input[0], model.graph.output[0]
    assert entry.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    dims = entry.type.tensor_type.shape.dim
    assert (dims[0].dim_param, [d.dim_value for d in dims[1:]]) == ("batch", [64, 32, 3])
    assert (entry.name, output.name) == ("crops", "logits")
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)
    names = [output.name for output in model.graph.output]
    assert names == ["logits", "attention_0", "attention_1"]
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata["attributes"]) == list(small_bundle.schema.names)
    assert json.loads(metadata["input"])["colour"] == "BGR"
    assert (model.producer_name, model.opset_import[0].version) == ("edgeattr", OPSET)
    assert b"/" + b"site-packages" not in small_bundle.read_file(variant)


def test_folding_batch_norms_changes_nothing(make_checkpoint: MakeCheckpoint) -> None:
    model = make_checkpoint().model
    crops = torch.from_numpy(golden_crops(64, 32, seed=1))
    with torch.no_grad():
        assert torch.allclose(fold_batch_norms(model)(crops).logits, model(crops).logits, atol=1e-4)


def test_own_attributes_keep_their_names(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    schema = AttributeSchema(
        tuple(Attribute(name=name, group="work") for name in ("helmet", "vest", "badge"))
    )
    bundle_from_checkpoint(make_checkpoint(schema), tmp_path / "own.edgeattr", "own")
    with edgeattr.load(tmp_path / "own.edgeattr") as model:
        prediction = model.predict([np.zeros((50, 20, 3), np.uint8)])[0]
    assert tuple(prediction.attributes) == ("helmet", "vest", "badge")


def test_golden_crops_repeat_and_differ_from_each_other() -> None:
    first = golden_crops(64, 32)
    assert np.array_equal(first, golden_crops(64, 32))
    assert len({crop.tobytes() for crop in first}) == len(first)
