"""Native calls that the end of the program waits for.

Python ends daemon threads as they return to it from a call into C++, which ONNX Runtime and
OpenVINO answer by aborting the whole program.
"""

from __future__ import annotations

import atexit
import threading
from types import TracebackType

_LONGEST = 10.0  # seconds that a call may keep the program from ending


class _Calls:
    """A context manager around such calls; at exit new ones never begin."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count, self._over = 0, False
        atexit.register(self._end)

    def __enter__(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._over)
            self._count += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def _end(self) -> None:
        with self._changed:
            self._over = True
            self._changed.wait_for(lambda: not self._count, _LONGEST)


native_calls = _Calls()
"""Around every call that computes or compiles."""
