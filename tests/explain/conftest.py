"""One explanation that all tests here look at."""

from __future__ import annotations

import pytest

import edgeattr
from edgeattr.explain.attention_maps import Explanation
from edgeattr_train.golden import golden_crops


@pytest.fixture(scope="session")
def explanation(model: edgeattr.AttributeModel) -> Explanation:
    return model.explain([golden_crops(96, 40, seed=3)[0]])[0]
