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

__all__ = ["AuditLog"]


class AuditLog(Closeable):
    """Says what was done with people's data, and when: in a file, or else in the log.

    Args:
        path: lines are added to its end; None sends them to the logger ``edgeattr.audit``.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else EventsFile(path, append=True, shared=True)

    def write(self, act: str, detail: Any = None) -> None:
        """Note one act.

        Args:
            act: such as "sensitive attributes asked for", "crops stored", "annotated video
                stored", "retention applied".
            detail: anything that JSON can hold.

        Raises:
            OutputError: the line cannot be written.
        """
        if self._file is None:
            said = detail.items() if isinstance(detail, Mapping) else [("", detail)]
            words = ", ".join(f"{name} {_said(value)}".strip() for name, value in said)
            logging.getLogger("edgeattr.audit").info("%s: %s", act, words)
        else:
            self._file.write({"time": utc_text(time.time()), "act": act, "detail": detail})

    def close(self) -> None:
        """Close the file. May be called twice."""
        if self._file is not None:
            self._file.close()


def _said(value: Any) -> Any:
    return {"True": "yes", "False": "no"}.get(str(value), value)
