"""Which engine runs which variant on this device."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from edgeattr.bundle import Bundle, Variant
from edgeattr.errors import BundleError, RuntimeFailure, UsageError
from edgeattr_runtimes.protocol import Runtime

__all__ = ["ENGINES", "available", "choose", "open_runtime"]

ENGINES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {  # name -> (package that must be installed, "module:class")
        "onnxruntime": ("onnxruntime", "edgeattr_runtimes.onnx_engine:OnnxEngine"),
    }
)
_FAMILY = {"onnxruntime": "onnx"}
_PRECISIONS = ("int8", "fp32", "fp16")  # the order of speed on CPUs, which lack fp16 arithmetic


def available() -> tuple[str, ...]:
    """Engines whose package is installed, best first."""
    return tuple(
        name for name, (package, _) in ENGINES.items() if importlib.util.find_spec(package)
    )


def choose(bundle: Bundle, runtime: str = "auto", precision: str = "auto") -> tuple[str, Variant]:
    """Pick the engine and the variant.

    Args:
        bundle: the model.
        runtime: ``auto`` or a key of :data:`ENGINES`.
        precision: ``auto``, ``fp32``, ``fp16`` or ``int8``.

    Raises:
        UsageError: no such engine or precision.
        RuntimeFailure: the engine is not installed.
        BundleError: the bundle has no such variant.
    """
    if runtime != "auto" and runtime not in ENGINES:
        raise UsageError(
            f"no runtime {runtime!r} in this version; there are: auto, {', '.join(ENGINES)}"
        )
    if precision != "auto" and precision not in _PRECISIONS:
        raise UsageError(f"no precision {precision!r}; there are: auto, {', '.join(_PRECISIONS)}")
    installed = available()
    engines = installed if runtime == "auto" else (runtime,)
    if not set(engines) & set(installed):
        raise RuntimeFailure(f"runtime {runtime!r} is not installed here; see: edgeattr doctor")
    wanted = _PRECISIONS if precision == "auto" else (precision,)
    for engine in engines:
        for level in wanted:
            variant = bundle.variants.get(f"{_FAMILY[engine]}-{level}")
            if variant:
                return engine, variant
    raise BundleError(
        f"{bundle.path or bundle.name} has no {precision} variant for {', '.join(engines)}; it "
        f"has: {', '.join(bundle.variants)}. See: edgeattr convert --help"
    )


def open_runtime(
    bundle: Bundle,
    runtime: str = "auto",
    precision: str = "auto",
    *,
    threads: int | None = None,
) -> Runtime:
    """Open a bundle on the best engine, and refuse to serve wrong answers.

    The variant's answers on the bundle's golden crops must agree with the reference within the
    tolerance that its conversion measured.

    Raises:
        UsageError, RuntimeFailure, BundleError: as :func:`choose`, or the file is damaged, or
            the answers differ.
    """
    engine, variant = choose(bundle, runtime, precision)
    module, _, name = ENGINES[engine][1].partition(":")
    build: Any = getattr(importlib.import_module(module), name)
    opened: Runtime = build(bundle, variant, threads=threads)
    try:
        check_golden(bundle, variant, opened)
    except BaseException:
        opened.close()
        raise
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
