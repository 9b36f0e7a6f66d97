import dataclasses
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import InputError, UsageError
from edgeattr.video.detectors import Detector
from edgeattr_convert.calibration import (
    calibration_from_dataset,
    calibration_from_folder,
    calibration_from_video,
    digest,
    sample,
)
from edgeattr_convert.calibration_checks import checked, warnings_for
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.data.pixels import pixel_statistics
from edgeattr_train.golden import golden_crops


def test_calibration_sample_shows_rare_attributes_and_repeats() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((5000, 35)) < np.linspace(0.005, 0.6, 35)).astype(np.uint8)
    chosen = sample(labels, 512)
    assert len(np.unique(chosen)) == 512
    assert labels[chosen].sum(0).min() >= 7
    assert np.array_equal(chosen, sample(labels, 512))
    assert not np.array_equal(chosen, sample(labels, 512, seed=1))
    assert len(sample(labels[:40], 512)) == 40


def test_calibration_digest_follows_the_pixels(train: AttributeDataset) -> None:
    crops = calibration_from_dataset(train, 64, 32, count=100).crops
    assert crops.shape == (100, 64, 32, 3)
    changed = crops.copy()
    changed[0, 0, 0, 0] ^= 1
    assert digest(crops) == digest(crops.copy()) != digest(changed)


def test_too_few_images(train: AttributeDataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"7 images of peta train are too few.*at least 100"):
        calibration_from_dataset(train.first(7), 64, 32)
    with pytest.raises(InputError, match=r"0 images .*\.png.* under .* too few"):
        calibration_from_folder(tmp_path, 64, 32)
    with pytest.raises(UsageError, match="no such folder"):
        calibration_from_folder(tmp_path / "none", 64, 32)


def test_a_folder_is_sampled_by_its_seed(tiny_peta: Path) -> None:
    found = calibration_from_folder(tiny_peta, 64, 32, count=120)
    assert found.crops.shape == (120, 64, 32, 3)
    assert found.facts["images"] == 120
    assert found.facts["sha256"] == digest(found.crops)
    assert found.warnings == ()
    again = calibration_from_folder(tiny_peta, 64, 32, count=120)
    other = calibration_from_folder(tiny_peta, 64, 32, count=120, seed=1)
    assert again.facts["sha256"] == found.facts["sha256"] != other.facts["sha256"]


def test_whole_frames_in_a_folder_are_noticed(tmp_path: Path) -> None:
    for number in range(100):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((30, 60, 3), number, np.uint8))
    (warning,) = calibration_from_folder(tmp_path, 64, 32).warnings
    assert "100 of 100 calibration images are wider than high" in warning


def test_a_damaged_image_in_a_folder_is_named(tiny_peta: Path, tmp_path: Path) -> None:
    for path in sorted((tiny_peta / "images").iterdir())[:110]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "00005.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"00005\.png"):
        calibration_from_folder(tmp_path, 64, 32)


def test_people_are_cut_out_of_a_video(
    walking_video: Path, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks: list[tuple[str, int, int]] = []
    with pytest.raises(InputError, match=r"\d+ crops of people found by person in .*walk.mp4"):
        calibration_from_video(walking_video, detector, 64, 32)
    monkeypatch.setattr("edgeattr_convert.calibration.MINIMUM", 3)
    found = calibration_from_video(
        walking_video, detector, 64, 32, count=3, tick=lambda *tick: ticks.append(tick)
    )
    assert found.crops.shape == (3, 64, 32, 3)
    assert found.facts["found"] > 3
    assert found.facts["detector"] == "person"
    assert ticks[-1] == ("people in walk.mp4", 40, 40)


def test_crops_like_those_of_training_give_no_warning() -> None:
    crops = golden_crops(64, 32, seed=11)
    facts = {"pixels": pixel_statistics(crops)}
    assert warnings_for(crops, facts, _always_sure) == ()


def test_exchanged_channels_are_noticed() -> None:
    crops = np.zeros((4, 8, 4, 3), np.uint8)
    crops[..., 0] = 200  # blue
    assert warnings_for(crops, {}, _surer_of_blue) == ()
    (warning,) = warnings_for(crops[..., ::-1], {}, _surer_of_blue)
    assert "red and blue exchanged" in warning


def test_exchanged_channels_are_noticed_by_the_default_model(shared: Path) -> None:
    from edgeattr.core.hub import default_bundle
    from edgeattr_train.data.datasets import open_dataset

    data = open_dataset(f"peta:{shared / 'peta'}", "val")
    model = Bundle.read(default_bundle())
    found = calibration_from_dataset(data, model.input.height, model.input.width, count=100)
    assert checked(found, model).warnings == ()
    exchanged = dataclasses.replace(found, crops=np.ascontiguousarray(found.crops[..., ::-1]))
    assert "exchanged" in " ".join(checked(exchanged, model).warnings)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda crops: crops // 6, "darker"),
        (lambda crops: 255 - crops // 6, "brighter"),
        (lambda crops: np.stack([cv2.GaussianBlur(crop, (0, 0), 6) for crop in crops]), "blurrier"),
        (lambda crops: np.repeat(crops.mean(3, keepdims=True), 3, 3).astype(np.uint8), "greyer"),
    ],
)
def test_pictures_of_another_kind_are_noticed(change: object, said: str) -> None:
    crops = golden_crops(64, 32, seed=11)
    facts = {"pixels": pixel_statistics(crops)}
    assert callable(change)
    (warning,) = warnings_for(change(crops), facts, _always_sure)
    assert warning.startswith("beside the training images the calibration crops are")
    assert f" {said} (mean " in warning


def _surer_of_blue(crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return crops[..., :1].astype(np.float32).mean((1, 2))


def _always_sure(crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.ones((len(crops), 2), np.float32)
