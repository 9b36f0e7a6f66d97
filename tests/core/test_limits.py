"""Cores and memory that control groups leave to this process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeattr.core.limits import available_cores, available_memory

_CPU = Path("/sys/fs/cgroup")


@pytest.fixture(autouse=True)
def sixty_four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.mark.parametrize(
    ("member", "files", "cores"),
    [
        ("0::/", {"cgroup.controllers": "cpu"}, 64),
        ("0::/", {"cpu.max": "200000 100000"}, 2),
        ("0::/", {"cpu.max": "150000 100000"}, 2),  # docker --cpus=1.5
        ("0::/", {"cpu.max": "10000 100000"}, 1),
        ("0::/", {"cpu.max": "max 100000"}, 64),
        ("0::/", {"cpu.max": "9900000 100000"}, 64),
        ("0::/", {"cpu.max": "nonsense"}, 64),
        ("0::/pod/box", {"pod/box/cpu.max": "max 100000", "pod/cpu.max": "300000 100000"}, 3),
        ("0::/pod/box", {"pod/box/cpu.max": "400000 100000", "pod/cpu.max": "max 100000"}, 4),
        ("0::/docker/0a1b", {"cpu.max": "200000 100000"}, 2),  # the host's path, not seen here
        (
            "3:cpu,cpuacct:/",
            {"cpu,cpuacct/cpu.cfs_quota_us": "250000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            3,
        ),
        (
            "3:cpu:/docker/0a1b\n0::/",
            {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"},
            1,
        ),
        ("3:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ("4:cpuset:/\n5:memory:/", {"cpuset/cpu.max": "100000 100000"}, 64),
    ],
)
def test_cores(member: str, files: dict[str, str], cores: int, tmp_path: Path) -> None:
    groups = _tree(tmp_path / "groups", files)
    (tmp_path / "cgroup").write_text(member + "\n")
    assert available_cores(groups, tmp_path / "cgroup") == cores


def test_cores_without_control_groups(tmp_path: Path) -> None:
    assert available_cores(tmp_path, tmp_path / "absent") == 64


@contextlib.contextmanager
def _group_of_half_a_core() -> Iterator[Path]:
    """A real control group; its processes may use half a core."""
    one = (_CPU / "cgroup.controllers").exists()
    place = (_CPU if one else _CPU / "cpu") / f"edgeattr-test-{os.getpid()}"
    try:
        place.mkdir()
        if one:
            (place / "cpu.max").write_text("50000 100000")
        else:
            (place / "cpu.cfs_quota_us").write_text("50000")
    except OSError as error:
        with contextlib.suppress(OSError):
            place.rmdir()
        pytest.skip(f"control groups cannot be made here: {error}")
    try:
        yield place
    finally:
        place.rmdir()


def test_a_real_group() -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "Path(sys.argv[1], 'cgroup.procs').write_text(str(os.getpid()))\n"
        "os.sched_getaffinity = lambda process: range(64)\n"
        "from edgeattr.core.crops import resize_crop; import cv2\n"
        "from edgeattr.core.limits import available_cores\n"
        "print(available_cores(), cv2.getNumThreads())"
    )
    with _group_of_half_a_core() as group:
        done = subprocess.run(
            [sys.executable, "-c", code, group], capture_output=True, text=True, check=False
        )
    assert done.stdout.split() == ["1", "1"], done.stderr


@pytest.mark.parametrize(
    ("member", "files", "free"),
    [
        ("0::/", {}, 600),
        ("0::/", {"memory.max": "max", "memory.current": "0"}, 600),
        ("0::/", {"memory.max": str(500 * 1024), "memory.current": str(100 * 1024)}, 400),
        ("0::/", {"memory.max": str(500 * 1024), "memory.current": str(700 * 1024)}, 0),
        (
            "0::/a",
            {"memory.max": str(500 * 1024), "memory.current": "0", "a/memory.max": "max"},
            500,
        ),
        (
            "4:memory:/box",
            {
                "memory/box/memory.limit_in_bytes": str(300 * 1024),
                "memory/box/memory.usage_in_bytes": str(100 * 1024),
            },
            200,
        ),
    ],
)
def test_memory(member: str, files: dict[str, str], free: int, tmp_path: Path) -> None:
    groups = _tree(tmp_path / "groups", files)
    (tmp_path / "cgroup").write_text(member)
    meminfo = tmp_path / "meminfo"
    assert available_memory(meminfo, groups, tmp_path / "cgroup") is None
    meminfo.write_text("MemTotal: 900 kB\nMemAvailable:     600 kB\n")
    assert available_memory(meminfo, groups, tmp_path / "cgroup") == free * 1024
    assert available_memory()
