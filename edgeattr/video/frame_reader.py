"""A thread that reads a source into a short queue, so that no source waits for another."""

from __future__ import annotations

import collections
import threading
import time

from edgeattr.video.sources import Frame, Source


class FrameReader:
    """The newest frames of a source.

    A live source never waits: where the queue is full, its oldest frame is dropped and counted. A
    file waits, and nothing of it is ever dropped.

    Args:
        source: what is read; closed when the reading has ended.
        size: frames that may wait.
        limit: frames after which the reading ends.
    """

    def __init__(self, source: Source, *, size: int, limit: int | None = None) -> None:
        self.source = source
        self.frames_in = 0  # that came
        self.dropped = 0  # of these
        self.cut_short = False  # it was stopped before the end
        self.failure: BaseException | None = None  # what ended the reading before the end
        self._size, self._limit = size, limit
        self._waiting: collections.deque[Frame] = collections.deque()
        self._changed = threading.Condition()
        self._ended = self._stopped = False
        self._last_frame: float | None = None
        self._thread = threading.Thread(
            target=self._read, name=f"read {source.name}", daemon=True
        )  # it may hang in a driver, and must not keep the program from ending

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def get(self, timeout: float | None = None) -> Frame | None:
        """The oldest frame that waits.

        Args:
            timeout: seconds to wait for one; None waits until there is one or the reader has ended.

        Returns:
            None where none came in time, or :attr:`ended`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended, timeout)
            if not self._waiting:
                return None
            frame = self._waiting.popleft()
            self._changed.notify_all()
            return frame

    @property
    def ended(self) -> bool:
        """No frame waits, and none will come."""
        with self._changed:
            return self._ended and not self._waiting

    @property
    def waiting(self) -> int:
        """Frames that can be had at once."""
        return len(self._waiting)

    @property
    def last_frame_s(self) -> float | None:
        """Seconds since a frame came; None before the first."""
        last = self._last_frame
        return None if last is None else time.monotonic() - last

    def stop(self) -> None:
        """End the reading; frames that wait are dropped and counted."""
        self.source.stop()
        with self._changed:
            self.cut_short = self.cut_short or not self._ended or bool(self._waiting)
            self._stopped = self._ended = True
            self.dropped += len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Wait, but not when the reader was stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, seconds)

    def join(self, timeout: float) -> None:
        """Wait for the thread to end, which may hang in a camera's driver."""
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _read(self) -> None:
        try:
            for frame in self.source.frames():
                if not self._put(frame):
                    break
                if self._limit is not None and self.frames_in >= self._limit:
                    self.source.stop()
                    break
        except Exception as error:  # reported by whoever takes the frames
            self.failure = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            self.source.close()

    def _put(self, frame: Frame) -> bool:
        with self._changed:
            if not self.source.live:
                self._changed.wait_for(lambda: len(self._waiting) < self._size or self._stopped)
            if self._stopped:
                return False
            self.frames_in += 1
            self._last_frame = time.monotonic()
            if len(self._waiting) >= self._size:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(frame)
            self._changed.notify_all()
            return True
