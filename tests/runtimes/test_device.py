"""What the machine is, told from the system's files."""

from pathlib import Path

import pytest

from edgeattr_runtimes import device
from edgeattr_runtimes.device import (
    device_name,
    gpu_name,
    has_int8_instructions,
)
from edgeattr_runtimes.tensorrt_installed import gpu_present


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("model name : AMD EPYC\nflags : sse2 avx2", False),
        ("flags : avx2 avx512_vnni", True),
        ("flags : avx2 avx_vnni", True),
        ("Features : fp asimd", False),
        ("Features : fp asimd asimddp", True),
    ],
)
def test_int8_instructions(text: str, has: bool, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert has_int8_instructions(tmp_path / "cpuinfo") is has
    assert has_int8_instructions(tmp_path / "absent")


@pytest.mark.parametrize(
    ("node", "present"),
    [("nvidia0", True), ("nvidia3", True), ("nvhost-gpu", True), ("nvgpu/igpu0", True),
     ("nvidia-uvm", False), ("null", False)],
)  # fmt: skip
def test_gpu_nodes(node: str, present: bool, tmp_path: Path) -> None:
    (tmp_path / node).parent.mkdir(exist_ok=True)
    (tmp_path / node).touch()
    assert gpu_present(tmp_path) is present


@pytest.mark.parametrize(
    ("board", "cpu", "name"),
    [
        ("NVIDIA Jetson Orin Nano\0", "", "NVIDIA Jetson Orin Nano"),
        (None, "processor : 0\nmodel name : Intel(R) Xeon(R)\n", "Intel(R) Xeon(R)"),
        (None, "CPU implementer : 0x41\nCPU part : 0xd0c\n", "0x41 0xd0c"),
    ],
)
def test_processor(board: str | None, cpu: str, name: str, tmp_path: Path) -> None:
    if board:
        (tmp_path / "board").write_text(board)
    (tmp_path / "cpu").write_text(cpu)
    assert device.processor_name(tmp_path / "board", tmp_path / "cpu") == name


def test_name_holds_cores_and_system() -> None:
    assert " cores, " in device_name()


def _gpu(folder: Path, driver: str, *models: str) -> tuple[Path, Path]:
    """The folders /dev and /proc/driver/nvidia of a machine with these GPUs."""
    devices, files = folder / "dev", folder / "nvidia"
    devices.mkdir(parents=True)
    (devices / "nvidia0").touch()
    for number, model in enumerate(models):
        (files / "gpus" / f"0000:0{number}:00.0").mkdir(parents=True)
        information = files / "gpus" / f"0000:0{number}:00.0" / "information"
        information.write_text(f"Model: \t\t {model}\nIRQ:   \t\t 11{number}\n")
    if driver:
        files.mkdir(exist_ok=True)
        (files / "version").write_text(f"NVRM version: NVIDIA  {driver}  Sat\nGCC version: 12\n")
    return devices, files


def test_a_gpu_and_its_driver(tmp_path: Path) -> None:
    machines = [
        ("535.1", "RTX 4000"),
        ("550.2", "RTX 4000"),
        ("550.2", "T4"),
        ("550.2", "T4", "T4"),
    ]
    names = [gpu_name(*_gpu(tmp_path / str(at), *about)) for at, about in enumerate(machines)]
    assert names[0] == "NVRM version: NVIDIA 535.1 Sat; Model: RTX 4000"
    assert len(set(names)) == len(machines)
    assert gpu_name(tmp_path / "none", tmp_path / "0" / "nvidia") == ""


def test_a_gpu_without_files_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\n[ "$1" = --query-gpu=name,driver_version ] && echo "T4, 550.2"\n')
    tool.chmod(0o755)
    places = _gpu(tmp_path / "machine", "")
    monkeypatch.setenv("PATH", str(tmp_path / "machine"))
    assert gpu_name.__wrapped__(*places) == "unknown"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert gpu_name(*places) == "T4, 550.2"
