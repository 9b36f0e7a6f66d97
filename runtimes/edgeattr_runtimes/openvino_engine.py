"""OpenVINO, on a CPU, GPU or NPU: runs ``openvino-*`` variants, and ``onnx-*`` ones as they are."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle import Bundle, Variant
from edgeattr.core.errors import EdgeAttrError, RuntimeFailure, UsageError
from edgeattr_runtimes.device import available_cores
from edgeattr_runtimes.engine import Arrays, Engine
from edgeattr_runtimes.imports import import_package
from edgeattr_runtimes.protocol import (
    ATTENTION,
    EngineOptions,
    checked_device,
    output_names,
)

__all__ = [
    "IR_MEMBERS",
    "OpenvinoEngine",
    "arithmetic_of",
    "compile_network",
    "devices",
    "float_type",
    "has_half_precision",
    "read_network",
]

_CPU_BATCH = 2  # crops a run: streams beside each other gain more than larger batches do
_DEVICE_BATCH = 16
_HINT = "INFERENCE_PRECISION_HINT"
IR_MEMBERS = ("model.xml", "model.bin")  # inside the file of an openvino-* variant


def read_network(content: bytes, *, attention: bool = False, name: str = "the model") -> Any:
    """The network in a variant's file, an ``openvino.Model`` whose first output is the logits.

    Args:
        content: a zip of an OpenVINO IR (``model.xml``, ``model.bin``), or an ONNX file.
        attention: whether outputs with attention masks stay; otherwise they are dropped, with
            what only they need.
        name: what the error calls it.

    Raises:
        MissingDependency: OpenVINO is not installed.
        RuntimeFailure: OpenVINO cannot be loaded, or cannot read it.
    """
    openvino = _openvino()
    core = openvino.Core()
    try:
        if content[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                xml, weights = (archive.read(member) for member in IR_MEMBERS)
                tensor = openvino.Tensor(np.frombuffer(weights, np.uint8))
                model = core.read_model(xml, tensor)
        else:
            model = core.read_model(content)
        if not attention:
            for result in list(model.get_results()):
                if any(name.startswith(ATTENTION) for name in result.output(0).get_names()):
                    model.remove_result(result)
        return model
    except (RuntimeError, KeyError, zipfile.BadZipFile) as error:
        raise RuntimeFailure(f"OpenVINO cannot read {name}: {error}") from error


def devices() -> tuple[str, ...]:
    """Devices that can be asked for here; ``auto`` leaves the choice to OpenVINO.

    Raises:
        MissingDependency: OpenVINO is not installed.
    """
    found = {name.split(".")[0].lower() for name in _openvino().Core().available_devices}
    return ("auto", *sorted(found))


def has_half_precision(device: str = "cpu") -> bool:
    """Whether FP16 variants compute in half precision on a device of :func:`devices`."""
    names = devices()[1:] if device == "auto" else (device,)
    return any(_half_of(name) in _capabilities(name) for name in names)


def _capabilities(device: str) -> Sequence[str]:
    """What a device computes in: ``FP32``, ``BF16``, ``FP16``, ``INT8`` and the like."""
    core = _openvino().Core()
    found: Sequence[str] = core.get_property(device.upper(), "OPTIMIZATION_CAPABILITIES")
    return found


def _half_of(device: str) -> str:
    return "BF16" if device == "cpu" else "FP16"


def float_type(device: str, precision: str, half: bool | None = None) -> str:
    """In what layers that are not INT8 compute, decided by us and never by a device's default.

    ======  =============================  ==========================================
    fp32    float32                        everywhere
    fp16    the device's half precision    float16 on GPUs and NPUs, bfloat16 on CPUs
    int8    float32 on CPUs, half beyond   bfloat16 on CPUs where ``half`` is asked for
    ======  =============================  ==========================================

    On CPUs half precision means one that has instructions for it, AMX or AVX-512 BF16; elsewhere
    OpenVINO would emulate it, so that float32 is taken.

    Args:
        device: one of :func:`devices` but ``auto``.
        precision: of the variant.
        half: see :attr:`edgeattr_runtimes.EngineOptions.half`.

    Returns:
        OpenVINO's name: ``f32``, ``bf16`` or ``f16``.

    Raises:
        UsageError: half precision was asked for, and the variant or the device has none.
        RuntimeFailure: the device cannot compute in float32, which the variant wants.
    """
    name, here, wanted = device.upper(), _capabilities(device), _half_of(device)
    if half is None:
        half = wanted in here and (precision == "fp16" or (precision == "int8" and device != "cpu"))
    if half and (precision == "fp32" or wanted not in here):
        lacks = "a float32 variant" if precision == "fp32" else f"{name} here"
        raise UsageError(f"half precision was asked for, and {lacks} has none")
    if not half and "FP32" not in here:
        raise RuntimeFailure(
            f"{name} cannot compute in float32, as {precision} wants; it has: {', '.join(here)}. "
            "Use another --precision, or --device cpu"
        )
    return wanted.replace("FP", "f").lower() if half else "f32"


def compile_network(
    model: Any,
    batch: int,
    *,
    threads: int | None = None,
    streams: int = 1,
    device: str = "cpu",
    precision: str = "fp32",
    half: bool | None = None,
) -> Any:
    """Compile a network of :func:`read_network` for one batch size.

    Args:
        model: is left as it is.
        batch: crops a run: a fixed number runs faster than a free one, above all alone.
        threads: of all streams together; all cores where absent. CPUs only.
        streams: batches that run at once. CPUs only: others are told to aim at throughput.
        device: one of :func:`devices`.
        precision: of the variant; see :func:`float_type`.
        half: see :func:`float_type`.

    Raises:
        UsageError: see :func:`float_type`.
        RuntimeFailure: OpenVINO cannot run it, or the device cannot in this precision.
    """
    openvino = _openvino()
    target, options = _options(device, threads or available_cores(), streams, precision, half)
    try:
        fixed = model.clone()
        _, height, width, channels = fixed.input(0).get_partial_shape()
        fixed.reshape([batch, height, width, channels])
        compiled = openvino.Core().compile_model(fixed, target, options)
    except RuntimeError as error:
        raise RuntimeFailure(
            f"OpenVINO cannot compile the model for {device.upper()}: {error}"
        ) from error
    asked = options.get("DEVICE_PROPERTIES") or {target: options}
    for name, used in _float_types(compiled).items():
        wanted = asked.get(name.partition(".")[0], {}).get(_HINT, used)
        if used != wanted:
            raise RuntimeFailure(
                f"{name} computes in {used} where {wanted} was asked for; use another "
                "--precision, or --device cpu"
            )
    return compiled


def arithmetic_of(compiled: Any) -> str:
    """In what the layers of a compiled network that are not INT8 compute: ``f32`` and the like."""
    return next(iter(_float_types(compiled).values()), "unknown")


def _options(
    device: str, threads: int, streams: int, precision: str, half: bool | None
) -> tuple[str, dict[str, Any]]:
    """OpenVINO's name of the device, and its options; with ``auto``, of each that it may choose."""
    if device == "cpu":
        return "CPU", {
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": threads,
            _HINT: float_type(device, precision, half),
        }
    aim = {"PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT"}
    if device != "auto":
        return device.upper(), {**aim, _HINT: float_type(device, precision, half)}
    each: dict[str, dict[str, Any]] = {}
    unfit: dict[str, EdgeAttrError] = {}
    for name in devices()[1:]:
        try:
            each[name.upper()] = {_HINT: float_type(name, precision, half)}
        except (RuntimeFailure, UsageError) as error:
            unfit[f"-{name.upper()}"] = error
    if not each:
        raise next(iter(unfit.values()))
    if "CPU" in each:
        each["CPU"]["INFERENCE_NUM_THREADS"] = threads
    return ":".join(["AUTO", *([",".join(unfit)] if unfit else [])]), {
        **aim,
        "DEVICE_PROPERTIES": each,
    }


