"""Images per second of the training loader, beside those of a training step at the same size.

    python benchmarks/loader_speed.py --data peta:../shared/peta

The loader decodes, resizes and augments as in training. The step is forward, loss, backward and
update of the default recipe's model, untrained, in the recipe's precision. Where the loader's
figure is far above the step's, decoding is never what training waits for. Needs the extra train.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from common import interleaved, rate

import edgeattr
from edgeattr_runtimes.device import device_name
from edgeattr_train.crop_cache import CropCache
from edgeattr_train.data.datasets import AttributeDataset, open_dataset
from edgeattr_train.loader import batches
from edgeattr_train.recipe import Recipe, load_recipe

_SIZES = ((256, 128), (192, 96), (224, 224))
_ENOUGH = 1 << 34  # bytes: every crop is kept


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="NAME:DIR")
    parser.add_argument("--device", default="cpu", help="of the training step: cpu or cuda")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--images", type=int, default=512, help="of the loader, a round")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    data = open_dataset(options.data, "train", allow_missing=True).first(options.images)
    recipe = load_recipe("default")
    print(f"{device_name()}; {data.name} train, {len(data)} images, batch {options.batch}\n")
    print("| size | loader threads | loader, images/s | with cached crops | step, images/s |")
    print("|---|---|---|---|---|")
    for size in _SIZES:
        _measure(data, recipe, size, options)


def _measure(
    data: AttributeDataset, recipe: Recipe, size: tuple[int, int], options: argparse.Namespace
) -> None:
    """One row for each number of threads."""
    runs: dict[str, Callable[[], object]] = {}
    cache = CropCache(_ENOUGH)
    for threads in options.threads:
        for kept in (None, cache):
            name = _name(threads, kept is not None)
            runs[name] = _loading(data, recipe, size, options.batch, threads, kept)
    seconds = interleaved(runs, rounds=options.rounds)
    step = _step(recipe, size, options.batch, len(data.schema), options.device)
    trained = rate(options.batch, interleaved({"step": step}, rounds=options.rounds)["step"])
    for threads in options.threads:
        plain, cached = (rate(len(data), seconds[_name(threads, k)]) for k in (False, True))
        print(f"| {size[0]}x{size[1]} | {threads} | {plain:.0f} | {cached:.0f} | {trained:.0f} |")


def _name(threads: int, cached: bool) -> str:
    return f"{threads} threads{', cached' if cached else ''}"


def _loading(
    data: AttributeDataset,
    recipe: Recipe,
    size: Sequence[int],
    batch: int,
    threads: int,
    cache: CropCache | None,
) -> Callable[[], object]:
    """One pass over the data as a training epoch makes it."""

    def run() -> int:
        made = batches(
            data,
            np.arange(len(data)),
            (size[0], size[1]),
            batch,
            augmentation=recipe.augment,
            threads=threads,
            cache=cache,
        )
        return sum(len(part.ids) for part in made)

    return run


def _step(
    recipe: Recipe, size: tuple[int, int], batch: int, attributes: int, device: str
) -> Callable[[], object]:
    """One training step on crops that lie ready."""
    import torch
    from torch.nn import functional as F

    from edgeattr_train.model import build_model

    torch.manual_seed(0)
    options = dataclasses.replace(recipe.model, weights="none")
    model = build_model(attributes, options, size).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), foreach=True)
    crops = torch.randint(0, 256, (batch, *size, 3), dtype=torch.uint8)
    labels = torch.randint(0, 2, (batch, attributes)).float().to(device)

    def run() -> float:
        with torch.autocast(device, torch.bfloat16, enabled=recipe.precision == "bf16"):
            logits = model(crops.to(device)).logits.float()
        loss = F.binary_cross_entropy_with_logits(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return float(loss.detach())  # waits for the device

    return run


if __name__ == "__main__":
    print(f"edgeattr {edgeattr.__version__}")
    main()
