"""What explain() gives: masks that sum to 1, lie where they are shown, and slow nothing down."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import edgeattr
from edgeattr.core.bundle import Bundle
from edgeattr.core.crops import resize_crop
from edgeattr.core.errors import InputError, RuntimeFailure, UsageError
from edgeattr.core.hub import default_bundle
from edgeattr.explain.attention_maps import MaskGrid, mask_grids
from edgeattr_runtimes import EngineOptions, Runtime, open_runtime


@pytest.fixture(scope="module")
def model() -> Iterator[edgeattr.AttributeModel]:
    with edgeattr.load(runtime="onnxruntime", precision="fp32") as loaded:
        yield loaded


def test_an_explanation_has_the_answers_the_crop_and_masks_that_sum_to_1(
    model: edgeattr.AttributeModel, crops: npt.NDArray[np.uint8]
) -> None:
    images = [crops[0], crops[1][::2], crops[2][:1, :1]]
    size = (model.bundle.input.height, model.bundle.input.width)
    cells = [(size[0] // stride, size[1] // stride) for stride in (8, 16)]
    found = model.explain(images)
    for explanation, prediction, image in zip(found, model.predict(images), images, strict=True):
        assert explanation.prediction.present == prediction.present
        differ = np.abs(explanation.prediction.logits - prediction.logits)
        assert np.nanmax(differ) < 1e-3
        assert np.array_equal(explanation.crop, resize_crop(image, *size))
        assert list(explanation.masks) == list(prediction.attributes)
        assert "male" not in explanation.masks
        for name, masks in explanation.masks.items():
            assert [mask.shape for mask in masks] == cells
            for mask in (*masks, *explanation.upsampled(name), explanation.mean(name)):
                assert mask.dtype == np.float32
                assert mask.min() >= 0
                assert abs(float(mask.sum(dtype=np.float64)) - 1) < 1e-5
        assert explanation.mean("hat").shape == size
    assert [grid.stride for grid in found[0].grids] == [8, 16]


def test_sensitive_attributes_are_explained_on_request(crops: npt.NDArray[np.uint8]) -> None:
    with edgeattr.load(include_sensitive=True) as model:
        assert "male" in model.explain([crops[0]])[0].masks


def test_bad_crops_no_crops_and_a_closed_model(crops: npt.NDArray[np.uint8]) -> None:
    model = edgeattr.load()
    assert model.explain([]) == []
    with pytest.raises(InputError, match="crop 1 has no pixels"):
        model.explain([crops[0], np.zeros((0, 3, 3), np.uint8)])
    with pytest.raises(InputError, match="crops are int"):
        model.explain(5)  # type: ignore[arg-type]
    model.close()
    model.close()
    with pytest.raises(RuntimeFailure, match="was closed"):
        model.explain([crops[0]])


def test_many_threads_open_what_explains_once_and_predictions_do_not(
    crops: npt.NDArray[np.uint8],
) -> None:
    bundle, opened = Bundle.read(default_bundle()), list[Runtime]()

    def open_masked(options: EngineOptions) -> Runtime:
        opened.append(open_runtime(bundle, "onnxruntime", "fp32", options))
        return opened[-1]

    plain = open_runtime(bundle, "onnxruntime", "fp32")
    with edgeattr.AttributeModel(bundle, plain, open_explaining=open_masked) as model:
        model.predict([crops[0]])
        assert opened == []
        with ThreadPoolExecutor(8) as pool:
            found = [it[3].masks["hat"][0] for it in pool.map(model.explain, [list(crops)] * 16)]
        assert max(float(np.abs(mask - found[0]).max()) for mask in found) < 1e-4
        assert len(opened) == 1


def test_openvino_explains_alike(
    model: edgeattr.AttributeModel, crops: npt.NDArray[np.uint8]
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    with edgeattr.load(runtime="openvino", precision="fp32") as other:
        assert "fp32 on openvino" in other.explained_by
        found = other.explain([crops[0]])[0].masks["hat"][0]
    with edgeattr.load(runtime="onnxruntime", precision="fp32") as same:
        assert np.abs(same.explain([crops[0]])[0].masks["hat"][0] - found).max() < 1e-3


def test_a_model_without_masks_says_so(crops: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    import onnx

    bundle = Bundle.read(default_bundle())
    variant = bundle.variant("onnx-fp32")
    network = onnx.load_model_from_string(bundle.read_file(variant))
    kept = [output for output in network.graph.output if output.name == "logits"]
    del network.graph.output[:]
    network.graph.output.extend(kept)
    plain = _bundle_of(bundle, network.SerializeToString(), tmp_path)
    with (
        edgeattr.load(plain) as model,
        pytest.raises(UsageError, match="gives no attention masks"),
    ):
        model.explain([crops[0]])


def _bundle_of(bundle: Bundle, content: bytes, folder: Path) -> Path:
    """The bundle with one variant, which is this."""
    import dataclasses
    import hashlib

    from edgeattr.core.bundle_format import variant_file

    digest = hashlib.sha256(content).hexdigest()
    name = variant_file("onnx-fp32", digest)
    (folder / name).write_bytes(content)
    variant = dataclasses.replace(bundle.variant("onnx-fp32"), file=name, sha256=digest)
    changed = dataclasses.replace(bundle, variants={"onnx-fp32": variant})
    place = folder / "plain.edgeattr"
    changed.write(place, {name: folder / name})
    return place


@pytest.mark.parametrize(("stride", "rows", "columns"), [(16, 18, 10), (32, 9, 5)])
def test_upsampling_does_not_shift_a_mask(stride: int, rows: int, columns: int) -> None:
    grid = MaskGrid(rows=rows, columns=columns, stride=stride, first=0.5)
    for row, column in ((rows // 2, columns // 2), (2, 2), (rows - 3, columns - 3)):
        mask = np.zeros((rows, columns), np.float32)
        mask[row, column] = 1.0
        large = grid.upsampled(mask, rows * stride, columns * stride)
        y, x = ((np.arange(size * stride) + 0.5) for size in (rows, columns))
        assert large.sum(1) @ y == pytest.approx(grid.row_centres[row], abs=0.1)
        assert large.sum(0) @ x == pytest.approx(grid.column_centres[column], abs=0.1)
        top = np.unravel_index(large.argmax(), large.shape)
        assert abs(float(top[0]) + 0.5 - grid.row_centres[row]) <= 1


def test_an_even_mask_stays_even_and_an_empty_one_becomes_so() -> None:
    grid = MaskGrid(rows=9, columns=5, stride=32, first=0.5)
    for mask in (np.full((9, 5), 1 / 45, np.float32), np.zeros((9, 5), np.float32)):
        large = grid.upsampled(mask, 288, 160) * 288 * 160
        assert np.abs(large - 1).max() < 1e-3


@pytest.mark.parametrize(
    ("backbone", "centres"),
    [
        ("mobilenet_v2", (0.5, 0.5)),
        ("resnet50", (0.5, 0.5)),
        ("densenet121", (6.5, 14.5)),
        ("", (8.0, 16.0)),
    ],
)
def test_where_cells_lie_follows_the_backbone(backbone: str, centres: tuple[float, float]) -> None:
    import dataclasses

    bundle = Bundle.read(default_bundle())
    training = {"recipe": {"model": {"backbone": backbone}}} if backbone else {}
    bundle = dataclasses.replace(bundle, training=training)
    height, width = bundle.input.height, bundle.input.width
    grids = mask_grids(bundle, [(height // s, width // s) for s in (16, 32)])
    assert tuple(grid.first for grid in grids) == centres
