"""A small model, exported, and drawn data with its attributes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeattr.core.bundle import Bundle
from edgeattr_convert.calibration import calibration_from_dataset
from edgeattr_convert.conversion import ConversionData
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.data.datasets import open_dataset


@pytest.fixture(scope="session")
def bundle(small_bundle: Bundle) -> Bundle:
    return small_bundle


@pytest.fixture(scope="session")
def train(tiny_peta: Path) -> AttributeDataset:
    return open_dataset(f"peta:{tiny_peta}", "train")


@pytest.fixture(scope="session")
def val(tiny_peta: Path) -> AttributeDataset:
    return open_dataset(f"peta:{tiny_peta}", "val")


@pytest.fixture
def data(train: AttributeDataset, val: AttributeDataset, bundle: Bundle) -> ConversionData:
    """110 crops to calibrate on, and the val split."""
    size = bundle.input.height, bundle.input.width
    return ConversionData(calibration=calibration_from_dataset(train, *size, count=110), held=val)


@pytest.fixture
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed is looked at for a moment only."""
    monkeypatch.setattr("edgeattr_convert.speed.LOOK_SECONDS", 0.3)
    monkeypatch.setattr("edgeattr_convert.speed.MOST_SECONDS", 0.3)
