"""What systemd wants to hear of a service: that it is ready, alive, and stopping (sd_notify)."""

from __future__ import annotations

import contextlib
import os
import socket
import time

__all__ = ["SystemdNotifier"]

_BETWEEN = 1.0  # seconds between two signs of life


class SystemdNotifier:
    """Tells the service manager that started this process, where there is one."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._last = 0.0

    def ready(self) -> None:
        """All is open, and frames are awaited."""
        self._tell("READY=1")

    def alive(self) -> None:
        """The main loop turns."""
        if time.monotonic() - self._last >= _BETWEEN:
            self._last = time.monotonic()
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1")

    def _tell(self, text: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(text.encode(), self._address)
