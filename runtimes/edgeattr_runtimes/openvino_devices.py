"""OpenVINO's devices, and in what each computes: decided by us, never by a device's default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeattr.core.errors import EdgeAttrError, RuntimeFailure, UsageError, importing

HINT = "INFERENCE_PRECISION_HINT"


def devices() -> tuple[str, ...]:
    """Devices that can be asked for here; ``auto`` leaves the choice to OpenVINO.

    Raises:
        MissingDependency: OpenVINO is not installed.
    """
    found = {name.split(".")[0].lower() for name in openvino_package().Core().available_devices}
    return ("auto", *sorted(found))


def has_half_precision(device: str = "cpu") -> bool:
    """Whether FP16 and INT8 variants compute in half precision on a device of :func:`devices`."""
    names = devices()[1:] if device == "auto" else (device,)
    return any(_half_of(name) in capabilities(name) for name in names)


def capabilities(device: str) -> Sequence[str]:
    """What a device computes in: ``FP32``, ``BF16``, ``FP16``, ``INT8`` and the like."""
    core = openvino_package().Core()
    found: Sequence[str] = core.get_property(device.upper(), "OPTIMIZATION_CAPABILITIES")
    return found


def _half_of(device: str) -> str:
    return "BF16" if device == "cpu" else "FP16"


def float_type(device: str, precision: str, half: bool | None = None) -> str:
    """In what layers that are not INT8 compute, decided by us and never by a device's default.

    ======  =============================  ==========================================
    fp32    float32                        everywhere
    fp16    the device's half precision    float16 on GPUs and NPUs, bfloat16 on CPUs
    int8    the device's half precision    in the layers that are not INT8
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
    name, here, wanted = device.upper(), capabilities(device), _half_of(device)
    if half is None:
        half = wanted in here and precision != "fp32"
    if half and (precision == "fp32" or wanted not in here):
        lacks = "a float32 variant" if precision == "fp32" else f"{name} here"
        raise UsageError(f"half precision was asked for, and {lacks} has none")
    if not half and "FP32" not in here:
        raise RuntimeFailure(
            f"{name} cannot compute in float32, as {precision} wants; it has: {', '.join(here)}. "
            "Use another --precision, or --device cpu"
        )
    return wanted.replace("FP", "f").lower() if half else "f32"


def compile_options(
    device: str,
    threads: int,
    streams: int,
    precision: str,
    half: bool | None,
    pinning: bool = True,
) -> tuple[str, dict[str, Any]]:
    """OpenVINO's name of the device, and its options; with ``auto``, of each that it may choose."""
    if device == "cpu":
        return "CPU", {
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": pinning,
            HINT: float_type(device, precision, half),
        }
    aim = {"PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT"}
    if device != "auto":
        return device.upper(), {**aim, HINT: float_type(device, precision, half)}
    each: dict[str, dict[str, Any]] = {}
    unfit: dict[str, EdgeAttrError] = {}
    for name in devices()[1:]:
        try:
            each[name.upper()] = {HINT: float_type(name, precision, half)}
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


def float_types(compiled: Any) -> dict[str, str]:
    """In what the layers that are not INT8 compute, of each device that says it."""
    try:
        found = compiled.get_property("DEVICE_PROPERTIES")  # of AUTO, which chose among devices
        kinds = {name: about[HINT] for name, about in found.items() if HINT in about}
    except RuntimeError:
        try:
            kinds = {compiled.get_property("EXECUTION_DEVICES")[0]: compiled.get_property(HINT)}
        except RuntimeError:
            return {}
    return {name: kind.get_type_name() for name, kind in kinds.items()}


def openvino_package() -> Any:
    """The module ``openvino``.

    Raises:
        MissingDependency, RuntimeFailure: it is not installed, or cannot be loaded.
    """
    mend = "Install it again, or use --runtime onnxruntime"
    with importing("openvino", extra="openvino", purpose="run a model on OpenVINO", mend=mend):
        import openvino
    # OpenVINO 2026.4 waits for ever where two threads are the first to ask for this
    openvino.Type.u8.to_dtype()
    openvino.Type.f32.to_dtype()
    return openvino
