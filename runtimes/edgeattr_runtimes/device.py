"""What this machine is, as far as speed depends on it."""

from __future__ import annotations

import functools
import platform
import subprocess
from pathlib import Path

from edgeattr.core.limits import available_cores
from edgeattr_runtimes.tensorrt_installed import gpu_present, jetson_release

_ASK_NVIDIA = ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
_ANSWERS_IN = 20.0  # seconds: it wakes GPUs that sleep
_INT8_FLAGS = ("vnni", "asimddp", "i8mm")  # in /proc/cpuinfo: x86; Arm's dot product and matrices


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


@functools.lru_cache(maxsize=8)
def gpu_name(devices: Path = Path("/dev"), driver: Path = Path("/proc/driver/nvidia")) -> str:
    """NVIDIA GPUs and the version of their driver; empty where there is none.

    Told by the driver's files and, on a Jetson, the system's release; where they are absent, as
    under WSL, ``nvidia-smi`` is asked. CUDA is not loaded.
    """
    if not gpu_present(devices):
        return ""
    files = [driver / "version", *sorted(driver.glob("gpus/*/information"))]
    told = [
        " ".join(line.split())
        for file in files
        if file.is_file()
        for line in file.read_text().splitlines()
        if line.startswith(("NVRM version", "Model:"))
    ]
    if jetson := jetson_release():
        told.append(f"Jetson Linux {jetson}")
    return "; ".join(told) or _asked_of_nvidia()


def _asked_of_nvidia() -> str:
    try:
        done = subprocess.run(
            _ASK_NVIDIA, capture_output=True, text=True, check=True, timeout=_ANSWERS_IN
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return "; ".join(done.stdout.splitlines())


@functools.lru_cache(maxsize=1)
def device_name() -> str:
    """Processor or board, cores and system: "Intel(R) Core(TM) i5, 4 cores, Linux x86_64"."""
    return (
        f"{processor_name()}, {available_cores()} cores, {platform.system()} {platform.machine()}"
    )


def processor_name(
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
