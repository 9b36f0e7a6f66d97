"""Where recipes lie. Apart from them, so that their names can be told without loading PyTorch."""

from __future__ import annotations

from pathlib import Path

__all__ = ["named_recipes"]

_FOLDERS = (
    Path(__file__).parent / "recipes",  # in a wheel
    Path(__file__).parent.parent / "recipes",  # in a checkout
)


def named_recipes() -> dict[str, Path]:
    """Recipes that come with the package, by name."""
    return {path.stem: path for folder in _FOLDERS for path in sorted(folder.glob("*.toml"))}
