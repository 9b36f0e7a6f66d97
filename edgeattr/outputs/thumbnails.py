"""One picture of each person, kept only where that was asked for, and only as long."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import cv2

from edgeattr.core.crops import Image
from edgeattr.core.errors import OutputError
from edgeattr.core.files import make_folder, write_atomically
from edgeattr.core.prediction import TrackRecord

_QUALITY = 90  # of JPEG
_DAY = 86400.0  # seconds
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # of a record

_log = logging.getLogger("edgeattr.video")


class ThumbnailWriter:
    """An output that keeps a person's best crop as JPEG, named by the record's id: ``ID.jpg``.

    Args:
        path: a folder, made if it does not exist.
        retention_days: after which a picture is deleted; None keeps all.

    Raises:
        OutputError: the folder cannot be made.
    """

    promise = "a picture is whole in its folder before the record that names it is written"
    field = "crop"  # of the record

    def __init__(self, path: Path, retention_days: float | None = None) -> None:
        self.name = f"crops {path}"
        self._folder, self._days = path, retention_days
        self._lock = threading.Lock()
        make_folder(path)

    def keep(self, record: TrackRecord, crop: Image, *, live: bool) -> Future[str]:
        """Store a person's picture.

        Args:
            record: of the person; its id names the file.
            crop: uint8 [h, w, 3], BGR.
            live: without effect: it is stored at once.

        Returns:
            Its path, known already.

        Raises:
            OutputError: the disk is full, or the folder went away.
        """
        path = self._folder / f"{record.id}.jpg"
        ok, content = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        if not ok:
            raise OutputError(f"{path}: a crop of {crop.shape[1]}x{crop.shape[0]} is no picture")
        try:
            write_atomically(path, content.tobytes(), private=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
        stored: Future[str] = Future()
        stored.set_result(str(path))
        return stored

    def sweep(self) -> int:
        """Delete pictures of ours that are too old; returns how many. Call it now and then."""
        with self._lock:
            return delete_old(self._folder, self._days, "jpg")


def delete_old(folder: Path, days: float | None, ending: str) -> int:
    """Delete pictures that are named by records' ids, and parts of them that a kill left.

    Args:
        folder: where they are; others' files are left alone.
        days: how long they are kept; None deletes nothing.
        ending: of their names, after the id and a point: ``jpg``, ``explain.html``.

    Returns:
        How many were deleted.
    """
    if days is None:
        return 0
    before, deleted = time.time() - days * _DAY, 0
    more, _, suffix = f".{ending}".rpartition(".")
    own = re.compile(rf"(\.)?{_ID}{re.escape(more)}(?(1)-\w+)\.{suffix}")
    try:
        paths = list(folder.iterdir())
    except OSError as error:  # unmounted, say: the streams go on, and so does the next sweep
        _log.error("%s: old pictures could not be deleted (%s)", folder, error.strerror)
        return 0
    for path in paths:
        with contextlib.suppress(OSError):  # another process may sweep as well
            if own.fullmatch(path.name) and path.stat().st_mtime < before:
                path.unlink()
                deleted += 1
    return deleted
