import numpy as np
import pytest

from edgeattr_convert.ranges import METHODS


def _histogram(values: np.ndarray) -> tuple[float, float, np.ndarray]:
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    counts = np.histogram(values, bins=4096, range=(low, high + 1e-9))[0]
    return low, high, counts.astype(np.float64)


def _rounding_error(values: np.ndarray, low: float, high: float) -> float:
    step = (high - low) / 255
    restored = np.clip(np.round(values / step) * step, low, high)
    return float(np.mean((values - restored) ** 2))


def test_ranges_leave_outliers_out_where_that_lowers_the_error() -> None:
    values = np.append(np.random.default_rng(0).normal(0, 1, 200_000), [40.0, -35.0])
    low, high, counts = _histogram(values)
    bottom, top = METHODS["mse"](low, high, counts)
    assert bottom > low
    assert top < high
    assert _rounding_error(values, bottom, top) < 0.75 * _rounding_error(values, low, high)


@pytest.mark.parametrize("shift", [9.0, -9.0])
def test_ranges_contain_zero_and_all_of_what_lies_on_one_side(shift: float) -> None:
    values = np.random.default_rng(0).uniform(-1, 1, 50_000) + shift
    bottom, top = METHODS["mse"](*_histogram(values))
    assert bottom <= 0 <= top
    assert bottom <= values.min() + 0.5
    assert top >= values.max() - 0.5
