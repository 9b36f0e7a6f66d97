"""Where boxes are expected: Kalman filters of boxes that move evenly, in seconds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeattr.video.boxes import Boxes

# Of x, y, width and height, as shares of the box's height; chosen by benchmarks/made_streets.py
_MEASURED = np.array([0.05, 0.05, 0.08, 0.08])  # deviation of a detector's box
_DISTURBED = np.array([0.2, 0.2, 0.1, 0.1])  # of the speed, after a second
_SPEED = np.array([0.6, 0.6, 0.2, 0.2])  # of a new box's speed, each second


class BoxMotion:
    """N filters side by side. Coordinates are independent: each has a value, a speed and their
    covariances."""

    def __init__(self) -> None:
        self._state = np.zeros((5, 0, 4))  # value, speed; variance, covariance, of the speed

    def __len__(self) -> int:
        return self._state.shape[1]

    @property
    def boxes(self) -> Boxes:
        """Where they are expected."""
        middle, size = self._state[0, :, :2], np.maximum(self._state[0, :, 2:], 1.0)
        return np.concatenate((middle - size / 2, middle + size / 2), axis=1)

    def add(self, boxes: Boxes) -> None:
        """Begin filters after the others."""
        value = _middle_and_size(boxes)
        height = value[:, 3:]
        new = (
            value, np.zeros_like(value), (_MEASURED * height) ** 2, np.zeros_like(value),
            (_SPEED * height) ** 2,
        )  # fmt: skip
        self._state = np.concatenate((self._state, np.stack(new)), axis=1)

    def keep(self, chosen: npt.NDArray[np.bool_]) -> None:
        """End the filters that are not chosen, [N]."""
        self._state = self._state[:, chosen]

    def predict(self, seconds: float) -> None:
        """Move on."""
        value, speed, variance, shared, of_speed = self._state
        noise = (_DISTURBED * value[:, 3:]) ** 2
        variance += 2 * seconds * shared + seconds**2 * of_speed + noise * seconds**3 / 3
        shared += seconds * of_speed + noise * seconds**2 / 2
        of_speed += noise * seconds
        value += speed * seconds

    def correct(self, rows: npt.NDArray[np.intp], boxes: Boxes) -> None:
        """Take in where some of them were found."""
        value, speed, variance, shared, of_speed = self._state[:, rows]
        total = variance + (_MEASURED * value[:, 3:]) ** 2
        off = _middle_and_size(boxes) - value
        gain, speed_gain = variance / total, shared / total
        self._state[:, rows] = (
            value + gain * off, speed + speed_gain * off, variance * (1 - gain),
            shared * (1 - gain), of_speed - speed_gain * shared,
        )  # fmt: skip


def _middle_and_size(boxes: Boxes) -> npt.NDArray[np.float64]:
    return np.concatenate(((boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]), axis=1)
