"""A small model, exported, and drawn data with its attributes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeattr.bundle import Bundle
from edgeattr_train.datasets import AttributeDataset, open_dataset


@pytest.fixture(scope="session")
def bundle(small_bundle: Bundle) -> Bundle:
    return small_bundle


@pytest.fixture(scope="session")
def train(tiny_peta: Path) -> AttributeDataset:
    return open_dataset(f"peta:{tiny_peta}", "train")


@pytest.fixture(scope="session")
def val(tiny_peta: Path) -> AttributeDataset:
    return open_dataset(f"peta:{tiny_peta}", "val")
