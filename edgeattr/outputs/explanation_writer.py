"""Where the model looked, as one page per person: made in the background, kept as long as asked.

The page of a person is made of the best crop when the person has left. A thread of its own makes
one after the other, on one thread of the processor. At most so many wait: the streams of files
wait some seconds for a place then; live ones, and who finds none, go on without the page, which is
counted. A record is written once its page exists.
"""

from __future__ import annotations

import collections
import logging
import os
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from edgeattr.core.closeable import Closeable
from edgeattr.core.counted import counted
from edgeattr.core.crops import Image
from edgeattr.core.errors import OutputError
from edgeattr.core.files import make_folder, write_atomically
from edgeattr.core.prediction import TrackRecord
from edgeattr.explain import explanation_page
from edgeattr.model import AttributeModel
from edgeattr.outputs.thumbnails import delete_old

_LONGEST_WAIT = 20.0  # seconds for a place: a stream that waits for longer would seem to hang
_ENDING = "explain.html"
_NICE = 10  # of the thread, where the system can tell threads apart: others come first

_log = logging.getLogger("edgeattr.video")


class _Person(NamedTuple):
    """A page that is to be made."""

    record: TrackRecord
    crop: Image
    path: Future[str]  # of the page, once it exists


class ExplanationWriter(Closeable):
    """An output that makes pages, named by the records' ids: ``ID.explain.html``.

    Args:
        path: a folder, made if it does not exist.
        model: explains; not closed with this object.
        retention_days: after which a page is deleted; None keeps all.
        all_attributes: show every reported attribute, not only those that are answered yes.

    Raises:
        OutputError: the folder cannot be made.
        UsageError: the model has no attention masks.
    """

    promise = "a page is whole in its folder before the record that names it is written"
    field = "evidence"  # of the record
    most_waiting = 32  # people; a crop of each is held in memory
    closing_s = 2.0  # on closing, for the page that is being made: the engine may hang

    def __init__(
        self,
        path: Path,
        model: AttributeModel,
        *,
        retention_days: float | None = None,
        all_attributes: bool = False,
    ) -> None:
        self.name = f"explanations {path}"
        self.dropped = 0  # pages for which there was no time
        self._folder, self._days, self._all = path, retention_days, all_attributes
        self._model, self._explained_by = model, model.explained_by
        make_folder(path)
        self._waiting: collections.deque[_Person] = collections.deque()
        self._changed = threading.Condition()
        self._closed = self._hurries = False
        self._thread = threading.Thread(target=self._work, name="explain", daemon=True)
        self._thread.start()

    def keep(self, record: TrackRecord, crop: Image, *, live: bool) -> Future[str] | None:
        """Have a person's page made.

        Args:
            record: of the person; its id names the file.
            crop: uint8 [h, w, 3], BGR; must not change any more.
            live: whether to go on without the page where there is no place; wait otherwise.

        Returns:
            Its path, once it exists; None where it is left out. Cancelling leaves it out, too.
        """
        person = _Person(record, crop, Future())
        with self._changed:
            if not live:
                self._changed.wait_for(
                    lambda: len(self._waiting) < self.most_waiting or self._hurries, _LONGEST_WAIT
                )
            if self._closed or len(self._waiting) >= self.most_waiting:
                self.dropped += 1
                return None
            self._waiting.append(person)
            self._changed.notify_all()
        return person.path

    def stop_waiting(self) -> None:
        """Streams are to end: none waits for a place any more."""
        with self._changed:
            self._hurries = True
            self._changed.notify_all()

    def sweep(self) -> int:
        """Delete pages of ours that are too old; returns how many. Call it now and then."""
        return delete_old(self._folder, self._days, _ENDING)

    def close(self) -> None:
        """Make no page any more; the streams have waited for theirs. May be called twice."""
        with self._changed:
            self._closed = self._hurries = True
            for person in self._waiting:
                person.path.cancel()
            self._changed.notify_all()
        self._thread.join(self.closing_s)
        if self.dropped:
            left_out = counted(self.dropped, "page was", "pages were")
            _log.warning("%s left out for want of time", left_out)

    def _work(self) -> None:
        _step_back()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                person = self._waiting[0]
            if person.path.set_running_or_notify_cancel():
                try:
                    person.path.set_result(str(self._make(person)))
                except Exception as error:  # one person's page does not cost the others'
                    person.path.set_exception(error)
            else:
                self.dropped += 1
            with self._changed:
                self._waiting.popleft()
                self._changed.notify_all()

    def _make(self, person: _Person) -> Path:
        path = self._folder / f"{person.record.id}.{_ENDING}"
        (explanation,) = self._model.explain([person.crop])
        record = person.record
        when = record.time or f"{record.first_s:.1f} to {record.last_s:.1f} s"
        height, width = person.crop.shape[:2]
        notes = [
            f"{record.stream}, {when}, {record.crops_classified} crops classified; the best one, "
            f"{width}x{height} pixels, is shown",
            f"record {record.id}; {self._explained_by}",
        ]
        page = explanation_page(
            explanation,
            f"person {record.track}",
            notes,
            answers=record.attributes,
            all_attributes=self._all,
        )
        try:
            write_atomically(path, page, private=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
        return path


def _step_back() -> None:
    """Let the threads that keep up with the streams go first, where threads have priorities."""
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        except OSError:  # a sandbox may forbid it; nothing depends on it
            _log.debug("the thread that explains keeps its priority", exc_info=True)
