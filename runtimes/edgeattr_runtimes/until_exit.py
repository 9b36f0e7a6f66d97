"""Native calls that the end of the program waits for.

Python ends daemon threads as they return to it from a call into C++, which ONNX Runtime and
OpenVINO answer by aborting the whole program.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections.abc import Iterator

_LONGEST = 10.0  # seconds that a call may keep the program from ending


class _Calls:
    """Such calls; at exit new ones never begin."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count, self._over = 0, False
        atexit.register(self._end)

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """A block with one of them."""
        with self._changed:
            self._changed.wait_for(lambda: not self._over)
            self._count += 1
        try:
            yield
        finally:
            with self._changed:
                self._count -= 1
                self._changed.notify_all()

    def _end(self) -> None:
        with self._changed:
            self._over = True
            self._changed.wait_for(lambda: not self._count, _LONGEST)


native_call = _Calls().one
"""Around every call that computes or compiles."""
