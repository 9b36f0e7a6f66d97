"""What the machine is, told from the system's files."""

from pathlib import Path

import pytest

from edgeattr_runtimes import device
from edgeattr_runtimes.device import device_name, has_int8_instructions
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
    assert device._processor(tmp_path / "board", tmp_path / "cpu") == name


def test_name_holds_cores_and_system() -> None:
    assert " cores, " in device_name()
