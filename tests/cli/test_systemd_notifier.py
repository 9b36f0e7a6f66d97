"""The systemd unit, and what the program tells the service manager."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edgeattr.cli.run_site import SystemdNotifier

_UNIT = Path(__file__).parents[2] / "docs" / "systemd" / "edgeattr.service"


def test_the_unit_is_what_systemd_takes(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / _UNIT.name
    here = _UNIT.read_text().replace("/opt/edgeattr/bin/edgeattr", sys.executable)
    assert sys.executable in here
    unit.write_text(here)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")
def test_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(os.fspath(path))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", os.fspath(path))
        told = SystemdNotifier()
        told.ready()
        told.alive()
        told.alive()  # too soon after the last
        told.stopping()
        assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
