"""Which engine runs which variant on this device."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from edgeattr.bundle import Bundle, Variant
from edgeattr.errors import BundleError, MissingDependency, RuntimeFailure, UsageError
from edgeattr_runtimes.device import device_name
from edgeattr_runtimes.protocol import EngineOptions, Runtime
from edgeattr_runtimes.tensorrt_installed import gpu_present, tensorrt_remedy
from edgeattr_runtimes.tuning import read_tuning

__all__ = [
    "ENGINES",
    "FAMILIES",
    "REFERENCE",
    "Choice",
    "automatic",
    "available",
    "check_golden",
    "choose",
    "decide",
    "devices_of",
    "open_checkpoint",
    "open_runtime",
    "open_variant",
    "remedy",
]

ENGINES: Mapping[str, str] = MappingProxyType(
    {  # name -> "module:class", best first
        "tensorrt": "edgeattr_runtimes.tensorrt_engine:TensorrtEngine",
        "openvino": "edgeattr_runtimes.openvino_engine:OpenvinoEngine",
        "onnxruntime": "edgeattr_runtimes.onnx_engine:OnnxEngine",
        "torch": "edgeattr_train.torch_engine:TorchEngine",  # it needs the network's definition
    }
)
_PACKAGES = {  # engine -> what must be installed
    "tensorrt": ("tensorrt", "pycuda"),
    "openvino": ("openvino",),
    "onnxruntime": ("onnxruntime",),
    "torch": ("torch", "torchvision", "onnx"),
}
FAMILIES = {  # engine -> families of variants that it runs, its own first
    "tensorrt": ("tensorrt",),
    "openvino": ("openvino", "onnx"),
    "onnxruntime": ("onnx",),
    "torch": ("onnx",),
}
_EXTRAS = {
    "openvino": "[openvino]",
    "onnxruntime": "",
    "torch": "[train]",
}
REFERENCE = "torch"  # runs float32 alone, and only where it is named
_PRECISIONS = ("int8", "fp32", "fp16")  # the order of speed on CPUs, which lack fp16 arithmetic
_DEFAULTS = EngineOptions()
_NO_ATTENTION = ("tensorrt",)  # engines that give the logits alone


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is going to run."""

    engine: str
    variant: Variant
    options: EngineOptions
    why: str  # for people


def available() -> tuple[str, ...]:
    """Engines that can run here, best first: all is installed, and a GPU is there if need be."""
    return tuple(
        name for name in ENGINES if not _missing(name) and (name != "tensorrt" or gpu_present())
    )


def automatic() -> tuple[str, ...]:
    """The engines of :func:`available` that may be taken without being named."""
    return tuple(name for name in available() if name != REFERENCE)


def choose(
    bundle: Bundle, runtime: str = "auto", precision: str = "auto", *, attention: bool = False
) -> tuple[str, Variant]:
    """Pick the engine and the variant.

    By itself (``auto``) an engine takes only variants that were made, and proven, for it. Of these
    TensorRT's come first, then INT8 unless it was measured to be slower on this very device, then
    FP32 before FP16, for which CPUs have no arithmetic; of several of one precision, the one that
    was measured to be the fastest here.

    Args:
        bundle: the model.
        runtime: ``auto`` or a key of :data:`ENGINES`.
        precision: ``auto``, ``fp32``, ``fp16`` or ``int8``.
        attention: whether only engines that give attention masks will do.

    Raises:
        UsageError: no such engine or precision.
        RuntimeFailure: the engine cannot run here.
        BundleError: the bundle has no such variant.
    """
    _check_known(runtime, precision)
    wanted = list(_PRECISIONS) if precision == "auto" else [precision]
    if runtime == REFERENCE:
        wanted = [level for level in wanted if level == "fp32"]
    if runtime == "auto":
        able = [name for name in automatic() if not attention or name not in _NO_ATTENTION]
        pairs = [(engine, FAMILIES[engine][0]) for engine in able]
    else:
        pairs = [(runtime, family) for family in FAMILIES[runtime]]
    found = [
        (engine, bundle.variants[name])
        for level in wanted
        for engine, family in pairs
        if (name := f"{family}-{level}") in bundle.variants
    ]
    if not found:
        engines = ", ".join(available()) if runtime == "auto" else runtime
        raise BundleError(
            f"{bundle.path or bundle.name} has no {precision} variant for {engines}; it "
            f"has: {', '.join(bundle.variants)}. See: edgeattr convert --help"
        )
    device = device_name()
    return min(found, key=lambda pair: _rank(pair[0], pair[1], device))


def _check_known(runtime: str, precision: str) -> None:
    if runtime != "auto" and runtime not in ENGINES:
        raise UsageError(
            f"no runtime {runtime!r} in this version; there are: auto, {', '.join(ENGINES)}"
        )
    if precision != "auto" and precision not in _PRECISIONS:
        raise UsageError(f"no precision {precision!r}; there are: auto, {', '.join(_PRECISIONS)}")
    if runtime != "auto" and runtime not in available():
        raise RuntimeFailure(f"runtime {runtime!r} cannot run here; {remedy(runtime)}")


def remedy(engine: str) -> str:
    """What to do so that an engine of :data:`ENGINES` can run here."""
    if engine == "tensorrt":
        return tensorrt_remedy(_missing(engine))
    missing = " and ".join(_missing(engine))
    return f'{missing} is not installed: pip install "edgeattr{_EXTRAS[engine]}"'


