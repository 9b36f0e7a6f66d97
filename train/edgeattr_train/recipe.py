"""One training run as data: a TOML file, checked, with overrides from the command line."""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from edgeattr.errors import InputError, UsageError
from edgeattr_train.losses import LossOptions
from edgeattr_train.model import ModelOptions
from edgeattr_train.transforms import Augmentation

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Recipe", "ScheduleOptions", "load_recipe", "named_recipes"]

_T = TypeVar("_T")
_FOLDERS = (
    Path(__file__).parent / "recipes",  # in a wheel
    Path(__file__).parent.parent / "recipes",  # in a checkout
)


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions:
    """How the weights move."""

    epochs: int = 20
    small_epochs: int = 0  # first epochs at a smaller input, faster
    small_scale: float = 0.75  # its size as a share of the full input
    batch: int = 64  # images a step
    backbone_rate: float = 6e-4  # peak learning rate of the backbone
    head_rate: float = 2e-3  # peak learning rate of everything else
    weight_decay: float = 0.02  # AdamW's
    warm_up: float = 0.2  # share of the steps until the peak (one cycle)
    clip: float = 20.0  # largest gradient norm; 0 turns clipping off
    average_decay: float = 0.998  # of the moving average of the weights that is validated and kept
    images: int = 0  # use only this many training images; 0 means all

    def __post_init__(self) -> None:
        for name, value in (("epochs", self.epochs), ("batch", self.batch)):
            if value < 1:
                raise UsageError(f"schedule.{name}={value}; expected at least 1")
        if not 0 < self.warm_up < 1:
            raise UsageError(f"schedule.warm_up={self.warm_up}; expected between 0 and 1")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training run, apart from the data."""

    name: str = "unnamed"
    height: int = 256  # pixels
    width: int = 128  # pixels
    seed: int = 0
    precision: str = "fp32"  # "fp32" or "bf16" (autocast)
    model: ModelOptions = field(default_factory=ModelOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    schedule: ScheduleOptions = field(default_factory=ScheduleOptions)
    augment: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if self.precision not in ("fp32", "bf16"):
            raise UsageError(f"precision={self.precision!r}; expected fp32 or bf16")
        for side, pixels in (("height", self.height), ("width", self.width)):
            if pixels < 32 or pixels % 32:
                raise UsageError(f"{side}={pixels}; expected a multiple of 32")

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


def named_recipes() -> dict[str, Path]:
    """Recipes that come with the package, by name."""
    return {path.stem: path for folder in _FOLDERS for path in sorted(folder.glob("*.toml"))}


def load_recipe(name_or_file: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        name_or_file: a name that :func:`named_recipes` lists, or a TOML file.
        overrides: ``key=value`` with dots for tables: ``schedule.epochs=2``.

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
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a valid recipe: {error}") from error
    values.setdefault("name", path.stem)
    for override in overrides:
        _apply(values, override)
    return recipe_from_dict(values)


def recipe_from_dict(values: Mapping[str, Any]) -> Recipe:
    """Build a recipe from plain values; unknown keys and wrong types are errors."""
    return _build(Recipe, values, "")


def _apply(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise UsageError(f"--set {override!r} is not key=value, as in schedule.epochs=2")
    *tables, last = key.split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise UsageError(f"--set {override!r}: {table} is not a table")
    values[last] = _parse(text)


def _parse(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _build(kind: type[_T], values: Mapping[str, Any], prefix: str) -> _T:
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise UsageError(
            f"unknown recipe key {prefix}{unknown[0]}; expected one of "
            f"{', '.join(prefix + name for name in hints)}"
        )
    arguments = {
        key: _convert(hints[key], value, f"{prefix}{key}") for key, value in values.items()
    }
    return kind(**arguments)


def _convert(hint: Any, value: Any, key: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise UsageError(f"recipe key {key} is a table, not {value!r}")
        return _build(hint, value, f"{key}.")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise UsageError(f"recipe key {key} wants {hint.__name__}, got {value!r}")
    return value
