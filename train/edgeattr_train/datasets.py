"""Annotated person crops: what every data set is brought to, and how one is opened by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeattr.errors import UsageError
from edgeattr.schema import AttributeSchema

__all__ = ["AttributeDataset", "open_dataset"]

_READERS = {"peta": "edgeattr_train.peta:open_peta"}


@dataclass(frozen=True, eq=False, kw_only=True)
class AttributeDataset:
    """Images of one person each, with their labels.

    ``ids`` name a sample for good: a history or a log keyed by them survives shuffling.
    """

    name: str  # "peta"
    split: str  # "train", "val", ...
    schema: AttributeSchema
    paths: tuple[Path, ...]  # N image files
    labels: npt.NDArray[np.uint8]  # [N, C], 0 or 1
    ids: npt.NDArray[np.int64]  # [N], unique
    persons: npt.NDArray[np.int64]  # [N], equal where the person is the same
    licence: str  # what the data may be used for

    def __len__(self) -> int:
        return len(self.paths)

    def first(self, count: int) -> AttributeDataset:
        """The first ``count`` samples, or all if there are fewer."""
        return self.take(np.arange(min(count, len(self))))

    def take(self, indices: npt.NDArray[np.int64]) -> AttributeDataset:
        """The samples at ``indices``, in that order."""
        return AttributeDataset(
            name=self.name,
            split=self.split,
            schema=self.schema,
            paths=tuple(self.paths[int(index)] for index in indices),
            labels=self.labels[indices],
            ids=self.ids[indices],
            persons=self.persons[indices],
            licence=self.licence,
        )


def open_dataset(spec: str, split: str) -> AttributeDataset:
    """Open ``NAME:DIR``.

    Args:
        spec: for example ``peta:/data/PETA``.
        split: ``train``, ``val`` or ``test``.

    Raises:
        UsageError: the text is not ``NAME:DIR`` or the name is unknown.
        InputError: the directory does not hold what the data set's layout asks for.
    """
    name, separator, directory = spec.partition(":")
    if not separator or not directory or name not in _READERS:
        raise UsageError(
            f"--data {spec!r} is not NAME:DIR with NAME one of {', '.join(sorted(_READERS))}; "
            "for example --data peta:/data/PETA"
        )
    module, _, function = _READERS[name].partition(":")
    reader: Callable[[Path, str], AttributeDataset]
    reader = getattr(importlib.import_module(module), function)
    return reader(Path(directory), split)
