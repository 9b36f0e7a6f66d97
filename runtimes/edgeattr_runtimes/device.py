"""What this machine is, as far as speed depends on it."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

__all__ = ["available_cores", "device_name", "has_int8_instructions", "memory_of_process"]

_INT8_FLAGS = ("vnni", "asimddp", "i8mm")  # in /proc/cpuinfo: x86; Arm's dot product and matrices


def available_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_int8_instructions(cpuinfo: Path = Path("/proc/cpuinfo"), *, unknown: bool = True) -> bool:
    """Whether the processor adds products of bytes in one step; ``unknown`` if nothing tells."""
    try:
        text = cpuinfo.read_text()
    except OSError:
        return unknown
    return any(flag in text for flag in _INT8_FLAGS)


def memory_of_process(entry: str) -> int:
    """KiB that Linux tells of this process: ``VmRSS`` is resident now, ``VmHWM`` was at most.

    Raises:
        OSError: this is not Linux.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(entry)).split()[1])


@functools.lru_cache(maxsize=1)
def device_name() -> str:
    """Processor or board, cores and system: "Intel(R) Core(TM) i5, 4 cores, Linux x86_64"."""
    return f"{_processor()}, {available_cores()} cores, {platform.system()} {platform.machine()}"


def _processor(
    board: Path = Path("/proc/device-tree/model"), cpuinfo: Path = Path("/proc/cpuinfo")
) -> str:
    """A board's name, such as a Jetson's; else the processor's name, or an Arm core's numbers."""
    try:
        if board.is_file():
            return board.read_text().strip("\0\n ")
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    values: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        values.setdefault(key.strip(), value.strip())
    arm = " ".join(values[key] for key in ("CPU implementer", "CPU part") if key in values)
    return values.get("model name") or arm or platform.processor() or platform.machine()
