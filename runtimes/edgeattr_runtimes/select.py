"""Which engine runs which variant on this device, and what comes next where it cannot."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeattr.core.bundle_files import BundleFiles
from edgeattr.core.bundle_format import Variant
from edgeattr.core.detection_bundle import DetectionBundle
from edgeattr.core.errors import BundleError, EdgeAttrError, RuntimeFailure, UsageError
from edgeattr_runtimes import engines
from edgeattr_runtimes.device import device_name
from edgeattr_runtimes.engines import ENGINES, FAMILIES, NO_ATTENTION, REFERENCE
from edgeattr_runtimes.protocol import EngineOptions
from edgeattr_runtimes.tuning_cache import read_tuning

_PRECISIONS = ("int8", "fp32", "fp16")  # the order of speed on CPUs without half precision
_DEFAULTS = EngineOptions()
_NEXT = "the next that is proven"
_ON_A_CPU = ("cpu", "auto")  # first in the list of devices of an engine that begins with the CPU


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is going to run."""

    engine: str
    variant: Variant
    options: EngineOptions
    why: str  # for people
    instead_of: tuple[str, ...] = ()  # what was tried before it, and why that cannot be used

    def __str__(self) -> str:
        device = f" {self.options.device}" if self.options.device else ""
        half = {None: "", True: " in half precision", False: " in float32"}[self.options.half]
        return f"{self.variant.name} on {self.engine}{device}{half}"


def choose(
    bundle: BundleFiles, runtime: str = "auto", precision: str = "auto"
) -> tuple[str, Variant]:
    """Pick the engine and the variant.

    By itself (``auto``) an engine takes only variants that were made, and proven, for it. Of these
    TensorRT's come first, then INT8 unless it was measured to be slower than its parent, on this
    device or, where it was not measured here, on another; then FP32 before FP16, for which most
    CPUs have no arithmetic; of several of one precision, the one that was measured to be the
    fastest here. Where the device has half precision, FP16 comes before FP32, and before INT8 if it
    was measured here to be faster.

    Args:
        bundle: the model.
        runtime: ``auto`` or a key of :data:`edgeattr_runtimes.ENGINES`.
        precision: ``auto``, ``fp32``, ``fp16`` or ``int8``.

    Raises:
        UsageError: no such engine or precision.
        RuntimeFailure: the engine cannot run here.
        BundleError: the bundle has no such variant.
    """
    return _ranked(bundle, runtime, precision, attention=False, device=None)[0]


def decide(
    bundle: BundleFiles,
    runtime: str = "auto",
    precision: str = "auto",
    options: EngineOptions = _DEFAULTS,
) -> Choice:
    """What `edgeattr bench --tune` found to be the fastest here, or else :func:`choose`.

    What was measured counts where the options leave the engine free; it may be of an engine that
    runs another's float32 variant. Where a device is asked for, an engine that has it takes
    another's variants too, if there are none of its own.

    Args:
        bundle: the model.
        runtime: see :func:`choose`.
        precision: see :func:`choose`.
        options: how the engine is to run.

    Raises:
        UsageError, RuntimeFailure, BundleError: as :func:`choose`; UsageError where no engine has
            the device.
    """
    return next(candidates(bundle, runtime, precision, options))


def candidates(
    bundle: BundleFiles,
    runtime: str = "auto",
    precision: str = "auto",
    options: EngineOptions = _DEFAULTS,
) -> Iterator[Choice]:
    """What :func:`decide` gives, and after it what may run where that cannot, best first.

    A variant whose half precision does not hold is tried in float32. There is nothing else where
    engine, precision or device were named: another would not be what was asked for. Otherwise other
    engines and variants follow, and at last the CPU for engines that had been about to use
    something else.

    Args:
        bundle, runtime, precision, options: as :func:`decide` takes them.

    Raises:
        UsageError, RuntimeFailure, BundleError: as :func:`choose`.
    """
    ranked = _ranked(bundle, runtime, precision, options.attention, options.device)
    free = dataclasses.replace(options, attention=False) == _DEFAULTS
    why = "by what is installed and proven; edgeattr bench --tune measures"
    proven = [
        Choice(engine=engine, variant=variant, options=options, why=why if free else "as asked for")
        for engine, variant in ranked
    ]
    measured = _measured(bundle, runtime, precision, options.attention) if free else []
    first, *others = [*measured, *proven]
    yield first
    yield from _in_float32(first)
    if runtime != "auto" or precision != "auto" or options.device:
        return
    seen = {str(first)}
    for choice in others:
        if str(choice) not in seen:  # other streams or batches mend no engine
            seen.add(str(choice))
            yield dataclasses.replace(choice, why=_NEXT)
            yield from _in_float32(choice)
    yield from (choice for choice in map(_on_the_cpu, proven) if choice)


