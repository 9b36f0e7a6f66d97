"""What is said to whoever runs a command: the log of long runs, notes, figures, and progress."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import typer

from edgeattr.core.closeable import Closeable
from edgeattr.core.errors import OutputError, UsageError
from edgeattr.core.timestamps import utc_text

_SECONDS_BETWEEN_LINES = 10.0


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


_CONTROLS = {  # of a terminal, that names of files may hold
    code: "?" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}


def note(text: str, *, quiet: bool = False) -> None:
    """A line for people, to standard error; an entry of the log where that is for machines."""
    if quiet:
        return
    if for_machines():
        logging.getLogger("edgeattr.run").info("%s", text)
    else:
        print(text.translate(_CONTROLS), file=sys.stderr, flush=True)


def print_figures(figures: Any, table: str, json_file: Path | None, *, quiet: bool) -> None:
    """Print the table of a measurement, and write the file that was asked for.

    Args:
        figures: what JSON has.
        table: the same for people.
        json_file: where to write JSON; ``-`` prints it in place of the table.
        quiet: no table where a file is written.

    Raises:
        OutputError: the file cannot be written.
    """
    from edgeattr.core.files import write_atomically

    text = json.dumps(figures, indent=1) + "\n"
    if json_file and str(json_file) == "-":
        typer.echo(text, nl=False)
        return
    if not (json_file and quiet):
        typer.echo(table)  # before anything can go wrong with a file
    try:
        if json_file:
            write_atomically(json_file, text)
    except OSError as error:
        raise OutputError(f"the figures cannot be written: {error.strerror or error}") from error


class ProgressLine(Closeable):
    """A context manager that shows how far something is, on standard error.

    Args:
        title: what is being done.
        total: how much there is to do, where it is known.
        quiet: show nothing.
    """

    def __init__(self, title: str, total: int | None = None, *, quiet: bool = False) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        self._title, self._total, self._quiet = title, total, quiet
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}"),
            console=self._console,
            disable=quiet or for_machines() or not self._console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=total, detail="")
        self._last_line = time.monotonic()

    def update(self, done: int, detail: str = "", *, total: int | None = None) -> None:
        """Say how much is done, and anything worth adding."""
        self._total = total or self._total
        self._bar.update(self._task, completed=done, total=self._total, detail=detail)
        if self._quiet or (self._console.is_terminal and not for_machines()):
            return
        finished = done == self._total
        if finished or time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            share = f"/{self._total}" if self._total else ""
            note(f"{self._title}: {done}{share} {detail}".rstrip())

    def __enter__(self) -> ProgressLine:
        self._bar.start()
        return self

    def close(self) -> None:
        """Take the bar off the screen, or leave it as it stands."""
        self._bar.stop()


class ProgressParts(Closeable):
    """A context manager that shows one part of long work after the other.

    Args:
        quiet: show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._title: str | None = None  # of the part that is shown, or was last
        self._line: ProgressLine | None = None

    def tick(self, title: str, done: int, total: int) -> None:
        """Say how much of a part is done; a new title ends the part before."""
        if title == self._title and self._line is None and done >= total:
            return  # it has ended already
        if title != self._title or self._line is None:
            self.close()
            self._title = title
            self._line = ProgressLine(title, total, quiet=self._quiet)
            self._line.__enter__()
        self._line.update(done, total=total)
        if done >= total:
            self.close()

    def close(self) -> None:
        """End the part that is shown."""
        if self._line:
            self._line.close()
        self._line = None
