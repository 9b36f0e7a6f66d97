"""The packages of the extra ``tensorrt``, or an error that says how to get them."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeattr.core.errors import importing

_NODES = ("nvidia[0-9]*", "nvhost-gpu", "nvgpu/igpu*", "dxg")  # PC, Jetsons, WSL


def gpu_present(devices: Path = Path("/dev")) -> bool:
    """Whether the system shows an NVIDIA GPU with a driver, told without loading CUDA."""
    return any(any(devices.glob(node)) for node in _NODES)


def import_installed(name: str) -> Any:
    """A module that the extra ``tensorrt`` brings.

    Args:
        name: as it is imported: ``tensorrt``, ``pycuda.driver``.

    Raises:
        MissingDependency: it is not installed.
        RuntimeFailure: it is, but cannot be loaded: most often there is no NVIDIA driver.
    """
    mend = (
        "Install the NVIDIA driver, CUDA and TensorRT of one JetPack or CUDA release, or use "
        "--runtime onnxruntime"
    )
    with importing(name, extra="tensorrt", purpose="run models on NVIDIA GPUs", mend=mend):
        return importlib.import_module(name)


def jetson_release(file: Path = Path("/etc/nv_tegra_release")) -> str:
    """The release of a Jetson's system, ``36.4.3``; empty on other machines."""
    try:
        found = re.match(r"# R(\d+) .*REVISION: ([\d.]+)", file.read_text())
    except OSError:
        return ""
    return f"{found[1]}.{found[2]}" if found else ""


def tensorrt_remedy(
    missing: Sequence[str],
    *,
    gpu: bool | None = None,
    libraries: Path = Path("/usr/lib"),
    release: str | None = None,
) -> str:
    """What to do so that TensorRT can run here.

    Args:
        missing: of ``tensorrt`` and ``pycuda``, what cannot be imported.
        gpu: whether there is one; looked for where absent.
        libraries: where the system's own Python packages are.
        release: of a Jetson's system; looked for where absent.
    """
    if not (gpu_present() if gpu is None else gpu):
        return "there is no NVIDIA GPU, or no driver for it: nvidia-smi must show one"
    jetson = jetson_release() if release is None else release
    steps = []
    if "tensorrt" in missing:
        steps.append(_get_tensorrt(libraries, jetson))
    if "pycuda" in missing:
        steps.append("pycuda is not installed: PATH=/usr/local/cuda/bin:$PATH pip install pycuda")
    return "; ".join(steps)


def _get_tensorrt(libraries: Path, jetson: str) -> str:
    """How to come by the binding: the system's, whose Python it is tied to, or a wheel."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = re.compile(r"python(3(?:\.\d+)?)/dist-packages/tensorrt")
    pythons = {
        match[1]
        for folder in libraries.glob("python3*/dist-packages/tensorrt")
        if (match := found.search(folder.as_posix()))
    }
    if not pythons:
        if jetson:
            return "tensorrt is not installed: sudo apt install nvidia-jetpack"
        return 'tensorrt is not installed: pip install "edgeattr[tensorrt]"'
    if pythons & {here, "3"}:
        return (
            "the system's TensorRT is not seen: make the environment with "
            f"python{here} -m venv --system-site-packages"
        )
    other = sorted(pythons)[-1]
    return (
        f"the system's TensorRT is for Python {other} and this is {here}: make the environment "
        f"with python{other} -m venv --system-site-packages"
    )
