"""A short measured tuning: which engine, variant, streams and batch are the fastest here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import EdgeAttrError, RuntimeFailure
from edgeattr.core.limits import available_cores
from edgeattr_runtimes.bench import measure
from edgeattr_runtimes.bench_process import Setting, Timing
from edgeattr_runtimes.engines import FAMILIES, automatic
from edgeattr_runtimes.protocol import EngineOptions
from edgeattr_runtimes.tuning_cache import TunedSetting, check_tuning_path, write_tuning

_CALL = 8  # crops: people in a frame
_FINALISTS = 2  # pairs of engine and variant whose options are varied
BATCHES = (1, 8)  # no more: each setting is a process that loads the model

Tell = Callable[[str], None]
Tick = Callable[[int, int], None]


def tune(
    path: Path,
    *,
    seconds: float = 2.0,
    tell: Tell = lambda text: None,
    tick: Tick = lambda done, total: None,
) -> list[Timing]:
    """Measure, and keep what was found for every later load on this device.

    First each engine with each variant that is proven for it, and with the float32 model; then
    the best two with other streams and batches.

    Args:
        path: of a bundle.
        seconds: of each setting.
        tell: told what cannot be measured, and why.
        tick: told how far a round is.

    Returns:
        Every setting that was measured: the finalists', the fastest first, then the others'.

    Raises:
        RuntimeFailure: nothing can run here.
        OutputError: the result cannot be kept.
    """
    bundle = Bundle.read(path)
    check_tuning_path(bundle)
    first = _measure(path, settings_to_try(bundle), seconds, tell, tick)
    if not first:
        raise RuntimeFailure(f"no variant of {path} can run here; see: edgeattr doctor")
    finalists, others = first[:_FINALISTS], first[_FINALISTS:]
    # finalists run again beside their variations: only what took turns is compared
    found = [*_measure(path, _variations(finalists), seconds, tell, tick), *others]
    write_tuning(bundle, [_kept(timing) for timing in found])
    return found


def settings_to_try(bundle: Bundle) -> list[Setting]:
    """Each engine with its own variants, or with the float32 model."""
    return [
        Setting(engine=engine, variant=name, batch=_CALL, options=EngineOptions())
        for engine in automatic()
        for name, variant in bundle.variants.items()
        if variant.engine == FAMILIES[engine][0]
        or (variant.engine in FAMILIES[engine] and variant.precision == "fp32")
    ]


def _variations(finalists: Sequence[Timing]) -> list[Setting]:
    """The finalists as they were, and with other streams and batches."""
    return [
        dataclasses.replace(timing.setting, options=options)
        for timing in finalists
        for options in (
            timing.setting.options,
            *(
                dataclasses.replace(timing.setting.options, streams=streams, batch=batch)
                for streams in sorted({1, available_cores()})
                for batch in BATCHES
                if (streams, batch) != (timing.about.streams, timing.about.batch)
            ),
        )
    ]


def _measure(
    path: Path, settings: Sequence[Setting], seconds: float, tell: Tell, tick: Tick
) -> list[Timing]:
    """Those of the settings that can run here, the fastest first."""

    def leave_out(setting: Setting, error: EdgeAttrError) -> None:
        tell(f"left out: {setting.variant} on {setting.engine}: {error}")

    found = measure(path, settings, seconds=seconds, tick=tick, leave_out=leave_out)
    return sorted(found, key=lambda timing: -timing.relative)


def _kept(timing: Timing) -> TunedSetting:
    return TunedSetting(
        engine=timing.setting.engine,
        variant=timing.setting.variant,
        options=timing.setting.options,
        crops_per_second=timing.crops_per_second,
        batch=timing.setting.batch,
    )
