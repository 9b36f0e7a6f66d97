"""How often the detector runs: in every frame, or less often under load."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["DetectionInterval"]

_HASTE = 1.0  # seconds between two steps to fewer detections
_PATIENCE = 5.0  # seconds without a lost frame before a step to more


class DetectionInterval:
    """Chooses the frames to detect people in; between them the tracker predicts where they are.

    A stream that drops frames is searched less often, one frame in two, then one in three, until
    none is lost; after a while without a loss it is tried more often again.

    Args:
        every: one frame in so many, to begin with and at least.
        most: one frame in so many, at most; less than ``every`` to keep it fixed. May be changed.
        clock: seconds.
    """

    def __init__(
        self, every: int = 1, *, most: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.every, self.most = every, most
        self._least, self._clock = every, clock
        self._started = False  # the detector always runs on the first frame
        self._since = 0  # frames since the last detection
        self._lost = 0
        self._changed = clock()

    def is_due(self, lost: int) -> bool:
        """Whether to detect people in the next frame.

        Args:
            lost: frames of the stream that were dropped so far.
        """
        self._adapt(lost)
        self._since += 1
        if self._since < self.every and self._started:
            return False
        self._since, self._started = 0, True
        return True

    def _adapt(self, lost: int) -> None:
        now = self._clock()
        if lost > self._lost:
            if self.every < self.most and now - self._changed >= _HASTE:
                self.every += 1
                self._changed = now
            elif self.every >= self.most:
                self._changed = now
        elif self.every > self._least and now - self._changed >= _PATIENCE:
            self.every -= 1
            self._changed = now
        self._lost = lost
