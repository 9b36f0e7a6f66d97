"""The packages of the extra ``tensorrt``, or an error that says how to get them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from edgeattr.errors import MissingDependency, RuntimeFailure

__all__ = ["gpu_present", "import_installed"]

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
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingDependency(
            error.name or name, extra="tensorrt", purpose="run models on NVIDIA GPUs"
        ) from error
    except (ImportError, OSError, RuntimeError) as error:  # a library that it is linked to
        raise RuntimeFailure(
            f"{name} is installed but cannot be loaded: {error}. Install the NVIDIA driver, CUDA "
            "and TensorRT of one JetPack or CUDA release, or use --runtime onnxruntime"
        ) from error
