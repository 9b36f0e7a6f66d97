"""From a trained detector to a bundle: its decision from pictures that training did not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgeattr.core import hub
from edgeattr.core.config import build, read_toml
from edgeattr.core.detection_bundle import DetectionBundle
from edgeattr.core.detection_metrics import FrameBoxes, evaluate_detections
from edgeattr.core.errors import InputError, UsageError
from edgeattr.video.detectors.protocol import suppress
from edgeattr_train.detection.composition import Composer
from edgeattr_train.detection.export import detection_bundle
from edgeattr_train.detection.network import PersonDetector, decode
from edgeattr_train.detection.trainer import PersonRecipe, train_person
from edgeattr_train.recipe import apply_override

SIDE = 416  # pixels of the input's longer side
OVERLAP = 0.6  # intersection over union beyond which two boxes are one person
_PICTURES = 240  # of the decision
_PRECISION = 94.0  # percent of boxes that must be right
_LICENCE = (
    "weights: ours, taught by YOLOX-nano (Megvii, Apache-2.0). Pictures: Clothing Co-Parsing "
    "(Apache-2.0), Intel IoT sample videos (CC BY 4.0), PETA and CUHK03 (research use)"
)


def load_person_recipe(path: Path, overrides: tuple[str, ...] = ()) -> PersonRecipe:
    """Read a recipe whose task is person-detection.

    Raises:
        UsageError: an unknown key or a value of the wrong type.
        InputError: the file is no valid TOML.
    """
    values = read_toml(path, what="recipe")
    for override in overrides:
        apply_override(values, override)
    return build(PersonRecipe, values, what="recipe")


def fit_decision(network: PersonDetector, composer: Composer) -> tuple[float, dict[str, Any]]:
    """The lowest score with a box precision of 94 % on composed pictures, and the figures at it.

    Args:
        network: in evaluation mode.
        composer: of the part that training did not see.
    """
    rng = np.random.default_rng(0)
    frames = []
    for index in range(_PICTURES):
        height, width = ((256, 416), (320, 416), (416, 256))[index % 3]
        picture, people, ignore = composer(rng, height, width)
        with torch.no_grad():
            x = torch.from_numpy(picture.transpose(2, 0, 1)[None].copy()).float()
            boxes, objectness, person = (t[0].numpy() for t in decode(network(x)))
        scores = np.exp(-np.logaddexp(0, -objectness) - np.logaddexp(0, -person))
        keep = scores > 0.02
        half = boxes[keep, 2:] / np.float32(2)
        corners = np.concatenate((boxes[keep, :2] - half, boxes[keep, :2] + half), 1)
        found = suppress(corners.astype(np.float32), scores[keep], OVERLAP, picture.shape)
        frames.append(
            FrameBoxes(found=found.boxes, scores=found.scores, people=people, ignore=ignore)
        )
    for threshold in np.arange(0.1, 0.9, 0.02):
        scored = evaluate_detections(frames, float(threshold))
        if scored.precision >= _PRECISION:
            break
    figures = {key: round(float(value), 2) for key, value in asdict(scored).items()}
    return float(threshold), figures


def finish_person(
    network: PersonDetector,
    recipe: PersonRecipe,
    *,
    data: Path,
    directory: Path,
    facts: Mapping[str, Any] | None = None,
) -> DetectionBundle:
    """Fit the decision and write the bundle.

    Args:
        network: trained.
        recipe: how.
        data: folder of `scenes.prepare`.
        directory: ``NAME.edgeattr``.
        facts: more of the training.
    """
    network = network.eval()
    threshold, figures = fit_decision(network, Composer(data, "val"))
    training = {
        "dataset": "composed scenes",
        "split": "train",
        "recipe": asdict(recipe),
        "teacher": f"{Path(recipe.teacher).stem}, its COCO person (Megvii's YOLOX, Apache-2.0)",
        "decision": {"threshold": round(threshold, 3), "validation": figures},
        "licence": _LICENCE,
        **(facts or {}),
    }
    return detection_bundle(
        network,
        directory,
        name=directory.stem,
        threshold=threshold,
        candidate=min(threshold / 2, 0.1),
        overlap=OVERLAP,
        side=SIDE,
        training=training,
    )


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
    teacher = Path(options.teacher)
    if options.teacher in hub.KNOWN:
        teacher = hub.fetch(options.teacher)
    network = train_person(
        options,
        data=folder,
        teacher=teacher,
        out=out,
        tell=lambda line: tell(", ".join(f"{key} {value:g}" for key, value in line.items())),
    )
    return finish_person(network, options, data=folder, directory=out / "person.edgeattr")