def _float_types(compiled: Any) -> dict[str, str]:
    """In what the layers that are not INT8 compute, of each device that says it."""
    try:
        found = compiled.get_property("DEVICE_PROPERTIES")  # of AUTO, which chose among devices
        kinds = {name: about[_HINT] for name, about in found.items() if _HINT in about}
    except RuntimeError:
        try:
            kinds = {compiled.get_property("EXECUTION_DEVICES")[0]: compiled.get_property(_HINT)}
        except RuntimeError:
            return {}
    return {name: kind.get_type_name() for name, kind in kinds.items()}


class OpenvinoEngine(Engine):
    """A variant loaded into OpenVINO.

    On a CPU, batches run in streams beside each other, one thread each; a single crop has all
    threads. On other devices the driver overlaps them.

    Args:
        bundle: the model.
        variant: one of its ``openvino-*`` or ``onnx-*`` variants.
        options: ``device`` is one of :func:`devices`, ``cpu`` where absent.

    Raises:
        MissingDependency: OpenVINO is not installed.
        UsageError: no such device, or the variant has no attention masks.
        RuntimeFailure: OpenVINO cannot read or compile the file.
    """

    def __init__(self, bundle: Bundle, variant: Variant, options: EngineOptions) -> None:
        device = _device(options.device)
        threads = options.threads or available_cores()
        on_cpu = device == "cpu"
        streams = options.streams or (threads if on_cpu else 2)
        batch = options.batch or (_CPU_BATCH if on_cpu else _DEVICE_BATCH)
        model = read_network(bundle.read_file(variant), attention=options.attention)
        found = (name for output in model.outputs for name in output.get_names())
        names = output_names(found, bundle, options.attention)
        shape = batch, bundle.input.height, bundle.input.width, 3
        settings = {
            "threads": threads, "device": device, "precision": variant.precision,
            "half": options.half,
        }  # fmt: skip
        networks = _Networks(model, streams=streams, **settings)
        for size in {1, batch}:  # now, and not when a second person comes into the picture
            networks.of(size)
        requests = [_Request(networks, names, shape) for _ in range(streams)]
        alone = None
        if on_cpu and streams > 1:
            whole = _Networks(model, streams=1, **settings)
            whole.of(1)
            alone = _Request(whole, names, (1, *shape[1:]))
        super().__init__(
            bundle,
            variant,
            requests,
            alone,
            engine="openvino",
            version=str(_openvino().__version__).split("-")[0],
            device=device.upper(),
            threads=threads,
            outputs=names,
            arithmetic=arithmetic_of(networks.of(batch)),
        )


