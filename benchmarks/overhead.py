"""What edgeattr adds to an engine: our calls beside the engine's own, in turns.

    python benchmarks/overhead.py --data peta:DIR

"raw" is the engine fed ready-made arrays, with the same threads, streams and batches. Ratios are
of crops per second, medians of the turns, with their 95 % intervals.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from common import interleaved

import edgeattr
from edgeattr.core.bundle import Bundle
from edgeattr.core.crops import Image, stack_crops
from edgeattr.core.hub import resolve_bundle
from edgeattr_runtimes import open_variant
from edgeattr_runtimes.bench_process import raw_call
from edgeattr_runtimes.device import device_name
from edgeattr_runtimes.engine import Engine
from edgeattr_runtimes.engines import FAMILIES, automatic
from edgeattr_runtimes.timing import median_interval
from edgeattr_train.data.datasets import open_dataset

_SINGLE = 20  # calls of one crop for each round
_PAUSE = 0.005  # seconds before each of these: crops come from a camera, not back to back


def main() -> None:
    """Print a table for every engine and variant of the model that can run here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="crops to resize: peta:DIR")
    parser.add_argument("--model", default="default")
    parser.add_argument("--batch", type=int, default=64, help="crops a call")
    parser.add_argument("--rounds", type=int, default=21)
    options = parser.parse_args()
    bundle = Bundle.read(resolve_bundle(options.model))
    data = open_dataset(options.data, "val")
    real = [data.read(index) for index in np.linspace(0, len(data) - 1, options.batch, dtype=int)]
    print(f"{device_name()}; {options.batch} crops a call")
    print("| engine | variant | raw crops/s | at size | real crops | one crop, raw ms | added ms |")
    print("|---|---|---|---|---|---|---|")
    for engine in automatic():
        for name, variant in bundle.variants.items():
            if variant.engine in FAMILIES[engine]:
                print(_row(bundle, engine, name, real, options.rounds), flush=True)


def _row(bundle: Bundle, engine: str, name: str, real: list[Image], rounds: int) -> str:
    """Our calls and the engine's, taking turns."""
    ready = stack_crops(real, bundle.input.height, bundle.input.width)
    variant = bundle.variants[name]
    runtime = open_variant(bundle, variant, engine)
    assert isinstance(runtime, Engine)
    with contextlib.ExitStack() as stack:
        model = stack.enter_context(edgeattr.AttributeModel(bundle, runtime))
        raw = stack.enter_context(raw_call(runtime, ready))
        raw_one = stack.enter_context(raw_call(runtime, ready[:1]))
        at_size = list(ready)
        calls: dict[str, Callable[[], object]] = {
            "raw": raw,
            "at size": lambda: model.predict(at_size),
            "real": lambda: model.predict(real),
        }
        seconds = interleaved(calls, rounds=rounds)
        one = {"raw": raw_one, "ours": lambda: model.predict(at_size[:1])}
        alone = interleaved(one, rounds=_SINGLE * rounds, pause=_PAUSE)
    ratios = {key: np.divide(seconds["raw"], seconds[key]) for key in ("at size", "real")}
    added = 1000 * np.subtract(alone["ours"], alone["raw"])
    return (
        f"| {engine} | {name} | {len(real) / np.median(seconds['raw']):.0f} | "
        f"{_interval(ratios['at size'])} | {_interval(ratios['real'])} | "
        f"{1000 * np.median(alone['raw']):.2f} | {_interval(added)} |"
    )


def _interval(values: npt.NDArray[np.float64]) -> str:
    low, middle, high = median_interval(values)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
