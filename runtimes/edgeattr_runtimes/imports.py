"""An engine's package, or an error that says what is wrong with it."""

from __future__ import annotations

import importlib
from typing import Any

from edgeattr.core.errors import MissingDependency, RuntimeFailure


def import_package(name: str, *, extra: str | None, purpose: str, mend: str) -> Any:
    """A module of a package that may be absent or broken.

    Args:
        name: as it is imported.
        extra: the extra of edgeattr that brings it; none where the base install does.
        purpose: what it is needed for, completing "... is needed to".
        mend: what to do where it is installed and cannot be loaded, a sentence.

    Raises:
        MissingDependency: it is not installed.
        RuntimeFailure: it is, but cannot be loaded: most often a library that it is linked to.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingDependency(error.name or name, extra=extra, purpose=purpose) from error
    except (ImportError, OSError, RuntimeError) as error:
        raise RuntimeFailure(
            f"{name} is installed but cannot be loaded: {error}. {mend}"
        ) from error