class _Networks:
    """A network compiled for the batch sizes that have been asked for."""

    def __init__(self, model: Any, **settings: Any) -> None:
        self._model, self._settings = model, settings
        self._compiled: dict[int, Any] = {}
        self._lock = threading.Lock()

    def of(self, batch: int) -> Any:
        """The network for this batch size."""
        with self._lock:
            if batch not in self._compiled:
                self._compiled[batch] = compile_network(self._model, batch, **self._settings)
            return self._compiled[batch]


class _Request:
    """OpenVINO's requests for whole batches and for single crops, and memory for one batch."""

    def __init__(
        self, networks: _Networks, outputs: list[str], shape: tuple[int, int, int, int]
    ) -> None:
        self.buffer: npt.NDArray[np.uint8] = np.empty(shape, np.uint8)
        self._networks, self._outputs = networks, outputs
        self._places: dict[int, _Place] = {}  # by batch size

    def run(self, crops: npt.NDArray[np.uint8]) -> Arrays:
        if len(crops) == len(self.buffer):
            return self._run(crops)
        parts = [self._run(crops[index : index + 1]) for index in range(len(crops))]
        return [np.concatenate(found) for found in zip(*parts, strict=True)]

    def close(self) -> None:
        self._places.clear()

    def _run(self, crops: npt.NDArray[np.uint8]) -> Arrays:
        try:
            place = self._places.get(len(crops))
            if place is None:
                place = self._places[len(crops)] = _Place(
                    self._networks.of(len(crops)), self._outputs, self.buffer[: len(crops)]
                )
            return place.run(crops)
        except RuntimeError as error:
            raise RuntimeFailure(f"OpenVINO failed on {len(crops)} crops: {error}") from error


class _Place:
    """A request of OpenVINO's for one batch size, and the memory that it reads and writes.

    The memory is told once. Telling it with every call costs more than moving the crops there,
    above all for a single one that comes when the processor's caches hold something else.

    Args:
        network: compiled for this size.
        outputs: names of what is wanted.
        crops: where crops are read from, uint8 [n, H, W, 3].
    """

    def __init__(self, network: Any, outputs: list[str], crops: npt.NDArray[np.uint8]) -> None:
        import openvino

        self._request = network.create_infer_request()
        self._request.set_input_tensor(openvino.Tensor(crops, shared_memory=True))
        self._crops, self._address = crops, _address(crops)
        self._outputs: Arrays = []
        for name in outputs:
            array: npt.NDArray[np.float32] = np.empty(network.output(name).shape, np.float32)
            self._request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
            self._outputs.append(array)

    def run(self, crops: npt.NDArray[np.uint8]) -> Arrays:
        if _address(crops) != self._address:
            self._crops[:] = crops
        self._request.infer(share_outputs=True)  # what it returns would be one more copy
        return [array.copy() for array in self._outputs]


def _address(array: npt.NDArray[np.uint8]) -> int:
    """Where an array's first element lies."""
    found: int = array.__array_interface__["data"][0]
    return found


def _device(wanted: str | None) -> str:
    """The device that is meant, checked."""
    if wanted in (None, "cpu"):
        return "cpu"
    hint = ". Intel's GPUs and NPUs want their drivers"
    return checked_device("openvino", wanted, devices(), hint)


def _openvino() -> Any:
    openvino = import_package(
        "openvino",
        extra="openvino",
        purpose="run a model on OpenVINO",
        mend="Install it again, or use --runtime onnxruntime",
    )
    # OpenVINO 2026.4 waits for ever where two threads are the first to ask for this
    openvino.Type.u8.to_dtype()
    openvino.Type.f32.to_dtype()
    return openvino
