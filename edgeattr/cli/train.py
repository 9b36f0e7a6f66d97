"""`edgeattr train`: from a data set and a recipe to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeattr.cli.options import Data, Quiet
from edgeattr.cli.progress import ProgressLine, note
from edgeattr.errors import MissingDependency, UsageError

if TYPE_CHECKING:
    from edgeattr_train.engine import Progress

__all__ = ["train"]


def train(
    data: Data,
    recipe: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A recipe's name or TOML file.")
    ] = "default",
    out: Annotated[Path, typer.Option(help="Where checkpoints and the bundle go.")] = Path("run"),
    resume: Annotated[bool, typer.Option(help="Go on from OUT/last.pt.")] = False,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: schedule.epochs=2."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Image decoding threads.")] = 2,
    quiet: Quiet = False,
) -> None:
    """Train an attention model, choose the epoch on validation data, and write a bundle.

    Example: `edgeattr train --data peta:/data/PETA --recipe default --out run`
    """
    try:
        from edgeattr_convert.build import bundle_from_checkpoint
        from edgeattr_train.datasets import open_dataset
        from edgeattr_train.engine import Trainer
        from edgeattr_train.recipe import load_recipe
    except ImportError as error:
        raise MissingDependency(
            error.name or "torch", extra="train", purpose="train a model"
        ) from error

    options = load_recipe(recipe, change or ())
    if (out / "last.pt").exists() and not resume:
        raise UsageError(f"{out} holds an earlier run; pass --resume to go on, or another --out")
    trainer = Trainer(
        options, open_dataset(data, "train"), open_dataset(data, "val"), out, threads=threads
    )
    if resume and trainer.resume():
        note(f"resuming {out}", quiet=quiet)
    with ProgressLine("training", quiet=quiet) as bar:
        checkpoint = trainer.run(lambda progress: _report(progress, bar, quiet))
    bundle = bundle_from_checkpoint(checkpoint, out / f"{options.name}.edgeattr", options.name)
    note(f"wrote {bundle.path}: {checkpoint.facts}", quiet=quiet)


def _report(progress: Progress, bar: ProgressLine, quiet: bool) -> None:
    bar.update(
        progress.epoch * progress.steps + progress.step,
        f"epoch {progress.epoch + 1}/{progress.epochs}, loss {progress.loss:.3f}, "
        f"{progress.images_per_second:.0f} images/s",
        total=progress.epochs * progress.steps,
    )
    if progress.scores:
        note(
            f"epoch {progress.epoch + 1}: loss {progress.loss:.3f}, validation "
            f"mA {progress.scores.mA:.2f}, F1 {progress.scores.f1:.2f}",
            quiet=quiet,
        )
