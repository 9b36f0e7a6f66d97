"""How much of this machine the process may use: cores and memory, as its control groups limit them.

A container shows the host's cores and memory; what it may use of them is in the files of its
control groups, of version 1 or 2. A limit of any group above the process's own holds as well.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def available_cores(groups: Path = _GROUPS, membership: Path = _MEMBERSHIP) -> int:
    """Cores this process may use: its affinity, and no more than its CPU quota, rounded up.

    Args:
        groups: where control groups are mounted.
        membership: the file that names the process's groups.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quotas = [
        quota / period
        for folder in _folders("cpu", groups, membership)
        for quota, period in (_cpu_quota(folder),)
        if quota > 0 and period > 0
    ]
    return max(1, min([cores, *map(math.ceil, quotas)]))


def available_memory(
    meminfo: Path = Path("/proc/meminfo"),
    groups: Path = _GROUPS,
    membership: Path = _MEMBERSHIP,
) -> int | None:
    """Bytes that programs can still take here, in a container no more than it may; None: unknown.

    Args:
        meminfo: what Linux tells of the machine.
        groups: where control groups are mounted.
        membership: the file that names the process's groups.
    """
    try:
        lines = meminfo.read_text().splitlines()
        found = 1024 * int(
            next(line for line in lines if line.startswith("MemAvailable")).split()[1]
        )
    except (OSError, StopIteration):
        return None
    for folder in _folders("memory", groups, membership):
        limit, used = (
            _number(folder / f"memory.{new}", folder / f"memory.{old}")
            for new, old in (("max", "limit_in_bytes"), ("current", "usage_in_bytes"))
        )
        if limit is not None and used is not None:
            found = min(found, max(0, limit - used))
    return found


def limit_opencv() -> None:
    """Let OpenCV's pool have no more threads than there are cores to use.

    OpenCV itself looks at the affinity and at control groups of version 1.
    """
    import cv2

    if cv2.getNumThreads() > available_cores():
        cv2.setNumThreads(available_cores())


def _folders(controller: str, groups: Path, membership: Path) -> Iterator[Path]:
    """Directories of the process's group and of those above it, for one controller.

    Where the group's path is the host's and not seen from here, as in a container of version 1,
    only the directories that exist are yielded: the mount's root is the container's own group.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = ["0::/"]
    for line in lines:
        _, _, rest = line.partition(":")
        names, _, inner = rest.partition(":")
        if names and controller not in names.split(","):
            continue
        root = (
            groups
            if not names
            else next(
                (groups / name for name in (names, controller) if (groups / name).is_dir()), None
            )
        )
        if root is None:
            continue
        place = root / inner.lstrip("/")
        for folder in (place, *place.parents):
            if folder.is_dir():
                yield folder
            if folder == root:
                break


def _cpu_quota(folder: Path) -> tuple[int, int]:
    """Microseconds of processor time in each period of microseconds; zeros: no limit."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()  # version 2
    except (OSError, ValueError):
        try:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        except OSError:
            return 0, 0
    try:
        return int(quota), int(period)  # version 2 says "max" where there is no limit, 1 says -1
    except ValueError:
        return 0, 0


def _number(*files: Path) -> int | None:
    """The number in the first of the files that there is; None where it is none, as in "max"."""
    for file in files:
        try:
            return int(file.read_text())
        except OSError:
            continue
        except ValueError:
            return None
    return None
