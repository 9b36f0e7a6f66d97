"""Market-1501 with the attributes of Lin et al. (arXiv 1703.07220), annotated per person.

``attribute/market_attribute.mat`` has train and test, each with one vector per attribute over the
identities in ``image_index``: 1 and 2 for the two values (2 is yes), age 1 to 4. Images are
``bounding_box_train/0002_c1s1_000451_03.jpg`` and ``bounding_box_test/``; persons that are not
annotated there (0000 and -1: distractors and junk) are left out.

There is no val split: a tenth of train's persons is held out, in the order of
``edgeattr_train.data.splits``, seed 0.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import InputError, UsageError
from edgeattr_train.data.annotations import Annotations, stable_ids
from edgeattr_train.data.mat import integers, read_mat, texts
from edgeattr_train.data.schemas import schema_from_names
from edgeattr_train.data.splits import split_by_person

MARKET_LICENCE = "Market-1501: no licence stated, published for research (Zheng et al., ICCV 2015)"

_YES, _NO = 2, 1
_AGES = {1: "young", 2: "teenager", 3: "adult", 4: "old"}
_UPPER = ("black", "white", "red", "purple", "yellow", "gray", "blue", "green")
_LOWER = ("black", "white", "pink", "purple", "yellow", "gray", "blue", "green", "brown")

MARKET_SCHEMA = schema_from_names(
    (
        ("gender", "female", "gender"),
        ("hair", "long_hair", "hair"),
        ("up", "short_sleeves", "upper_body"),
        ("down", "short_lower", "lower_body"),
        ("clothes", "trousers", "lower_body"),  # against a dress
        ("hat", "hat", "accessory"),
        ("backpack", "backpack", "carrying"),
        ("bag", "bag", "carrying"),
        ("handbag", "handbag", "carrying"),
        *((f"age={value}", f"age_{name}", "age") for value, name in _AGES.items()),
        *((f"up{colour}", f"upper_{colour}", "upper_colour") for colour in _UPPER),
        *((f"down{colour}", f"lower_{colour}", "lower_colour") for colour in _LOWER),
    ),
    exclusive=("age", "upper_colour", "lower_colour"),
)

_SPLITS = ("train", "val", "test")
_HELD_OUT = {"train": 0.9, "val": 0.1}  # shares of train's persons
_HELD_OUT_SEED = 0


def open_market(directory: Path, split: str) -> Annotations:
    """One split of Market-1501.

    Args:
        directory: holds ``attribute/``, ``bounding_box_train/`` and ``bounding_box_test/``.
        split: ``train``, ``val`` (held out of train) or ``test``.

    Raises:
        UsageError: no such split.
        InputError: the annotation is missing or not what it should be.
    """
    if split not in _SPLITS:
        raise UsageError(f"Market-1501 has no split {split!r}; it has {', '.join(_SPLITS)}")
    part = "test" if split == "test" else "train"
    identities, raw = _read_market(directory, part)
    if split != "test":
        parts = split_by_person(identities, _HELD_OUT, dataset="market", seed=_HELD_OUT_SEED)
        identities, raw = identities[parts[split]], raw[parts[split]]
    paths, positions = _images(directory / f"bounding_box_{part}", identities)
    return Annotations(
        name="market",
        split=split,
        schema=MARKET_SCHEMA,
        licence=MARKET_LICENCE,
        root=directory,
        paths=tuple(paths),
        raw=raw[positions],
        coding={_YES: 1, _NO: 0},
        ids=stable_ids(path.name for path in paths),
        persons=identities[positions],
    )


def _read_market(directory: Path, part: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Identities [M] and their labels [M, C], 1 no, 2 yes."""
    flat = directory / "market_attribute.mat"
    path = flat if flat.is_file() else directory / "attribute" / flat.name
    content = read_mat(path, owner="the Market-1501 attributes")
    try:
        fields = content["market_attribute"][0, 0][part].ravel()[0]
        identities = np.array([int(text) for text in texts(fields["image_index"])], np.int64)
        columns = [_column(fields, attribute.source) for attribute in MARKET_SCHEMA.attributes]
        return identities, np.stack(columns, 1).reshape(len(identities), len(columns))
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not Market-1501's attribute file: {error!r}") from error


def _column(fields: Any, source: str) -> npt.NDArray[np.int64]:
    """One attribute over the identities: 1 no, 2 yes, and what is neither as it is."""
    field, _, wanted = source.partition("=")
    values = integers(fields[field])
    if not wanted:
        return values
    named = np.where(values == int(wanted), _YES, _NO)
    return np.where(np.isin(values, list(_AGES)), named, values)


def _images(
    folder: Path, identities: npt.NDArray[np.int64]
) -> tuple[list[Path], npt.NDArray[np.int64]]:
    """The files of some persons, and for each the position of its person in ``identities``."""
    if not folder.is_dir():
        raise InputError(f"{folder} is missing; it should hold images as 0002_c1s1_000451_03.jpg")
    files: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.glob("*.jpg")):
        files[path.name.partition("_")[0]].append(path)
    paths, positions = [], []
    for position, identity in enumerate(identities):
        name = f"{identity:04d}"
        found = files.get(name) or [folder / f"{name}_*.jpg"]  # named as missing
        paths += found
        positions += [position] * len(found)
    return paths, np.array(positions, np.int64)
