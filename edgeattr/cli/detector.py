"""The detector that ``--detector`` names, for the commands that look for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeattr.cli.progress import ProgressParts, note
from edgeattr.core.errors import DownloadError

if TYPE_CHECKING:
    from edgeattr.video.detectors import Detector

__all__ = ["open_detector"]


def open_detector(
    name: str, quiet: bool, *, threads: int | None = None, fall_back: bool = True
) -> Detector:
    """As :func:`edgeattr.video.detectors.open_detector`, with progress on standard error.

    Where ``auto`` has neither the file nor a network, it says so and falls back on ``motion``;
    without ``fall_back``, as for services, that is an error.
    """
    from edgeattr.video import detectors

    with ProgressParts(quiet=quiet) as parts:
        try:
            return detectors.open_detector(
                name,
                threads=threads,
                on_download=lambda known, done, total: parts.tick(
                    f"downloading {known}", done, total
                ),
            )
        except DownloadError as error:
            if name != "auto" or not fall_back:
                raise
            note(
                f"warning: {error}.\nwarning: falling back on the detector `motion`, which needs a "
                "still camera and finds whatever upright thing moves. For a real person detector "
                "pass --detector PATH with a YOLOX, RT-DETR, D-FINE or Open Model Zoo SSD export, "
                "or run: edgeattr models pull yolox_nano"
            )
            return detectors.MotionDetector()
