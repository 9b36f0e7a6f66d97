"""`edgeattr train`: from a data set and a recipe to a bundle."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeattr.cli.options import AllowMissing, Data, Quiet, recipe_names
from edgeattr.cli.progress import ProgressLine, note
from edgeattr.core.errors import UsageError, importing
from edgeattr.core.files import check_writable

if TYPE_CHECKING:
    from edgeattr_train.checkpoint import Checkpoint
    from edgeattr_train.engine import Progress, Trainer

_CURVES = ("mA", "f1", "mAP", "accuracy")  # of validation, for TensorBoard
_STEPS_BETWEEN_POINTS = 20  # of its curves in training

RecipeName = Annotated[
    str,
    typer.Option(
        metavar="NAME|FILE", help="A recipe's name or TOML file.", autocompletion=recipe_names
    ),
]


def train(
    data: Data,
    split: Annotated[str, typer.Option(help="What is trained on.")] = "train",
    recipe: RecipeName = "default",
    out: Annotated[Path, typer.Option(help="Where checkpoints and the bundle go.")] = Path("run"),
    resume: Annotated[bool, typer.Option(help="Go on from OUT/last.pt.")] = False,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: schedule.epochs=2."),
    ] = None,
    device: Annotated[str, typer.Option(help="`auto`, `cpu` or `cuda`.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Image decoding threads.")] = 2,
    cache: Annotated[
        float, typer.Option(min=0.0, metavar="GB", help="Memory for decoded crops.")
    ] = 0.0,
    allow_missing: AllowMissing = False,
    report: Annotated[bool, typer.Option(help="Write OUT/report.html at the end.")] = True,
    quiet: Quiet = False,
) -> None:
    """Train an attention model, choose the epoch on validation data, and write a bundle.

    OUT then holds NAME.edgeattr, report.html, best.pt, log.jsonl and TensorBoard's events.
    Several processes or machines: start it with torchrun.

    Example: `edgeattr train --data peta:/data/PETA --recipe default --out run`

    Example: `edgeattr train --recipe person --data scenes:scenes --out run`

    Example: `torchrun --nproc-per-node 2 -m edgeattr train --data peta:/data/PETA`
    """
    with importing("torch", extra="train", purpose="train a model"):
        from edgeattr_train.data.datasets import open_dataset
        from edgeattr_train.engine import Trainer
        from edgeattr_train.finish import finish_training
        from edgeattr_train.processes import open_fabric
        from edgeattr_train.recipe import load_recipe
    check_writable(out, folder=True, hint="give another --out")
    if file := _detection_recipe(recipe):
        _train_detector(file, data, out, tuple(change or ()), resume, quiet)
        return
    options = load_recipe(recipe, change or ())
    if (out / "last.pt").exists() and not resume:
        raise UsageError(f"{out} holds an earlier run; pass --resume to go on, or another --out")
    part, val = (open_dataset(data, name, allow_missing=allow_missing) for name in (split, "val"))
    fabric = open_fabric(options, device)
    first, quiet = fabric.is_global_zero, quiet or not fabric.is_global_zero
    cached = int(cache * 1e9)
    trainer = Trainer(options, part, val, out, threads=threads, cache_bytes=cached, fabric=fabric)
    if resume and trainer.resume():
        note(f"resuming {out}", quiet=quiet)
    checkpoint = _run(trainer, out, quiet)
    if first:
        tell = functools.partial(note, quiet=quiet)
        bundle = finish_training(checkpoint, val, out, trainer.log, with_report=report, tell=tell)
        note(f"wrote {bundle.path}", quiet=quiet)


def _detection_recipe(recipe: str) -> Path | None:
    """The file of a person detector's recipe; None if it is another's."""
    from edgeattr_train.recipe_files import detection_recipes, is_detection

    path = detection_recipes().get(recipe, Path(recipe))
    return path if is_detection(path) else None


def _train_detector(
    recipe: Path, data: str, out: Path, changes: tuple[str, ...], resume: bool, quiet: bool
) -> None:
    from edgeattr_train.detection.finish import train_detector

    found = train_detector(recipe, data, out, changes, resume, lambda line: note(line, quiet=quiet))
    note(f"wrote {found.path}", quiet=quiet)


def _run(trainer: Trainer, out: Path, quiet: bool) -> Checkpoint:
    """Train to the end, showing how far it is, with curves in ``OUT/tensorboard``."""
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger

    board = TensorBoardLogger(out, name=None, version="tensorboard")
    with ProgressLine("training", quiet=quiet) as bar:

        def show(progress: Progress) -> None:
            _show(progress, bar, quiet)
            step = progress.epoch * progress.steps + progress.step
            if progress.scores:
                scores = {key: getattr(progress.scores, key) for key in _CURVES}
                board.log_metrics({f"validation/{k}": v for k, v in scores.items()}, step)
            elif progress.step % _STEPS_BETWEEN_POINTS == 0:
                board.log_metrics({"train/loss": progress.loss, "train/mA": progress.mA}, step)

        checkpoint = trainer.run(show)
    board.finalize("success")
    return checkpoint


def _show(progress: Progress, bar: ProgressLine, quiet: bool) -> None:
    bar.update(
        progress.epoch * progress.steps + progress.step,
        f"epoch {progress.epoch + 1}/{progress.epochs}, loss {progress.loss:.3f}, "
        f"mA {progress.mA:.1f}, {progress.images_per_second:.0f} images/s",
        total=progress.epochs * progress.steps,
    )
    if progress.scores:
        note(
            f"epoch {progress.epoch + 1}: loss {progress.loss:.3f}, validation "
            f"mA {progress.scores.mA:.2f}, F1 {progress.scores.f1:.2f}, "
            f"mAP {progress.scores.mAP:.2f}",
            quiet=quiet,
        )
