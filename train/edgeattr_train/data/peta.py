"""PETA (Deng et al., ACM MM 2014), in both forms that are shared.

``PETA.mat`` holds 19,000 rows, 105 binary attributes, the 35 that the field evaluates, and five
random splits into 9,500 / 1,900 / 7,600 images. Beside it lie either ``images/`` with one file per
1-based row, or the original ten folders (see :mod:`edgeattr_train.data.peta_folders`), whose labels
are enough for the split by person.

Variants: ``1`` to ``5``, the random splits (``1`` where none is named); ``identity``, in which no
person is in two parts; ``wide``, the first random split with colours and all else that at least
0.3 % of the images show, 87 attributes. In the random splits more than half of the test images
show a person who is also in train; ``val_unseen`` is what is left of val without such persons.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import InputError, UsageError
from edgeattr.core.schema import AttributeSchema
from edgeattr_train.data.annotations import Annotations, check_names
from edgeattr_train.data.mat import integers, read_mat, records, texts
from edgeattr_train.data.peta_folders import (
    IMAGES,
    SUBSETS,
    Folders,
    find_folders,
    has_label,
    paths_of_rows,
)
from edgeattr_train.data.peta_schema import PETA_SCHEMA, PETA_WIDE_SCHEMA
from edgeattr_train.data.splits import check_rows, split_by_person

PETA_LICENCE = "PETA: research use only, no commercial use (Deng et al., ACM MM 2014)"

_LABEL_COLUMN = 4  # data columns before the labels: row, person, subset, number in the subset
_PERSON_COLUMN, _SUBSET_COLUMN, _NUMBER_COLUMN = 1, 2, 3
_SHARES = {"train": 0.5, "val": 0.1, "test": 0.4}  # as in the random splits
_SPLITS = (*_SHARES, "val_unseen")

_Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Table:
    """All of PETA, row by row."""

    paths: tuple[Path, ...]  # N image files, or where they should be
    labels: npt.NDArray[Any]  # [N, C]
    persons: _Rows  # [N]
    subsets: _Rows  # [N], 1 to 10, as SUBSETS
    random: list[dict[str, _Rows]]  # the random splits, 1-based rows; empty without PETA.mat


def open_peta(directory: Path, split: str, variant: str = "") -> Annotations:
    """One split of PETA.

    Args:
        directory: holds ``PETA.mat`` and ``images/NNNNN.png`` (or ``.jpg``), or the ten folders,
            with or without ``PETA.mat``.
        split: ``train``, ``val``, ``test`` or ``val_unseen``.
        variant: ``1`` to ``5``, a random split; ``identity``; ``wide``.

    Raises:
        UsageError: no such split or variant.
        InputError: a file is missing or not what it should be.
    """
    if split not in _SPLITS:
        raise UsageError(f"PETA has no split {split!r}; it has {', '.join(_SPLITS)}")
    schema = PETA_WIDE_SCHEMA if variant == "wide" else PETA_SCHEMA
    table = _table(directory, schema)
    variant = variant or "1"
    rows = _rows(table, split, variant, directory)
    return Annotations(
        name="peta" if variant == "1" else f"peta@{variant}",
        split=split,
        schema=schema,
        licence=PETA_LICENCE,
        root=directory,
        paths=tuple(table.paths[row - 1] for row in rows),
        raw=table.labels[rows - 1],
        coding={1: 1, 0: 0},
        ids=rows,
        persons=table.persons[rows - 1],
    )


def source_sets(directory: Path, ids: _Rows) -> list[str]:
    """Which of the ten data sets that PETA is made of images come from.

    Args:
        directory: as of :func:`open_peta`.
        ids: of images, as :func:`open_peta` gives them.

    Raises:
        InputError: a file is missing or not what it should be.
    """
    subsets = _table(directory, PETA_SCHEMA).subsets[ids - 1]
    unknown = sorted(set(subsets.tolist()) - set(range(1, len(SUBSETS) + 1)))
    if unknown:
        raise InputError(
            f"{directory}/PETA.mat has images of subset {unknown[0]}; expected 1 to {len(SUBSETS)}"
        )
    return [SUBSETS[subset - 1] for subset in subsets]


def _rows(table: _Table, split: str, variant: str, directory: Path) -> _Rows:
    if variant == "identity":
        dealt = split_by_person(table.persons, _SHARES, dataset="peta")
        parts = {name: positions + 1 for name, positions in dealt.items()}
    else:
        parts = _random_split(table, variant, directory)
    if split != "val_unseen":
        return parts[split]
    seen = np.unique(table.persons[parts["train"] - 1])
    return parts["val"][~np.isin(table.persons[parts["val"] - 1], seen)]


def _random_split(table: _Table, variant: str, directory: Path) -> dict[str, _Rows]:
    variant = "1" if variant == "wide" else variant
    known = [str(number + 1) for number in range(len(table.random) or 5)]
    if variant not in known:
        raise UsageError(
            f"PETA has no variant {variant!r}; it has {', '.join(known)}, identity, wide"
        )
    if not table.random:
        raise InputError(
            f"{directory} has no PETA.mat, which alone holds PETA's random splits: put it there, "
            f"or take the split by person, --data peta@identity:{directory}"
        )
    return dict(
        check_rows(table.random[int(variant) - 1], len(table.paths), directory / "PETA.mat")
    )


def _table(directory: Path, schema: AttributeSchema) -> _Table:
    flat, folders = directory / "images", None
    if not flat.is_dir():
        folders = find_folders(directory)
    mat = next((p for p in _mat_places(directory, folders) if p.is_file()), None)
    if mat is None and folders is not None:
        return _table_of_folders(folders, schema)
    data, columns, random = _read_peta(mat or directory / "PETA.mat", schema)
    if folders is not None:
        paths = paths_of_rows(folders, data[:, _SUBSET_COLUMN], data[:, _NUMBER_COLUMN])
    else:
        paths = _flat_paths(flat, len(data))
    return _Table(
        paths=paths,
        labels=data[:, columns],
        persons=data[:, _PERSON_COLUMN],
        subsets=data[:, _SUBSET_COLUMN],
        random=random,
    )


def _mat_places(directory: Path, folders: Folders | None) -> list[Path]:
    places = [directory] if folders is None else [directory, folders.root]
    return [place / "PETA.mat" for place in places]


def _read_peta(path: Path, schema: AttributeSchema) -> tuple[_Rows, _Rows, list[dict[str, _Rows]]]:
    """The rows, the columns of the schema's attributes, and the random splits."""
    content = read_mat(path, owner="PETA")
    try:
        peta = content["peta"][0, 0]
        names = texts(peta["attribute"])
        splits = [
            {field: integers(record[field]) for field in _SHARES}
            for record in records(peta["partion_attribute"])
        ]
        columns = integers(peta["selected_attribute"]) - 1  # 1-based in the file
        data = np.asarray(peta["data"], np.int64)
        known = [names[int(column) - _LABEL_COLUMN] for column in columns]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not PETA's annotation file: {error!r}") from error
    check_names(known, PETA_SCHEMA, path)
    wanted = [attribute.source for attribute in schema.attributes]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise InputError(f"{path} has no labels of {', '.join(missing[:5])}")
    places = [names.index(name) + _LABEL_COLUMN for name in wanted]
    return data, np.array(places, np.int64), splits


def _flat_paths(directory: Path, count: int) -> tuple[Path, ...]:
    if not directory.is_dir():
        raise InputError(
            f"{directory} is missing: beside PETA.mat, PETA's images lie in images/ as 00001.png, "
            f"... or in the ten original folders, {IMAGES}"
        )
    present = {path.name for path in directory.iterdir()}
    paths = []
    for row in range(1, count + 1):
        names = f"{row:05d}.png", f"{row:05d}.jpg"
        paths.append(directory / next((name for name in names if name in present), names[0]))
    return tuple(paths)


def _table_of_folders(folders: Folders, schema: AttributeSchema) -> _Table:
    sources = [attribute.source for attribute in schema.attributes]
    return _Table(
        paths=tuple(image.path for image in folders.images),
        labels=has_label(folders, sources),
        persons=folders.persons(),
        subsets=np.array([image.subset for image in folders.images], np.int64),
        random=[],
    )
