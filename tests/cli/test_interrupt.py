"""Ctrl-C while the program is still loading its modules."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

_INTERRUPTED_AT_AN_IMPORT = """
import os, signal, sys

module, *sys.argv = sys.argv[1:]

class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupt())
from edgeattr.cli import main
main()
"""


@pytest.mark.parametrize("module", ["typer", "edgeattr.cli.run", "edgeattr.core.bundle", "cv2"])
def test_it_is_no_traceback(walking_video: Path, module: str) -> None:
    command = [sys.executable, "-c", _INTERRUPTED_AT_AN_IMPORT, module, "edgeattr", "run",
               str(walking_video)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in done.stderr
