"""What TensorRT says: kept in a file while an engine is built, and told when something fails."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

_KEPT = 4  # of the last errors, for an error's text
_ERRORS = ("INTERNAL_ERROR", "ERROR")  # TensorRT's names of severities


class BuilderMessages:
    """What TensorRT said while someone listened.

    Args:
        file: where every line is copied to, if anywhere.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._errors: deque[str] = deque(maxlen=_KEPT)
        self._warnings: deque[str] = deque(maxlen=_KEPT)

    def take(self, level: str, text: str) -> None:
        """Keep one message.

        Args:
            level: the name of its severity: ``ERROR``, ``WARNING``, ``INFO``, ...
            text: the message.
        """
        if level in _ERRORS:
            self._errors.append(text.strip())
        elif level == "WARNING":  # a GPU that cannot be used is no more than a warning
            self._warnings.append(text.strip())
        if self._file is not None:
            self._file.write(f"{level}: {text}\n")

    def last(self) -> str:
        """The last errors, or the last warnings where there was no error, in one line."""
        said = self._errors or self._warnings
        return "; ".join(said) if said else "TensorRT gave no reason"


@functools.cache
def logger_of(trt: Any) -> Any:
    """The process's one logger, an ``ILogger``.

    TensorRT keeps a pointer to the first logger that it is given for as long as anything of it
    lives, so there is one, which is never dropped; :func:`listening` tells it whom to tell.

    Args:
        trt: the module ``tensorrt``.
    """

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.lock = threading.Lock()
            self.listeners: list[BuilderMessages] = []

        def log(self, severity: Any, msg: str) -> None:
            """Called by TensorRT from any of its threads; an exception would end the process."""
            with contextlib.suppress(Exception):
                level = str(severity.name)
                if level == "VERBOSE":  # a line per tactic that was tried: hundreds of megabytes
                    return
                with self.lock:
                    for listener in self.listeners:
                        listener.take(level, msg)

    return Logger()


@contextlib.contextmanager
def listening(logger: Any, file: Path | None = None) -> Iterator[BuilderMessages]:
    """Hear what TensorRT says, on whichever thread, until the block ends.

    Args:
        logger: of :func:`logger_of`.
        file: is written anew with all of it, if given.

    Raises:
        OSError: the file cannot be written.
    """
    with contextlib.ExitStack() as stack:
        opened = (
            stack.enter_context(open(file, "w", encoding="utf-8", buffering=1)) if file else None
        )
        heard = BuilderMessages(opened)
        with logger.lock:
            logger.listeners.append(heard)
        try:
            yield heard
        finally:
            with logger.lock:
                logger.listeners.remove(heard)
