"""`edgeattr train --recipe person`: from scenes to a bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgeattr.core import hub
from edgeattr.core.detection_bundle import DetectionBundle
from edgeattr.core.errors import InputError, UsageError
from edgeattr_train.detection.finish import finish_person, load_person_recipe
from edgeattr_train.detection.trainer import train_person

__all__ = ["train_detector"]


def train_detector(
    recipe: Path,
    data: str,
    out: Path,
    changes: tuple[str, ...],
    resume: bool,
    tell: Callable[[str], None],
) -> DetectionBundle:
    """Train a person detector and write `out/person.edgeattr`.

    Args:
        recipe: its file.
        data: ``scenes:DIR``, a folder that `python -m edgeattr_train.detection.scenes` wrote.
        out: for checkpoints and the bundle.
        changes: of the recipe, ``key=value``.
        resume: whether to go on from `out/checkpoint.pt`.
        tell: called with a line of progress.

    Raises:
        UsageError: other data, an unknown key, or an earlier run lies in ``out``.
        InputError: the folder has no scenes.
    """
    name, _, directory = data.partition(":")
    folder = Path(directory).expanduser()
    if name != "scenes" or not directory:
        raise UsageError(
            f"--data {data!r}: a person detector is trained on scenes:DIR; make the folder with "
            "python -m edgeattr_train.detection.scenes"
        )
    if not (folder / "scenes.jsonl").is_file():
        raise InputError(f"{folder}: no scenes.jsonl; python -m edgeattr_train.detection.scenes")
    if (out / "checkpoint.pt").exists() and not resume:
        raise UsageError(f"{out} holds an earlier run; pass --resume to go on, or another --out")
    options = load_person_recipe(recipe, changes)
    start = Path(options.start)
    if options.start in hub.KNOWN:
        start = hub.fetch(options.start)
    network = train_person(
        options,
        data=folder,
        start=start,
        out=out,
        tell=lambda line: tell(", ".join(f"{key} {value:g}" for key, value in line.items())),
    )
    return finish_person(network, options, data=folder, directory=out / "person.edgeattr")
