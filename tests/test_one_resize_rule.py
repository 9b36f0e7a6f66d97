"""A crop has the same pixels everywhere: in training, in calibration, in every runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import edgeattr
from edgeattr.core.bundle import Bundle
from edgeattr.core.crops import read_image, stack_crops
from edgeattr_runtimes import Outputs, available, open_runtime
from edgeattr_runtimes.protocol import Fill
from edgeattr_train.data.datasets import open_dataset


def test_to_the_pixel(tiny_peta: Path, small_bundle: Bundle) -> None:
    from edgeattr_convert.calibration import sampled_crops
    from edgeattr_train.loader import batches

    size = small_bundle.input.height, small_bundle.input.width
    data = open_dataset(f"peta:{tiny_peta}", "val")
    read = [data.read(index) for index in range(len(data))]
    direct = stack_crops(read, *size)
    trained = np.concatenate(
        [batch.crops for batch in batches(data, np.arange(len(data)), size, 16)]
    )
    assert np.array_equal(trained, direct)
    calibrated = sampled_crops(data, *size, count=len(data))
    assert {crop.tobytes() for crop in calibrated} == {crop.tobytes() for crop in direct}
    assert np.array_equal(read_image(tiny_peta / "images" / "00001.png").shape, read[0].shape)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_what_an_engine_gets(
    tiny_peta: Path, small_bundle: Bundle, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine not in available():
        pytest.skip(f"{engine} is not installed")
    data = open_dataset(f"peta:{tiny_peta}", "val")
    read = [data.read(index) for index in range(9)]
    padded = [np.pad(each, ((0, 100 - len(each)), (0, 3), (0, 0))) for each in read]
    frame = np.concatenate(padded, 1)
    lefts = np.cumsum([0, *(each.shape[1] + 3 for each in read)])
    boxes = [
        (left, 0, left + each.shape[1], len(each)) for left, each in zip(lefts, read, strict=False)
    ]
    size = small_bundle.input.height, small_bundle.input.width
    direct, seen = stack_crops(read, *size), dict[int, npt.NDArray[np.uint8]]()
    runtime = open_runtime(small_bundle, engine)
    inner = runtime.infer_filled

    def watch(count: int, fill: Fill) -> Outputs:
        def filled(first: int, out: npt.NDArray[np.uint8]) -> None:
            fill(first, out)
            seen.update((first + place, crop.copy()) for place, crop in enumerate(out))

        return inner(count, filled)

    monkeypatch.setattr(runtime, "infer_filled", watch)
    with edgeattr.AttributeModel(small_bundle, runtime) as model:
        for ask in (lambda: model.predict(read), lambda: model.predict_boxes(frame, boxes)):
            seen.clear()
            ask()
            assert np.array_equal(np.stack([seen[index] for index in range(9)]), direct)
