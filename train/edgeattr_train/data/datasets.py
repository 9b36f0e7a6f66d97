"""The data sets by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from edgeattr.core.errors import UsageError
from edgeattr_train.data.annotations import Annotations, AttributeDataset, dataset_from_annotations

_READERS = {
    "csv": "edgeattr_train.data.csv_folder:open_csv",
    "market": "edgeattr_train.data.market:open_market",
    "pa100k": "edgeattr_train.data.pa100k:open_pa100k",
    "peta": "edgeattr_train.data.peta:open_peta",
    "rap": "edgeattr_train.data.rap:open_rap",
    "wider": "edgeattr_train.data.wider:open_wider",
}
_WITH_VARIANTS = ("peta", "rap")


def open_dataset(spec: str, split: str, *, allow_missing: bool = False) -> AttributeDataset:
    """Open ``NAME[@VARIANT]:DIR``.

    Args:
        spec: for example ``peta:/data/PETA``, ``peta@3:/data/PETA`` (the third random split),
            ``peta@identity:/data/PETA`` (no person in two splits) or ``csv:/data/own``.
        split: ``train``, ``val`` or ``test``; ``val_unseen`` of PETA: the val images of persons
            that train does not show.
        allow_missing: leave out samples whose image is missing or unreadable or whose labels the
            data set's coding does not know, and say how many in a log warning, in place of failing.

    Raises:
        UsageError: the text is not ``NAME[@VARIANT]:DIR``; unknown name, variant or split.
        InputError: the directory does not hold what the data set's layout asks for.
    """
    name, variant, directory = _parse(spec)
    if variant and name not in _WITH_VARIANTS:
        raise UsageError(f"{name} has no variants: write --data {name}:DIR, without @{variant}")
    module, _, function = _READERS[name].partition(":")
    reader: Callable[..., Annotations] = getattr(importlib.import_module(module), function)
    notes = reader(directory, split, *([variant] if variant else []))
    return dataset_from_annotations(notes, allow_missing=allow_missing)


def is_spec(text: str) -> bool:
    """Whether a text names a data set, ``NAME[@VARIANT]:DIR``, and not a plain path."""
    head, separator, _ = text.partition(":")
    return bool(separator) and head.partition("@")[0] in _READERS


def _parse(spec: str) -> tuple[str, str, Path]:
    head, separator, directory = spec.partition(":")
    name, at, variant = head.partition("@")
    if not separator or not directory or name not in _READERS or (at and not variant):
        raise UsageError(
            f"--data {spec!r} is not NAME:DIR or NAME@VARIANT:DIR with NAME one of "
            f"{', '.join(sorted(_READERS))}; for example --data peta:/data/PETA"
        )
    return name, variant, Path(directory).expanduser()
