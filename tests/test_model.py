from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import edgeattr
from edgeattr.core.errors import BundleError, InputError, RuntimeFailure, UsageError


@pytest.fixture(scope="module", params=["fp32", "int8"])
def model(request: pytest.FixtureRequest) -> edgeattr.AttributeModel:
    return edgeattr.load(precision=request.param)


def test_one_prediction_per_crop_of_any_size(
    model: edgeattr.AttributeModel, crops: npt.NDArray[np.uint8]
) -> None:
    images = [crops[0], crops[1][:1, :1], crops[2][::2], crops[3][:, :, 0], crops[4] / 255.0]
    predictions = model.predict(images)
    reported = model.bundle.schema.reported(include_sensitive=False)
    assert len(predictions) == 5
    for prediction in predictions:
        assert len(prediction.attributes) == len(reported)
        assert all(0 <= value.p <= 1 for value in prediction.attributes.values())
        assert set(prediction.present) <= set(model.bundle.schema.names)


def test_one_array_is_no_list_of_crops(
    model: edgeattr.AttributeModel, crops: npt.NDArray[np.uint8]
) -> None:
    with pytest.raises(InputError, match=r"predict\(\[crop\]\)"):
        model.predict(crops[0])  # type: ignore[arg-type]
    assert len(model.predict(crops)) == 5
    assert model.predict([]) == []
    assert model.logits([]).shape == (0, len(model.bundle.schema))


@pytest.mark.parametrize("crops", [None, 5, {"a": 1}, {1, 2}, (each for each in ())])
def test_what_is_no_list_of_crops_is_named(model: edgeattr.AttributeModel, crops: object) -> None:
    for call in (model.predict, model.logits):
        with pytest.raises(InputError, match=r"crops are \w+; expected a list of images"):
            call(crops)  # type: ignore[operator]


def test_frames_without_boxes(model: edgeattr.AttributeModel, crops: npt.NDArray[np.uint8]) -> None:
    assert model.predict_boxes(crops[0], []) == []
    with pytest.raises(InputError, match=r"boxes are NoneType.*\[\] where there is nobody"):
        model.predict_boxes(crops[0], None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the frame, a list, is no array of pixels"):
        model.predict_boxes([[1, 2], [3]], [])  # type: ignore[list-item]


def test_a_bad_crop_is_named_by_its_place(
    model: edgeattr.AttributeModel, crops: npt.NDArray[np.uint8]
) -> None:
    with pytest.raises(InputError, match="crop 70 has shape"):
        model.predict([crops[0]] * 70 + [np.zeros((2, 2, 7), np.uint8)])


def test_answers_do_not_depend_on_the_batch(
    model: edgeattr.AttributeModel, crops: npt.NDArray[np.uint8]
) -> None:
    many = [crops[index % 5] for index in range(70)]
    together = model.logits(many)
    alone = np.concatenate([model.logits([crop]) for crop in crops])
    assert np.abs(together[:5] - alone).max() < 1e-3
    assert np.abs(together[65:] - alone).max() < 1e-3


def test_threads_share_a_model(
    model: edgeattr.AttributeModel, crops: npt.NDArray[np.uint8]
) -> None:
    expected = model.logits(list(crops))
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: model.logits(list(crops)), range(32)))
    assert max(float(np.abs(result - expected).max()) for result in results) < 1e-3


def test_closing_twice_and_use_after_close(crops: npt.NDArray[np.uint8]) -> None:
    model = edgeattr.load(runtime="onnxruntime")
    about = model.describe()
    assert (about.engine, about.device, about.precision) == ("onnxruntime", "CPU", "fp32")
    model.close()
    model.close()
    with pytest.raises(RuntimeFailure, match="closed"):
        model.predict([crops[0]])


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no runtime 'tpu'"):
        edgeattr.load(runtime="tpu")
    with pytest.raises(UsageError, match="no precision 'int4'"):
        edgeattr.load(precision="int4")
    with pytest.raises(BundleError, match="has no fp16 variant"):
        edgeattr.load(precision="fp16")
    with pytest.raises(BundleError, match="no bundle at"):
        edgeattr.load(tmp_path / "none.edgeattr")


def test_a_crop_s_reading_tells_what_is_seen(crops: npt.NDArray[np.uint8]) -> None:
    with edgeattr.load() as model:
        outputs, read = model.outputs(list(crops)), model.read(list(crops))
        assert len(model.read([]).logits) == 0
    seen = ~np.isnan(read.logits)
    np.testing.assert_array_equal(read.logits[seen], outputs.logits[seen])
