"""The log of a long run: lines for people, or JSON for machines; to standard error."""

from __future__ import annotations

import json
import logging
import sys

from edgeattr.core.errors import UsageError
from edgeattr.core.timestamps import utc_text

__all__ = ["for_machines", "set_up_logs"]


def set_up_logs(form: str, *, quiet: bool) -> None:
    """Send edgeattr's log to standard error.

    Args:
        form: ``text`` or ``json``.
        quiet: warnings and errors alone.

    Raises:
        UsageError: no such form.
    """
    forms: dict[str, logging.Formatter] = {"text": _Text(), "json": _Json()}
    if form not in forms:
        raise UsageError(f"--log-format {form!r}; there are: {', '.join(forms)}")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(forms[form])
    root = logging.getLogger("edgeattr")
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel(logging.WARNING if quiet else logging.INFO)


def for_machines() -> bool:
    """Whether the log is JSON, so that everything that is said must be."""
    handlers = logging.getLogger("edgeattr").handlers
    return any(isinstance(handler.formatter, _Json) for handler in handlers)


def _clean(text: str) -> str:
    from edgeattr.video.sources.address import without_password  # not when only help is shown

    return without_password(text)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return _clean(f"edgeattr: {level}{record.getMessage()}{trace}")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": utc_text(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _clean(record.getMessage()),
        }
        if record.exc_info:
            line["trace"] = _clean(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)
