"""One training run as data: a TOML file, checked, with overrides from the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from edgeattr.core.config import build, parse_value, read_toml
from edgeattr.core.errors import UsageError
from edgeattr_train.losses import LossOptions
from edgeattr_train.model import ModelOptions
from edgeattr_train.optimization import ScheduleOptions
from edgeattr_train.recipe_files import named_recipes
from edgeattr_train.recipe_types import Count, NotNegative, Share
from edgeattr_train.transforms import Augmentation

_WHAT = "recipe"
_OTHER_NAMES = {"backbone.weights": "model.weights", "backbone.name": "model.backbone"}


@dataclass(frozen=True, kw_only=True)
class DistillationOptions:
    """Who teaches, and how much it counts."""

    teachers: tuple[str, ...] = ()  # bundles (or names of bundles) and checkpoints; averaged
    soft_labels: str = ""  # a file of edgeattr_train.soft_labels: answers on training data and
    # on further pictures; in place of teachers
    weight: Share = 0.5  # share of the teachers' probability in the target; the rest is the label
    embedding: str = ""  # a re-identification network (IR or ONNX) that model.embedding learns from
    embedding_weight: NotNegative = 15.0  # of that loss

    def __post_init__(self) -> None:
        if self.soft_labels and self.teachers:
            raise UsageError(
                "distillation.soft_labels stand in place of teachers; give one of them"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training run, apart from the data."""

    name: str = "unnamed"
    height: Annotated[int, Meta(ge=32)] = 256  # pixels
    width: Annotated[int, Meta(ge=32)] = 128  # pixels
    seed: Count = 0
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"  # autocast; fp16 on a GPU only
    model: ModelOptions = field(default_factory=ModelOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    schedule: ScheduleOptions = field(default_factory=ScheduleOptions)
    augment: Augmentation = field(default_factory=Augmentation)
    distillation: DistillationOptions = field(default_factory=DistillationOptions)

    def __post_init__(self) -> None:
        untrained = self.loss.primary == "none" or (
            self.model.attend and self.loss.attention == "none"
        )
        if untrained and self.loss.average == "none":
            raise UsageError(
                "a score that goes into the average would learn nothing: give loss.primary and "
                "loss.attention a loss, or loss.average"
            )
        if self.schedule.small_epochs and self.model.head != "edge":
            raise UsageError(
                f"schedule.small_epochs changes the input size, and model.head={self.model.head!r} "
                "is tied to one"
            )

    def size_at(self, epoch: int) -> tuple[int, int]:
        """Height and width of the input in an epoch, multiples of 32."""
        if epoch >= self.schedule.small_epochs:
            return self.height, self.width
        scale = self.schedule.small_scale
        return (
            max(32, round(self.height * scale / 32) * 32),
            max(32, round(self.width * scale / 32) * 32),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for checkpoints and bundles."""
        return dataclasses.asdict(self)


def load_recipe(name_or_file: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        name_or_file: a recipe that comes with the package, or a TOML file.
        overrides: ``key=value`` with dots for tables: ``schedule.epochs=2``;
            ``backbone.weights`` and ``backbone.name`` stand for the model's.

    Raises:
        UsageError: no such recipe, an unknown key, or a value of the wrong type.
        InputError: the file is no valid TOML.
    """
    known = named_recipes()
    path = known.get(name_or_file, Path(name_or_file))
    if not path.is_file():
        raise UsageError(
            f"no recipe {name_or_file!r}; it is neither a file nor one of {', '.join(known)}"
        )
    values = read_toml(path, what=_WHAT)
    values.setdefault("name", path.stem)
    values = _extended(values, path)
    for override in overrides:
        apply_override(values, override)
    return recipe_from_dict(values)


def recipe_from_dict(values: Mapping[str, Any]) -> Recipe:
    """Build a recipe from plain values; unknown keys and wrong types are errors."""
    return build(Recipe, values, what=_WHAT)


def _extended(values: dict[str, Any], path: Path, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """Over the recipe that ``extends`` names, one beside it or a known one, lay these values."""
    parent = values.pop("extends", None)
    if parent is None:
        return values
    beside = path.parent / f"{parent}.toml"
    base = beside if beside.is_file() else named_recipes().get(str(parent))
    if base is None or str(base) in seen:
        raise UsageError(f"{path}: extends = {parent!r} names no recipe, or goes round in a circle")
    return _merged(_extended(read_toml(base, what=_WHAT), base, (*seen, str(base))), values)


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _merged(result[key], value) if both else value
    return result


def apply_override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise UsageError(f"--set {override!r} is not key=value, as in schedule.epochs=2")
    *tables, last = _OTHER_NAMES.get(key, key).split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise UsageError(f"--set {override!r}: {table} is not a table")
    try:
        values[last] = parse_value(text)
    except ValueError as error:
        raise UsageError(f"--set {override!r}: {error}") from error
