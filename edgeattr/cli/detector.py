"""The detector that ``--detector`` names, for the commands that look for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeattr.cli.progress import ProgressParts

if TYPE_CHECKING:
    from edgeattr.video.detectors import Detector

__all__ = ["open_detector"]


def open_detector(
    name: str,
    quiet: bool,
    *,
    threads: int | None = None,
    form: str | None = None,
    size: str = "",
    tiles: str = "",
) -> Detector:
    """As :func:`edgeattr.video.detectors.open_detector`, with progress on standard error.

    Size and tiles are given as :class:`edgeattr.cli.site_config.DetectorSection` has them.
    """
    from edgeattr.video import detectors

    with ProgressParts(quiet=quiet) as parts:
        return detectors.open_detector(
            name,
            threads=threads,
            form=form,
            size=detectors.parse_size(size) if size else None,
            tiles=detectors.parse_tiles(tiles) if tiles else None,
            on_download=lambda known, done, total: parts.tick(f"downloading {known}", done, total),
        )
