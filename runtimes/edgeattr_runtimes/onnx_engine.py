"""ONNX Runtime, on the CPU or through an execution provider: runs ``onnx-*`` variants."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle import Bundle, Variant
from edgeattr.core.errors import RuntimeFailure, UsageError
from edgeattr_runtimes.device import available_cores, has_int8_instructions
from edgeattr_runtimes.engine import Arrays, Engine
from edgeattr_runtimes.imports import import_package
from edgeattr_runtimes.protocol import EngineOptions, checked_device, output_names
from edgeattr_runtimes.tensorrt_installed import gpu_present

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["OnnxEngine", "devices", "open_session"]

_PROVIDERS = {  # device -> ONNX Runtime's execution provider, best first
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
_NVIDIA = ("cuda", "tensorrt")
_CPU_BATCH = 2  # crops a run: streams beside each other gain more than larger batches do
_GPU_BATCH = 32


def devices() -> tuple[str, ...]:
    """Devices that can be asked for here, best first. The installed package decides.

    ``tensorrt`` builds its engines anew whenever a model is loaded, so it comes after ``cuda``.

    Raises:
        MissingDependency: onnxruntime is not installed.
    """
    installed = _onnxruntime().get_available_providers()
    return tuple(
        device
        for device, provider in _PROVIDERS.items()
        if provider in installed and (device not in _NVIDIA or gpu_present())
    )


def open_session(
    model: bytes | str,
    threads: int | None = None,
    device: str = "cpu",
    free_sides: Mapping[str, int] | None = None,
) -> onnxruntime.InferenceSession:
    """Open an ONNX model. What it has in float32 is computed in float32, on NVIDIA GPUs too.

    Args:
        model: the file's content, or its path.
        threads: that one run may use; all cores where absent.
        device: one of :func:`devices`.
        free_sides: lengths of the input's free sides, by their names in the model.

    Raises:
        MissingDependency: onnxruntime is not installed.
        RuntimeFailure: not a model that ONNX Runtime can run, or the device cannot be used.
    """
    onnxruntime = _onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or available_cores()
    options.log_severity_level = 3  # errors only
    for side, length in (free_sides or {}).items():
        options.add_free_dimension_override_by_name(side, length)
    # threads that wait in a loop take the processor from whatever else runs, decoding above all
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if _int8_overflows(platform.machine(), Path("/proc/cpuinfo")):
        options.add_session_config_entry("session.x64quantprecision", "1")  # exact, and slower
    options.add_session_config_entry("mlas.enable_gemm_fastmath_arm64_bfloat16", "0")
    provider = _PROVIDERS[device]
    try:
        session = onnxruntime.InferenceSession(
            model, sess_options=options, providers=_providers(device)
        )
    except Exception as error:  # ONNX Runtime's exceptions share no public base class
        name = model if isinstance(model, str) else "the model"
        raise RuntimeFailure(f"ONNX Runtime cannot open {name}: {error}") from error
    if session.get_providers()[0] != provider:  # it falls back without a word
        raise RuntimeFailure(
            f"ONNX Runtime {onnxruntime.__version__} cannot use {provider}: its libraries of CUDA, "
            "cuDNN or TensorRT do not load. Install those of its release, or use --device cpu"
        )
    return session


def _providers(device: str) -> list[Any]:
    """The execution provider for a device, set to float32 where that is what a layer has.

    NVIDIA's libraries by themselves compute float32 in TF32, which keeps 10 bits of 23.
    """
    if device == "cpu":
        return [_PROVIDERS["cpu"]]
    if device == "tensorrt":  # its provider has no option, so that the libraries' own is set
        os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
    options = {"use_tf32": "0"} if device == "cuda" else {}
    return [(_PROVIDERS[device], options), _PROVIDERS["cpu"]]


def _arithmetic(device: str, precision: str, half: bool | None) -> str:
    """In what layers that are not INT8 compute: as the file has them on GPUs, float32 on CPUs."""
    has_half = precision == "fp16" and device != "cpu"
    if half is not None and half != has_half:
        raise UsageError(
            f"onnxruntime computes {precision} variants on {device.upper()} in "
            f"{'half precision' if has_half else 'float32'} alone; leave it the choice"
        )
    return "f16" if has_half else "f32"


def _int8_overflows(machine: str, cpuinfo: Path) -> bool:
    """Whether products of uint8 and int8 are added in 16 bits here: x86 without VNNI."""
    # where it is not known: rather slow than wrong
    return machine in ("x86_64", "AMD64") and not has_int8_instructions(cpuinfo, unknown=False)


class OnnxEngine(Engine):
    """A variant loaded into ONNX Runtime.

    On a CPU, batches run beside each other on one thread each, which is faster than one after the
    other on all: no thread waits for another. A single crop has all threads.

    Args:
        bundle: the model.
        variant: one of its ``onnx-*`` variants.
        options: ``device`` is one of :func:`devices`, the first where absent.

    Raises:
        MissingDependency: onnxruntime is not installed.
        UsageError: no such device, or the variant has no attention masks.
        RuntimeFailure: ONNX Runtime cannot open the file.
    """

    def __init__(self, bundle: Bundle, variant: Variant, options: EngineOptions) -> None:
        device = _device(options.device)
        arithmetic = _arithmetic(device, variant.precision, options.half)
        in_all = options.threads or available_cores()
        on_cpu = device == "cpu"
        streams = options.streams or (in_all if on_cpu else 2)
        batch = options.batch or (_CPU_BATCH if on_cpu else _GPU_BATCH)
        content = bundle.read_file(variant)
        threads = max(1, in_all - streams + 1)  # of a run, and the other runs' own
        session = open_session(content, threads, device)
        found = (output.name for output in session.get_outputs())
        names = output_names(found, bundle, options.attention)
        shape = batch, bundle.input.height, bundle.input.width, 3
        requests = [_Request(session, names, shape) for _ in range(streams)]
        alone = None
        if on_cpu and threads < in_all:
            alone = _Request(open_session(content, in_all), names, (1, *shape[1:]))
        super().__init__(
            bundle,
            variant,
            requests,
            alone,
            engine="onnxruntime",
            version=str(_onnxruntime().__version__),
            device=device.upper(),
            threads=in_all,
            outputs=names,
            arithmetic=arithmetic,
        )


class _Request:
    """A session, which others may use at the same time, and memory for one batch."""

    def __init__(self, session: Any, outputs: list[str], shape: tuple[int, int, int, int]) -> None:
        self.buffer: npt.NDArray[np.uint8] = np.empty(shape, np.uint8)
        self._session, self._outputs = session, outputs
        self._input = session.get_inputs()[0].name

    def run(self, crops: npt.NDArray[np.uint8]) -> Arrays:
        try:
            found: Arrays = self._session.run(self._outputs, {self._input: crops})
        except Exception as error:  # ONNX Runtime's exceptions share no public base class
            raise RuntimeFailure(f"ONNX Runtime failed on {len(crops)} crops: {error}") from error
        return found

    def close(self) -> None:
        self._session = None


def _device(wanted: str | None) -> str:
    """The device that is meant, checked."""
    here = devices()
    if wanted is None:
        return here[0]
    hint = ". NVIDIA GPUs want the package onnxruntime-gpu" if wanted in _NVIDIA else ""
    return checked_device("onnxruntime", wanted, here, hint)


def _onnxruntime() -> Any:
    return import_package(
        "onnxruntime",
        extra=None,
        purpose="run ONNX models",
        mend="Install it again; of onnxruntime and onnxruntime-gpu only one may be installed",
    )
