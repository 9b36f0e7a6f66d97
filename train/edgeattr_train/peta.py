"""PETA (Deng et al., ACM MM 2014) as its users share it: ``PETA.mat`` and ``images/``.

``PETA.mat`` holds 19,000 rows, 105 binary attributes, the 35 that the field evaluates, and five
random splits into 9,500 / 1,900 / 7,600 images. Images are named by their 1-based row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.errors import InputError, MissingDependency, UsageError
from edgeattr.schema import Attribute, AttributeSchema
from edgeattr_train.datasets import AttributeDataset

__all__ = ["PETA_LICENCE", "PETA_SCHEMA", "open_peta"]

PETA_LICENCE = "PETA: research use only, no commercial use (Deng et al., ACM MM 2014)"

_LABEL_COLUMN = 4  # data columns before the labels: row, person, subset, number in the subset
_PERSON_COLUMN = 1
_SPLIT_FIELDS = ("train", "val", "test")

_NAMES = (  # (name in PETA, readable name, group) in the order of PETA.mat
    ("personalLess30", "age_16_30", "age"),
    ("personalLess45", "age_31_45", "age"),
    ("personalLess60", "age_46_60", "age"),
    ("personalLarger60", "age_over_60", "age"),
    ("carryingBackpack", "backpack", "carrying"),
    ("carryingOther", "carrying_other", "carrying"),
    ("lowerBodyCasual", "casual_lower", "lower_body"),
    ("upperBodyCasual", "casual_upper", "upper_body"),
    ("lowerBodyFormal", "formal_lower", "lower_body"),
    ("upperBodyFormal", "formal_upper", "upper_body"),
    ("accessoryHat", "hat", "accessory"),
    ("upperBodyJacket", "jacket", "upper_body"),
    ("lowerBodyJeans", "jeans", "lower_body"),
    ("footwearLeatherShoes", "leather_shoes", "footwear"),
    ("upperBodyLogo", "logo", "upper_body"),
    ("hairLong", "long_hair", "hair"),
    ("personalMale", "male", "gender"),
    ("carryingMessengerBag", "messenger_bag", "carrying"),
    ("accessoryMuffler", "muffler", "accessory"),
    ("accessoryNothing", "no_accessory", "accessory"),
    ("carryingNothing", "carrying_nothing", "carrying"),
    ("upperBodyPlaid", "plaid", "upper_body"),
    ("carryingPlasticBags", "plastic_bag", "carrying"),
    ("footwearSandals", "sandals", "footwear"),
    ("footwearShoes", "shoes", "footwear"),
    ("lowerBodyShorts", "shorts", "lower_body"),
    ("upperBodyShortSleeve", "short_sleeves", "upper_body"),
    ("lowerBodyShortSkirt", "short_skirt", "lower_body"),
    ("footwearSneaker", "sneakers", "footwear"),
    ("upperBodyThinStripes", "stripes", "upper_body"),
    ("accessorySunglasses", "sunglasses", "accessory"),
    ("lowerBodyTrousers", "trousers", "lower_body"),
    ("upperBodyTshirt", "t_shirt", "upper_body"),
    ("upperBodyOther", "upper_other", "upper_body"),
    ("upperBodyVNeck", "v_neck", "upper_body"),
)

PETA_SCHEMA = AttributeSchema(
    tuple(
        Attribute(name=name, group=group, source=source, sensitive=group in ("age", "gender"))
        for source, name, group in _NAMES
    ),
    exclusive=(tuple(name for _, name, group in _NAMES if group == "age"),),
)


def open_peta(directory: Path, split: str, *, partition: int = 1) -> AttributeDataset:
    """Open one split of PETA.

    Args:
        directory: holds ``PETA.mat`` and ``images/NNNNN.png`` (or ``.jpg``).
        split: ``train``, ``val`` or ``test``.
        partition: which of the five random splits, from 1.

    Raises:
        UsageError: no such split.
        InputError: a file is missing or not what it should be.
    """
    if split not in _SPLIT_FIELDS:
        raise UsageError(f"PETA has no split {split!r}; it has {', '.join(_SPLIT_FIELDS)}")
    content = _read_mat(directory / "PETA.mat")
    rows = np.asarray(content["partition"][partition - 1][split], np.int64).ravel()
    data = content["data"]
    return AttributeDataset(
        name="peta",
        split=split,
        schema=PETA_SCHEMA,
        paths=_image_paths(directory / "images", rows),
        labels=data[rows - 1][:, content["columns"]].astype(np.uint8),
        ids=rows,
        persons=data[rows - 1, _PERSON_COLUMN].astype(np.int64),
        licence=PETA_LICENCE,
    )


def _read_mat(path: Path) -> dict[str, Any]:
    try:
        import scipy.io
    except ImportError as error:
        raise MissingDependency("scipy", extra="train", purpose="read PETA.mat") from error
    if not path.is_file():
        raise InputError(
            f"{path} is missing; --data peta:DIR wants a directory with PETA.mat and images/"
        )
    try:
        peta = scipy.io.loadmat(str(path))["peta"][0, 0]
        names = [str(entry[0]) for entry in peta["attribute"].ravel()]
        splits = [_partition(cell) for cell in peta["partion_attribute"].ravel()]
        data, selected = peta["data"], peta["selected_attribute"].ravel()
    except Exception as error:  # SciPy raises many kinds on damaged files
        raise InputError(f"{path} is not PETA's annotation file: {error}") from error
    columns = selected.astype(np.int64) - 1  # 1-based in the file
    known = tuple(names[int(column) - _LABEL_COLUMN] for column in columns)
    expected = tuple(attribute.source for attribute in PETA_SCHEMA.attributes)
    if known != expected:
        raise InputError(f"{path} selects other attributes than the 35 of the field: {known}")
    return {"data": data, "columns": columns, "partition": splits}


def _partition(cell: Any) -> dict[str, npt.NDArray[np.int64]]:
    record = cell[0, 0]
    return {field: np.asarray(record[field], np.int64).ravel() for field in _SPLIT_FIELDS}


def _image_paths(directory: Path, rows: npt.NDArray[np.int64]) -> tuple[Path, ...]:
    if not directory.is_dir():
        raise InputError(f"{directory} is missing; it should hold PETA's images, 00001.png, ...")
    present = {path.name for path in directory.iterdir()}
    paths, missing = [], []
    for row in rows:
        names = (f"{row:05d}.png", f"{row:05d}.jpg")
        name = next((name for name in names if name in present), None)
        if name is None:
            missing.append(names[0])
        else:
            paths.append(directory / name)
    if missing:
        raise InputError(
            f"{len(missing)} of {len(rows)} images are missing from {directory}: "
            f"{', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}"
        )
    return tuple(paths)