def _ranked(
    bundle: BundleFiles, runtime: str, precision: str, attention: bool, device: str | None
) -> list[tuple[str, Variant]]:
    """All that may run, best first, at least one; see :func:`choose`."""
    _check_known(runtime, precision)
    wanted = list(_PRECISIONS) if precision == "auto" else [precision]
    if runtime == REFERENCE:
        wanted = [level for level in wanted if level == "fp32"]
    if runtime != "auto":
        pairs = [(runtime, family) for family in _families(runtime, bundle)]
    else:
        able = engines.automatic() if device is None else engines.with_device(device)
        pairs = [
            (engine, family)
            for engine in able
            if not attention or engine not in NO_ATTENTION
            for family in (FAMILIES[engine] if device else _own(engine, bundle))
        ]
    found = [
        (engine, bundle.variants[name])
        for level in wanted
        for engine, family in pairs
        if (name := f"{family}-{level}") in bundle.variants
        and (engine, name) != ("tensorrt", "onnx-int8")  # its zero points are not TensorRT's
    ]
    if not found:
        names = ", ".join(engines.available()) if runtime == "auto" else runtime
        raise BundleError(
            f"{bundle.path or bundle.name} has no {precision} variant for {names}; it "
            f"has: {', '.join(bundle.variants)}. See: edgeattr convert --help"
        )
    return sorted(found, key=_rank_among(found, device))


def _own(engine: str, bundle: BundleFiles) -> tuple[str, ...]:
    """Families of variants that an engine takes by itself."""
    families = _families(engine, bundle)
    return families if engine == "tensorrt" else families[:1]


def _families(engine: str, bundle: BundleFiles) -> tuple[str, ...]:
    """Families of variants that an engine runs; TensorRT builds of a detector's ONNX files too."""
    plain = engine == "tensorrt" and isinstance(bundle, DetectionBundle)
    return (*FAMILIES[engine], "onnx") if plain else FAMILIES[engine]


def _check_known(runtime: str, precision: str) -> None:
    if runtime != "auto" and runtime not in ENGINES:
        raise UsageError(
            f"no runtime {runtime!r} in this version; there are: auto, {', '.join(ENGINES)}"
        )
    if precision != "auto" and precision not in _PRECISIONS:
        raise UsageError(f"no precision {precision!r}; there are: auto, {', '.join(_PRECISIONS)}")
    if runtime != "auto" and runtime not in engines.available():
        raise RuntimeFailure(f"runtime {runtime!r} cannot run here; {engines.remedy(runtime)}")


def _rank_among(
    found: Sequence[tuple[str, Variant]], device: str | None
) -> Callable[[tuple[str, Variant]], tuple[float, ...]]:
    """The key that sorts engines and variants, the best first; see :func:`choose`."""
    name = device_name()

    def measured(engine: str, variant: Variant) -> Mapping[str, Any]:
        own = variant.engine == FAMILIES[engine][0]
        return variant.speed if own and variant.speed.get("device") == name else {}

    quantized_is_measured = all(
        measured(engine, variant) for engine, variant in found if variant.precision == "int8"
    )

    def rank(pair: tuple[str, Variant]) -> tuple[float, ...]:
        engine, variant = pair
        here = measured(engine, variant)
        place: float = _PRECISIONS.index(variant.precision)
        if variant.precision == "fp16" and engines.has_half_precision(engine, device):
            place = 0 if here and quantized_is_measured else 0.5
        return (
            engine != "tensorrt",
            variant.engine != FAMILIES[engine][0],
            here.get("speedup", variant.speed.get("speedup", 1.0)) < 1.0,
            place,
            -here.get("crops_per_second", here.get("frames_per_second", 0.0)),
        )

    return rank


def _in_float32(choice: Choice) -> Iterator[Choice]:
    """The same variant in float32, if the choice is about to run it in half precision."""
    options = choice.options
    free = options.half is None and choice.variant.precision != "fp32"
    if free and engines.has_half_precision(choice.engine, options.device):
        options = dataclasses.replace(options, half=False)
        yield dataclasses.replace(choice, options=options, why="its half precision does not hold")


def _measured(bundle: BundleFiles, runtime: str, precision: str, attention: bool) -> list[Choice]:
    """What was tuned of what is asked for, the fastest first."""
    usable = [name for name in engines.available() if not attention or name not in NO_ATTENTION]
    found = [
        entry
        for entry in read_tuning(bundle)
        if entry.engine in usable
        and runtime in ("auto", entry.engine)
        and precision in ("auto", bundle.variants[entry.variant].precision)
    ]
    return [
        Choice(
            engine=entry.engine,
            variant=bundle.variants[entry.variant],
            options=dataclasses.replace(entry.options, attention=attention),
            why=f"the fastest of {len(found)} settings measured here, "
            f"{entry.crops_per_second:.0f} crops/s",
        )
        for entry in found
    ]


def _on_the_cpu(choice: Choice) -> Choice | None:
    """The same on the processor, if its engine would have used something else."""
    try:
        devices = engines.devices_of(choice.engine)
    except EdgeAttrError:
        return None
    if devices[0] in _ON_A_CPU or "cpu" not in devices:
        return None
    return dataclasses.replace(
        choice, options=dataclasses.replace(choice.options, device="cpu"), why=_NEXT
    )
