"""What is said where TensorRT is not there, or for another Python."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgeattr_runtimes.tensorrt_installed import jetson_release, tensorrt_remedy

_HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def _remedy(missing: tuple[str, ...], libraries: Path, release: str = "") -> str:
    return tensorrt_remedy(missing, gpu=True, libraries=libraries, release=release)


def test_without_a_gpu() -> None:
    assert "no NVIDIA GPU" in tensorrt_remedy(("tensorrt", "pycuda"), gpu=False)


def test_a_wheel_on_a_computer_and_the_system_on_a_jetson(tmp_path: Path) -> None:
    assert 'pip install "edgeattr[tensorrt]"' in _remedy(("tensorrt",), tmp_path)
    assert "apt install nvidia-jetpack" in _remedy(("tensorrt",), tmp_path, "36.4.3")
    assert _remedy(("pycuda",), tmp_path).endswith("pip install pycuda")


@pytest.mark.parametrize("python", [_HERE, "3"])
def test_the_systems_binding_is_not_seen(tmp_path: Path, python: str) -> None:
    (tmp_path / f"python{python}" / "dist-packages" / "tensorrt").mkdir(parents=True)
    said = _remedy(("tensorrt", "pycuda"), tmp_path, "36.4.3")
    assert f"python{_HERE} -m venv --system-site-packages; pycuda is not installed" in said


def test_the_systems_binding_is_for_another_python(tmp_path: Path) -> None:
    (tmp_path / "python3.8" / "dist-packages" / "tensorrt").mkdir(parents=True)
    said = _remedy(("tensorrt",), tmp_path, "35.4.1")
    assert f"for Python 3.8 and this is {_HERE}: make the environment with python3.8" in said


def test_what_machine_it_is(tmp_path: Path) -> None:
    (tmp_path / "release").write_text("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: x\n")
    assert jetson_release(tmp_path / "release") == "36.4.3"
    assert jetson_release(tmp_path / "absent") == ""
