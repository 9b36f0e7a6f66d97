"""ONNX Runtime, on the CPU or through an execution provider: runs ``onnx-*`` variants."""

from __future__ import annotations

import copy
import functools
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeattr.core.bundle import Bundle
from edgeattr.core.bundle_format import Variant
from edgeattr.core.errors import RuntimeFailure, UsageError, importing
from edgeattr.core.limits import available_cores
from edgeattr_runtimes.device import has_int8_instructions
from edgeattr_runtimes.engine import Engine
from edgeattr_runtimes.protocol import EngineOptions, checked_device, crops_shape, output_names
from edgeattr_runtimes.session import Array, Port, Session, Shapes, Slot, new_inputs
from edgeattr_runtimes.tensorrt_installed import gpu_present
from edgeattr_runtimes.until_exit import native_call

if TYPE_CHECKING:
    import onnxruntime

_PROVIDERS = {  # device -> ONNX Runtime's execution provider, best first
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
_DTYPES = {  # ONNX Runtime's names -> NumPy's
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
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
    *,
    optimize: bool = True,
    saved: Path | None = None,
) -> onnxruntime.InferenceSession:
    """Open an ONNX model. What it has in float32 is computed in float32, on NVIDIA GPUs too.

    Args:
        model: the file's content, or its path.
        threads: that one run may use; all cores where absent.
        device: one of :func:`devices`.
        free_sides: lengths of the input's free sides, by their names in the model.
        optimize: whether operations may be fused or replaced.
        saved: where to write the model with constants folded, in standard operations alone.

    Raises:
        MissingDependency: onnxruntime is not installed.
        RuntimeFailure: not a model that ONNX Runtime can run, or the device cannot be used.
    """
    onnxruntime = _onnxruntime()
    options = _session_options(threads, free_sides or {}, optimize, saved)
    provider = _PROVIDERS[device]
    try:
        session = onnxruntime.InferenceSession(
            model, sess_options=options, providers=providers_of(device)
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


def _session_options(
    threads: int | None, free_sides: Mapping[str, int], optimize: bool, saved: Path | None
) -> onnxruntime.SessionOptions:
    """See :func:`open_session`."""
    onnxruntime = _onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or available_cores()
    options.log_severity_level = 3  # errors only
    if not optimize:
        level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.graph_optimization_level = level
    if saved:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(saved)
    for side, length in free_sides.items():
        options.add_free_dimension_override_by_name(side, length)
    # threads that wait in a loop take the processor from whatever else runs, decoding above all
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if int8_overflows(platform.machine(), Path("/proc/cpuinfo")):
        options.add_session_config_entry("session.x64quantprecision", "1")  # exact, and slower
    options.add_session_config_entry("mlas.enable_gemm_fastmath_arm64_bfloat16", "0")
    return options


def providers_of(device: str) -> list[Any]:
    """The execution provider for a device, set to float32 where that is what a layer has.

    NVIDIA's libraries by themselves compute float32 in TF32, which keeps 10 bits of 23.
    """
    if device == "cpu":
        return [_PROVIDERS["cpu"]]
    if device == "tensorrt":  # its provider has no option, so that the libraries' own is set
        os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
    options = {"use_tf32": "0"} if device == "cuda" else {}
    return [(_PROVIDERS[device], options), _PROVIDERS["cpu"]]


def arithmetic_of(device: str, precision: str, half: bool | None) -> str:
    """In what layers that are not INT8 compute: as the file has them on GPUs, float32 on CPUs."""
    has_half = precision == "fp16" and device != "cpu"
    if half is not None and half != has_half:
        raise UsageError(
            f"onnxruntime computes {precision} variants on {device.upper()} in "
            f"{'half precision' if has_half else 'float32'} alone; leave it the choice"
        )
    return "f16" if has_half else "f32"


def int8_overflows(machine: str, cpuinfo: Path) -> bool:
    """Whether products of uint8 and int8 are added in 16 bits here: x86 without VNNI."""
    # where it is not known: rather slow than wrong
    return machine in ("x86_64", "AMD64") and not has_int8_instructions(cpuinfo, unknown=False)


class OnnxSession(Session):
    """An ONNX file on ONNX Runtime.

    Args:
        model: the file's content, or its path.
        threads, device, optimize: see :func:`open_session`.
        arithmetic: see :attr:`Session.arithmetic`.

    Raises:
        MissingDependency, RuntimeFailure: as :func:`open_session`.
    """

    engine = "onnxruntime"

    def __init__(
        self,
        model: bytes | Path,
        *,
        threads: int | None = None,
        device: str = "cpu",
        optimize: bool = True,
        arithmetic: str = "f32",
    ) -> None:
        super().__init__()
        source = model if isinstance(model, bytes) else str(model)
        self._open = functools.partial(open_session, source, threads, device, optimize=optimize)
        self._session: Any = self._open()
        self._shapes: Shapes = {}
        self.arithmetic = arithmetic
        self.inputs = tuple(map(_port, self._session.get_inputs()))
        self.outputs = tuple(map(_port, self._session.get_outputs()))

    def fixed(self, shapes: Shapes, outputs: Sequence[str] | None = None) -> OnnxSession:
        """See :meth:`Session.fixed`. The number of rows may vary; other free sides are set."""
        made = copy.copy(self)
        Session.__init__(made)
        made._shapes, made.outputs = shapes, self.picked(outputs)
        if sides := self._free_sides(shapes):  # which is faster than to leave them free
            made._session = self._open(free_sides=sides)
        return made

    def fixed_file(self, shapes: Shapes) -> bytes | None:
        """An ONNX file of the same network with the sides that were free set, rows among them.

        What follows from shapes alone is computed, so that those of outputs are known.

        Returns:
            None if no side but the first is free.
        """
        if not self._free_sides(shapes):
            return None
        sides = self._free_sides(shapes, first=0)
        with tempfile.TemporaryDirectory(prefix="edgeattr-") as folder:
            target = Path(folder) / "fixed.onnx"
            self._open(free_sides=sides, saved=target)
            return target.read_bytes()

    def _free_sides(self, shapes: Shapes, first: int = 1) -> dict[str, int]:
        """Lengths of the inputs' free sides, from the first one counted, by their names."""
        return {
            side: length
            for entry in self._session.get_inputs()
            for side, length in zip(
                entry.shape[first:], shapes.get(entry.name, ())[first:], strict=False
            )
            if isinstance(side, str)
        }

    def close(self) -> None:
        """See :meth:`Session.close`."""
        super().close()
        self._session = None

    def slot(self) -> Slot:
        """See :meth:`Session.slot`."""
        names = [port.name for port in self.outputs]
        return _Slot(self._session, new_inputs(self.inputs, self._shapes), names)


class _Slot:
    """A session, which others may use at the same time, and memory for inputs."""

    def __init__(self, session: Any, inputs: dict[str, Array], outputs: list[str]) -> None:
        self.inputs: Mapping[str, Array] = inputs
        self._session, self._outputs = session, outputs

    def run(self, count: int | None = None) -> list[Array]:
        rows = {name: array[:count] for name, array in self.inputs.items()}
        try:
            with native_call():
                found: list[Array] = self._session.run(self._outputs, rows)
        except Exception as error:  # ONNX Runtime's exceptions share no public base class
            raise RuntimeFailure(f"ONNX Runtime failed: {error}") from error
        return found

    def close(self) -> None:
        self._session = None


def _port(entry: Any) -> Port:
    return Port(
        names=frozenset([entry.name]),
        shape=tuple(side if isinstance(side, int) else None for side in entry.shape),
        dtype=_DTYPES.get(entry.type, entry.type),
    )


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
        arithmetic = arithmetic_of(device, variant.precision, options.half)
        in_all = options.threads or available_cores()
        on_cpu = device == "cpu"
        streams = options.streams or (in_all if on_cpu else 2)
        batch = options.batch or (_CPU_BATCH if on_cpu else _GPU_BATCH)
        threads = max(1, in_all - streams + 1)  # of a run, and the other runs' own
        content = bundle.read_file(variant)

        def opened(threads: int, batch: int) -> Session:
            session = OnnxSession(content, threads=threads, device=device, arithmetic=arithmetic)
            found = [port.name for port in session.outputs]
            return session.fixed(
                {session.inputs[0].name: crops_shape(bundle, batch)},
                output_names(found, bundle, options.attention),
            )

        super().__init__(
            bundle,
            variant,
            opened(threads, batch),
            streams,
            opened(in_all, 1) if on_cpu and threads < in_all else None,
            version=str(_onnxruntime().__version__),
            device=device.upper(),
            threads=in_all,
        )


def _device(wanted: str | None) -> str:
    """The device that is meant, checked."""
    here = devices()
    if wanted is None:
        return here[0]
    hint = ". NVIDIA GPUs want the package onnxruntime-gpu" if wanted in _NVIDIA else ""
    return checked_device("onnxruntime", wanted, here, hint)


def _onnxruntime() -> Any:
    mend = "Install it again; of onnxruntime and onnxruntime-gpu only one may be installed"
    with importing("onnxruntime", extra=None, purpose="run ONNX models", mend=mend):
        import onnxruntime
    return onnxruntime
