"""Eq. 5 over the last epochs, sample by sample."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr_train.history import PredictionHistory

_IDS = np.array([30, 10, 20, 77, 5])


def _labels(seed: int) -> npt.NDArray[np.int8]:
    """A fifth unknown; of the last sample, everything is."""
    labels = np.random.default_rng(seed).choice([0, 1, -1], (5, 4), p=[0.4, 0.4, 0.2])
    labels[0] = (0, 1, 0, 1)
    labels[4] = -1
    return labels.astype(np.int8)


def _epochs(seed: int, count: int) -> list[npt.NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return [rng.random((5, 4)).astype(np.float32) for _ in range(count)]


def _deviation(
    epochs: list[npt.NDArray[np.float32]], labels: npt.NDArray[np.int8], sample: int, length: int
) -> float:
    """Eq. 5 for one sample, with plain loops."""
    kept = epochs[-length:]
    if len(kept) < 2:
        return 0.0
    variances = []
    for attribute in range(labels.shape[1]):
        if labels[sample, attribute] < 0:
            continue
        p = [float(epoch[sample, attribute]) for epoch in kept]
        true = [value if labels[sample, attribute] == 1 else 1 - value for value in p]
        mean = sum(true) / len(true)
        variances.append(sum((value - mean) ** 2 for value in true) / (len(true) - 1))
    if not variances:
        return 0.0
    variance = sum(variances) / len(variances)
    return math.sqrt(variance + variance**2 / (len(kept) - 1))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8])
def test_equation_5_against_a_plain_loop(seed: int, count: int) -> None:
    """Also with fewer epochs than are kept, and with more."""
    labels, epochs = _labels(seed), _epochs(seed, count)
    history = PredictionHistory(_IDS, labels, 5)
    for probabilities in epochs:
        history.record(_IDS, probabilities)
    expected = [_deviation(epochs, labels, sample, 5) for sample in range(5)]
    assert history.deviation(_IDS) == pytest.approx(expected, rel=1e-5, abs=1e-9)
    assert history.deviation(_IDS[[3, 0]]) == pytest.approx([expected[3], expected[0]], rel=1e-5)
    assert (np.array(expected[:1]) > 0).all() == (count >= 2)


def test_samples_may_have_unequally_many_epochs() -> None:
    labels, epochs = _labels(0), _epochs(4, 6)
    history = PredictionHistory(_IDS, labels, 4)
    for number, probabilities in enumerate(epochs):
        part = np.arange(5) if number < 3 else np.array([0, 2])
        history.record(_IDS[part], probabilities[part])
    expected = [
        _deviation(epochs if sample in (0, 2) else epochs[:3], labels, sample, 4)
        for sample in range(5)
    ]
    assert history.deviation(_IDS) == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_a_resumed_history_goes_on_alike() -> None:
    labels, epochs = _labels(2), _epochs(6, 9)
    whole, first, second = (PredictionHistory(_IDS, labels, 3) for _ in range(3))
    for number, probabilities in enumerate(epochs):
        whole.record(_IDS, probabilities)
        if number < 5:
            first.record(_IDS, probabilities)
    second.load_state_dict(first.state_dict())
    first.record(_IDS, epochs[0])  # what was handed over is a copy
    for probabilities in epochs[5:]:
        second.record(_IDS, probabilities)
    assert np.array_equal(whole.deviation(_IDS), second.deviation(_IDS))
    for key, value in whole.state_dict().items():
        assert np.array_equal(value, second.state_dict()[key]), key


def test_an_unknown_sample_is_an_error() -> None:
    with pytest.raises(KeyError):
        PredictionHistory(_IDS, _labels(0), 3).deviation(np.array([99]))
