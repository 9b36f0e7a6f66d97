"""The run's curves for TensorBoard, where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeattr.core.closeable import Closeable
from edgeattr_train.engine import Progress

__all__ = ["TensorBoardLog"]

_STEPS_BETWEEN_POINTS = 20


class TensorBoardLog(Closeable):
    """A context manager that writes ``OUT/tensorboard``; does nothing without TensorBoard.

    Args:
        out: the run's directory; absent: nothing is written (all processes but the first).
    """

    def __init__(self, out: Path | None) -> None:
        self._folder = out / "tensorboard" if out else None
        self._writer: Any = None

    def add(self, progress: Progress) -> None:
        """Points of one step, and of an epoch at its end."""
        if self._writer is None:
            return
        at = progress.epoch * progress.steps + progress.step
        if progress.scores:
            for name in ("mA", "f1", "mAP", "accuracy"):
                value = getattr(progress.scores, name)
                self._writer.add_scalar(f"validation/{name}", value, progress.epoch + 1)
        elif progress.step % _STEPS_BETWEEN_POINTS == 0:
            self._writer.add_scalar("train/loss", progress.loss, at)
            self._writer.add_scalar("train/mA", progress.mA, at)
            self._writer.add_scalar("train/images_per_second", progress.images_per_second, at)

    def __enter__(self) -> TensorBoardLog:
        if self._folder is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                return self
            self._writer = SummaryWriter(str(self._folder))
        return self

    def close(self) -> None:
        """Write what is still in memory."""
        if self._writer is not None:
            self._writer.close()
