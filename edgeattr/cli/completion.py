"""What the shell offers for a word that is being typed. Where nothing fits it offers files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "detector_names",
    "known_names",
    "model_names",
    "precision_names",
    "recipe_names",
    "runtime_names",
]


def model_names(incomplete: str) -> list[str]:
    """`default`, and the bundles and checkpoints of the folder that has been typed so far."""
    folder = incomplete[: incomplete.rfind("/") + 1]
    found = Path(folder or ".").glob("*")
    paths = sorted(folder + path.name for path in found if path.suffix in (".edgeattr", ".pt"))
    return _fitting(["default", *paths], incomplete)


def recipe_names(incomplete: str) -> list[str]:
    """Of training."""
    from edgeattr_train.recipe_files import detection_recipes, named_recipes

    return _fitting({**named_recipes(), **detection_recipes()}, incomplete)


def runtime_names(incomplete: str) -> list[str]:
    """Engines, whether or not they are installed."""
    from edgeattr_runtimes import ENGINES

    return _fitting(["auto", *ENGINES], incomplete)


def precision_names(incomplete: str) -> list[str]:
    """Of variants."""
    return _fitting(["auto", "fp32", "fp16", "int8"], incomplete)


def detector_names(incomplete: str) -> list[str]:
    """Those that need no file, and those that can be downloaded."""
    return _fitting(["auto", "person"], incomplete) + known_names(incomplete)


def known_names(incomplete: str) -> list[str]:
    """What can be downloaded."""
    from edgeattr.core.model_zoo import KNOWN

    return _fitting(KNOWN, incomplete)


def _fitting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
