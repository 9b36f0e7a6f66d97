"""Checkpoints: what is kept of a training run, written atomically, read with care."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from edgeattr.core.errors import BundleError, InputError, UsageError
from edgeattr.core.files import atomic_path
from edgeattr.core.schema import AttributeSchema
from edgeattr_train.model import AttributeNet, build_model
from edgeattr_train.recipe import Recipe, recipe_from_dict

_FORMAT = 2  # raised when older files can no longer be read


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A trained model as it is stored."""

    model: AttributeNet  # the averaged weights, in eval mode
    recipe: Recipe
    schema: AttributeSchema
    facts: dict[str, Any]  # data set, split, licence, epochs, validation scores
    decision: dict[str, Any] | None = None  # DecisionFit's fields, once it has been fitted
    track: dict[str, Any] | None = None  # TrackFusion as JSON has it, once it has been fitted

    def state(self) -> dict[str, Any]:
        """Plain values and tensors, for :func:`write_state`."""
        return {
            "recipe": self.recipe.to_dict(),
            "schema": self.schema.to_json(),
            "model": self.model.state_dict(),
            "facts": self.facts,
            "decision": self.decision,
            "track": self.track,
        }


def load_checkpoint(path: Path) -> Checkpoint:
    """Read ``best.pt``.

    Raises:
        InputError: missing, truncated, or not a checkpoint of edgeattr.
    """
    state = read_state(path)
    try:
        recipe = recipe_from_dict(state["recipe"])
        schema = AttributeSchema.from_json(state["schema"])
        options = dataclasses.replace(recipe.model, weights="none", start="")
        model = build_model(len(schema), options, (recipe.height, recipe.width))
        model.load_state_dict(state["model"])
        facts = state["facts"]
    except (KeyError, RuntimeError, UsageError, BundleError) as error:
        raise InputError(f"{path}: not a model checkpoint of this version ({error})") from error
    return Checkpoint(
        model=model.eval(),
        recipe=recipe,
        schema=schema,
        facts=facts,
        decision=state.get("decision"),
        track=state.get("track"),
    )


def take_matching(model: AttributeNet, path: Path) -> tuple[int, int]:
    """Give a model the weights of a checkpoint wherever name and shape agree.

    Returns:
        How many of the model's tensors were found, and how many it has.

    Raises:
        InputError: the file is no checkpoint, or nothing in it fits.
    """
    theirs = read_state(path).get("model", {})
    mine = model.state_dict()
    fitting = {
        name: value
        for name, value in theirs.items()
        if name in mine and mine[name].shape == value.shape
    }
    if not any(name.startswith("backbone.") for name in fitting):  # the scale of the pixels is its
        fitting = {name: fitting[name] for name in fitting if name not in ("mean", "std")}
    if not fitting:
        raise InputError(f"{path}: none of its weights fit the model of this recipe")
    model.load_state_dict(fitting, strict=False)
    return len(fitting), len(mine)


def read_state(path: Path) -> dict[str, Any]:
    """What :func:`write_state` wrote; no code in the file is run.

    Raises:
        InputError: missing, damaged, or of another version.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing") from error
    except Exception as error:  # torch raises many kinds on damaged files
        raise InputError(f"{path}: damaged or not a checkpoint ({error})") from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise InputError(f"{path}: not a checkpoint of this version of edgeattr")
    return state


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write atomically: a killed run leaves the old file."""
    with atomic_path(path) as temporary:
        torch.save({"format": _FORMAT, **state}, temporary)
