"""The training crops' mA against the one of edgeattr.core.metrics."""

import math

import numpy as np
import pytest

from edgeattr.core.metrics import evaluate
from edgeattr_train.engine import RunningMeanAccuracy


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_batches_add_up_to_the_mean_accuracy_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.random((50, 6)).astype(np.float32)
    y = rng.choice([0.0, 1.0, -1.0], (50, 6)).astype(np.float32)
    y[:, 2] = np.where(y[:, 2] > 0, -1, y[:, 2])  # no positives: left out of the mean
    tally = RunningMeanAccuracy(6)
    for start in range(0, 50, 8):
        tally.add(p[start : start + 8], y[start : start + 8])
    assert tally.mean_accuracy() == pytest.approx(evaluate(p, y).mA, rel=1e-12)


def test_soft_labels_count_by_their_side() -> None:
    tally = RunningMeanAccuracy(1)
    tally.add(np.array([[0.9], [0.9], [0.1]], "f4"), np.array([[0.8], [0.3], [0.2]], "f4"))
    assert tally.mean_accuracy() == pytest.approx(75.0)  # 1 of 1 and 1 of 2


def test_nothing_seen_is_not_a_number() -> None:
    tally = RunningMeanAccuracy(2)
    assert math.isnan(tally.mean_accuracy())
    tally.add(np.ones((3, 2), "f4"), np.ones((3, 2), "f4"))
    assert math.isnan(tally.mean_accuracy())
