"""Where recipes lie. Apart from them, so that their names can be told without loading PyTorch."""

from __future__ import annotations

from pathlib import Path

_FOLDERS = (
    Path(__file__).parent / "recipes",  # in a wheel
    Path(__file__).parent.parent / "recipes",  # in a checkout
)


def named_recipes() -> dict[str, Path]:
    """Recipes of attribute models that come with the package, by name."""
    return {name: path for name, path in _all().items() if not is_detection(path)}


def detection_recipes() -> dict[str, Path]:
    """The same of person detectors."""
    return {name: path for name, path in _all().items() if is_detection(path)}


def is_detection(path: Path) -> bool:
    """Whether a recipe's file is one of a person detector."""
    return path.is_file() and 'task = "person-detection"' in path.read_text(encoding="utf-8")


def _all() -> dict[str, Path]:
    return {path.stem: path for folder in _FOLDERS for path in sorted(folder.glob("*.toml"))}
