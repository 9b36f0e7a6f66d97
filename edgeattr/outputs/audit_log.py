"""A line for each act that touches privacy."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeattr.core.closeable import Closeable
from edgeattr.core.timestamps import utc_text
from edgeattr.outputs.jsonl import EventsFile


class AuditLog(Closeable):
    """Says what was done with people's data, and when: in a file, or else in the log.

    Args:
        path: lines are added to its end; None sends them to the logger ``edgeattr.audit``.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else EventsFile(path, append=True, shared=True)

    def write(self, act: str, detail: Mapping[str, Any]) -> None:
        """Note one act.

        The log has it in words: ``crops of people are kept: crops (days: 30)``.

        Args:
            act: a sentence, such as "crops of people are kept".
            detail: what JSON can hold, by name; what or where it is comes first.

        Raises:
            OutputError: the line cannot be written.
        """
        if self._file is None:
            known = [(name, value) for name, value in detail.items() if value is not None]
            more = ", ".join(f"{name}: {_in_words(value)}" for name, value in known[1:])
            line = f"{act}: {known[0][1]}" + (f" ({more})" if more else "")
            logging.getLogger("edgeattr.audit").info("%s", line)
        else:
            self._file.write({"time": utc_text(time.time()), "act": act, "detail": detail})

    def close(self) -> None:
        """Close the file. May be called twice."""
        if self._file is not None:
            self._file.close()


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return ("no", "yes")[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