def devices_of(engine: str) -> tuple[str, ...]:
    """What can be asked of an engine as ``device`` here, once it is installed."""
    found: tuple[str, ...] = _module(engine).devices()
    return found


def _module(engine: str) -> Any:
    return importlib.import_module(ENGINES[engine].partition(":")[0])


def _missing(engine: str) -> list[str]:
    """Packages that an engine wants and that are not installed."""
    return [name for name in _PACKAGES[engine] if not importlib.util.find_spec(name)]


def _rank(engine: str, variant: Variant, device: str) -> tuple[float, ...]:
    """The smaller the better; see :func:`choose`."""
    own = variant.engine == FAMILIES[engine][0]
    here = variant.speed if own and variant.speed.get("device") == device else {}
    return (
        engine != "tensorrt",
        not own,
        here.get("speedup", 1.0) < 1.0,
        _PRECISIONS.index(variant.precision),
        -here.get("crops_per_second", 0.0),
    )


def decide(
    bundle: Bundle,
    runtime: str = "auto",
    precision: str = "auto",
    options: EngineOptions = _DEFAULTS,
) -> Choice:
    """What `edgeattr bench --tune` found to be the fastest here, or else :func:`choose`.

    What was measured counts where the options leave the engine free; it may be of an engine that
    runs another's float32 variant.

    Args:
        bundle: the model.
        runtime: see :func:`choose`.
        precision: see :func:`choose`.
        options: how the engine is to run.

    Raises:
        UsageError, RuntimeFailure, BundleError: as :func:`choose`.
    """
    engine, variant = choose(bundle, runtime, precision, attention=options.attention)
    if dataclasses.replace(options, attention=False) != _DEFAULTS:
        return Choice(engine=engine, variant=variant, options=options, why="as asked for")
    usable = [name for name in available() if not options.attention or name not in _NO_ATTENTION]
    measured = [
        entry
        for entry in read_tuning(bundle)
        if entry.engine in usable
        and runtime in ("auto", entry.engine)
        and precision in ("auto", bundle.variants[entry.variant].precision)
    ]
    if measured:
        best = measured[0]
        return Choice(
            engine=best.engine,
            variant=bundle.variants[best.variant],
            options=dataclasses.replace(best.options, attention=options.attention),
            why=f"the fastest of {len(measured)} settings measured here, "
            f"{best.crops_per_second:.0f} crops/s",
        )
    return Choice(
        engine=engine,
        variant=variant,
        options=options,
        why="by what is installed and proven; edgeattr bench --tune measures",
    )


def open_runtime(
    bundle: Bundle,
    runtime: str = "auto",
    precision: str = "auto",
    options: EngineOptions = _DEFAULTS,
) -> Runtime:
    """Open a bundle on the best engine, and refuse to serve wrong answers.

    The variant's answers on the bundle's golden crops must agree with the reference within the
    tolerance that its conversion measured.

    Args:
        bundle: the model.
        runtime: see :func:`decide`.
        precision: see :func:`decide`.
        options: how the engine is to run.

    Raises:
        UsageError, RuntimeFailure, BundleError: as :func:`choose`, or the file is damaged, or
            the answers differ; UsageError also where the engine has no such device, or attention
            was asked of what has none.
    """
    choice = decide(bundle, runtime, precision, options)
    opened = open_variant(bundle, choice.variant, choice.engine, choice.options)
    try:
        check_golden(bundle, choice.variant, opened)
    except BaseException:
        opened.close()
        raise
    return opened


def open_variant(
    bundle: Bundle, variant: Variant, engine: str, options: EngineOptions = _DEFAULTS
) -> Runtime:
    """Open one variant on one engine, as it is: :func:`open_runtime` without the comparison."""
    build = getattr(_module(engine), ENGINES[engine].partition(":")[2])
    opened: Runtime = build(bundle, variant, options)
    return opened


def open_checkpoint(path: Path, options: EngineOptions = _DEFAULTS) -> tuple[Bundle, Runtime]:
    """Open a checkpoint of training that was not exported, in PyTorch.

    Raises:
        MissingDependency: PyTorch is not installed.
        InputError: not a checkpoint of edgeattr.
    """
    if missing := _missing(REFERENCE):
        raise MissingDependency(missing[0], extra="train", purpose="run a checkpoint")
    opened: tuple[Bundle, Runtime] = _module(REFERENCE).open_checkpoint(path, options)
    return opened


def check_golden(bundle: Bundle, variant: Variant, runtime: Runtime) -> None:
    """Compare a runtime's answers on the golden crops with the reference.

    Raises:
        BundleError: they differ by more than the variant's tolerance.
    """
    logits = runtime.infer(bundle.golden.crops).logits
    worst = float(np.abs(logits - bundle.golden.logits).max(initial=0.0))
    if not worst <= variant.tolerance:  # NaN is refused too
        raise BundleError(
            f"{variant.name} of {bundle.name} answers wrongly on this device: its logits on the "
            f"golden crops are off by {worst:.3g}, at most {variant.tolerance:.3g} is allowed "
            f"({runtime.describe()}). Use another --precision, or convert again on this device"
        )
