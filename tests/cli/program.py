"""The program in this process: what `python -m edgeattr` runs, without waiting for its start."""

from __future__ import annotations

import contextlib
import io
import logging
import signal
import sys
from typing import NamedTuple

import pytest

from edgeattr.cli import main
from edgeattr.core.hub import home


class Said(NamedTuple):
    """How the program ended."""

    code: int
    stdout: str
    stderr: str


def edgeattr(*arguments: object, code: int | None = 0) -> Said:
    """Run `edgeattr ARGUMENTS...`; it must end with a code, unless None, and no traceback."""
    out, err = io.StringIO(), io.StringIO()
    log = logging.getLogger("edgeattr")
    logs = log.handlers[:], log.propagate, log.level
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setenv("MPLCONFIGDIR", str(home() / "matplotlib"))  # main() would leave it set
        patch.setattr(sys, "argv", ["edgeattr", *map(str, arguments)])
        patch.setattr(logging, "raiseExceptions", False)  # of handlers that outlive a test
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        ended = stack.enter_context(pytest.raises(SystemExit))
        main()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    log.handlers[:], log.propagate, level = logs
    log.setLevel(level)
    said = Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())
    assert code in (None, said.code), said
    assert "Traceback" not in said.stderr
    return said
