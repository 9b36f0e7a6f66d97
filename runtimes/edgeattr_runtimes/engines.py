"""The engines that there are: what each runs, what it wants installed, and on which devices."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from edgeattr.core.errors import EdgeAttrError, UsageError
from edgeattr_runtimes import openvino_devices
from edgeattr_runtimes.tensorrt_installed import gpu_present, tensorrt_remedy

ENGINES: Mapping[str, str] = MappingProxyType(
    {  # name -> "module:class", best first
        "tensorrt": "edgeattr_runtimes.tensorrt_engine:TensorrtEngine",
        "openvino": "edgeattr_runtimes.openvino_engine:OpenvinoEngine",
        "onnxruntime": "edgeattr_runtimes.onnx_engine:OnnxEngine",
        "torch": "edgeattr_train.torch_engine:TorchEngine",  # it needs the network's definition
    }
)
"""Every engine that there is, installed or not: its class by its name."""

FAMILIES = {  # engine -> families of variants that it runs, its own first
    "tensorrt": ("tensorrt",),
    "openvino": ("openvino", "onnx"),
    "onnxruntime": ("onnx",),
    "torch": ("onnx",),
}
ENGINE_OF = {"onnx": "onnxruntime", "openvino": "openvino", "tensorrt": "tensorrt"}  # by family
REFERENCE = "torch"  # runs float32 alone, and only where it is named
NO_ATTENTION = ("tensorrt",)  # engines that give the logits alone
_PACKAGES = {  # engine -> what must be installed
    "tensorrt": ("tensorrt", "pycuda"),
    "openvino": ("openvino",),
    "onnxruntime": ("onnxruntime",),
    "torch": ("torch", "torchvision", "onnx"),
}
_EXTRAS = {
    "openvino": "[openvino]",
    "onnxruntime": "",
    "torch": "[train]",
}
_ALWAYS = {  # engine -> devices that it has wherever it runs
    "openvino": ("auto", "cpu"),
    "onnxruntime": ("cpu",),
}


def available() -> tuple[str, ...]:
    """Engines that can run here, best first: all is installed, and a GPU is there if need be."""
    return tuple(
        name
        for name in ENGINES
        if not missing_packages(name) and (name != "tensorrt" or gpu_present())
    )


def automatic() -> tuple[str, ...]:
    """The engines of :func:`available` that may be taken without being named."""
    return tuple(name for name in available() if name != REFERENCE)


def missing_packages(engine: str) -> list[str]:
    """Packages that an engine wants and that are not installed."""
    return [name for name in _PACKAGES[engine] if not importlib.util.find_spec(name)]


def remedy(engine: str) -> str:
    """What to do so that an engine of :data:`ENGINES` can run here."""
    missing = missing_packages(engine)
    if engine == "tensorrt":
        return tensorrt_remedy(missing)
    return f'not installed: {", ".join(missing)}; pip install "edgeattr{_EXTRAS[engine]}"'


def engine_module(engine: str) -> Any:
    """The module that an engine of :data:`ENGINES` is in; it has ``devices()``."""
    return importlib.import_module(ENGINES[engine].partition(":")[0])


def devices_of(engine: str) -> tuple[str, ...]:
    """What can be asked of an engine as ``device`` here, once it is installed.

    Raises:
        MissingDependency, RuntimeFailure: it is, but cannot be used.
    """
    found: tuple[str, ...] = engine_module(engine).devices()
    return found


def has_half_precision(engine: str, device: str | None = None) -> bool:
    """Whether an engine may run a variant in half precision here and in float32 as well.

    That is OpenVINO's choice on CPUs with instructions for bfloat16, and on GPUs.
    """
    if engine != "openvino":
        return False
    try:
        return openvino_devices.has_half_precision(device or "cpu")
    except (EdgeAttrError, RuntimeError):  # it cannot be used, or has no such device
        return False


def with_device(device: str) -> tuple[str, ...]:
    """The engines of :func:`automatic` that have a device here.

    Raises:
        UsageError: none has it; the text says what each engine has.
    """
    found = tuple(
        engine
        for engine in automatic()
        if device in _ALWAYS.get(engine, ()) or device in _devices_or_none(engine)
    )
    if not found:
        told = "; ".join(
            f"{engine}: {', '.join(_devices_or_none(engine)) or 'none'}" for engine in automatic()
        )
        raise UsageError(f"no engine has a device {device!r} here. They have: {told}")
    return found


def _devices_or_none(engine: str) -> tuple[str, ...]:
    """As :func:`devices_of`, and nothing for an engine that cannot be used."""
    try:
        return devices_of(engine)
    except EdgeAttrError:
        return ()
