"""RAP, both versions (Li et al., arXiv 1603.07054 and IEEE TIP 2019): shopping-mall cameras.

``RAP_annotation/RAP_annotation.mat`` tells which version it is; images lie in ``RAP_dataset/``.
Version 1: 41,585 images, the first 51 attributes, five splits into train and test. Version 2:
84,928 images, the 54 of ``selected_attribute``, five splits into train, val and test; the value 2
means that it cannot be told. The variants ``1`` to ``5`` choose the split.

Version 1 has no val split: a tenth of train's images is held out, whole tracklets (camera, clip and
target number in the file name) in the order of ``edgeattr_train.data.splits``, seed 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import InputError, UsageError
from edgeattr.core.schema import AttributeSchema
from edgeattr_train.data.annotations import Annotations, check_names, stable_ids
from edgeattr_train.data.mat import integers, read_mat, records, texts
from edgeattr_train.data.schemas import schema_from_names
from edgeattr_train.data.splits import check_rows, split_by_person

_ATTRIBUTES = (  # (name in version 1, in version 2, readable name, group); "": not in that one
    ("Female", "Femal", "female", "gender"),
    ("AgeLess16", "AgeLess16", "age_under_16", "age"),
    ("Age17-30", "Age17-30", "age_17_30", "age"),
    ("Age31-45", "Age31-45", "age_31_45", "age"),
    ("", "Age46-60", "age_46_60", "age"),
    ("BodyFat", "BodyFat", "body_fat", "body"),
    ("BodyNormal", "BodyNormal", "body_normal", "body"),
    ("BodyThin", "BodyThin", "body_thin", "body"),
    ("Customer", "Customer", "customer", "role"),
    ("Clerk", "", "clerk", "role"),
    ("", "Employee", "employee", "role"),
    ("hs-BaldHead", "hs-BaldHead", "bald", "hair"),
    ("hs-LongHair", "hs-LongHair", "long_hair", "hair"),
    ("hs-BlackHair", "hs-BlackHair", "black_hair", "hair"),
    ("hs-Hat", "hs-Hat", "hat", "accessory"),
    ("hs-Glasses", "hs-Glasses", "glasses", "accessory"),
    ("hs-Muffler", "", "muffler", "accessory"),
    ("ub-Shirt", "ub-Shirt", "shirt", "upper_body"),
    ("ub-Sweater", "ub-Sweater", "sweater", "upper_body"),
    ("ub-Vest", "ub-Vest", "vest", "upper_body"),
    ("ub-TShirt", "ub-TShirt", "t_shirt", "upper_body"),
    ("ub-Cotton", "ub-Cotton", "padded_coat", "upper_body"),
    ("ub-Jacket", "ub-Jacket", "jacket", "upper_body"),
    ("ub-SuitUp", "ub-SuitUp", "suit", "upper_body"),
    ("ub-Tight", "ub-Tight", "tight_upper", "upper_body"),
    ("ub-ShortSleeve", "ub-ShortSleeve", "short_sleeves", "upper_body"),
    ("", "ub-Others", "upper_other", "upper_body"),
    ("lb-LongTrousers", "lb-LongTrousers", "trousers", "lower_body"),
    ("lb-Skirt", "lb-Skirt", "skirt", "lower_body"),
    ("lb-ShortSkirt", "lb-ShortSkirt", "short_skirt", "lower_body"),
    ("lb-Dress", "lb-Dress", "dress", "lower_body"),
    ("lb-Jeans", "lb-Jeans", "jeans", "lower_body"),
    ("lb-TightTrousers", "lb-TightTrousers", "tight_trousers", "lower_body"),
    ("shoes-Leather", "shoes-Leather", "leather_shoes", "footwear"),
    ("shoes-Sport", "shoes-Sports", "sport_shoes", "footwear"),
    ("shoes-Boots", "shoes-Boots", "boots", "footwear"),
    ("shoes-Cloth", "shoes-Cloth", "cloth_shoes", "footwear"),
    ("shoes-Casual", "shoes-Casual", "casual_shoes", "footwear"),
    ("", "shoes-Other", "other_shoes", "footwear"),
    ("attach-Backpack", "attachment-Backpack", "backpack", "carrying"),
    ("attach-SingleShoulderBag", "attachment-ShoulderBag", "shoulder_bag", "carrying"),
    ("attach-HandBag", "attachment-HandBag", "handbag", "carrying"),
    ("attach-Box", "attachment-Box", "box", "carrying"),
    ("attach-PlasticBag", "attachment-PlasticBag", "plastic_bag", "carrying"),
    ("attach-PaperBag", "attachment-PaperBag", "paper_bag", "carrying"),
    ("attach-HandTrunk", "attachment-HandTrunk", "trunk", "carrying"),
    ("attach-Other", "attachment-Other", "carrying_other", "carrying"),
    ("action-Calling", "action-Calling", "calling", "action"),
    ("action-Talking", "action-Talking", "talking", "action"),
    ("action-Gathering", "action-Gathering", "gathering", "action"),
    ("action-Holding", "action-Holding", "holding", "action"),
    ("action-Pusing", "action-Pushing", "pushing", "action"),
    ("action-Pulling", "action-Pulling", "pulling", "action"),
    ("action-CarrybyArm", "action-CarryingByArm", "carrying_by_arm", "action"),
    ("action-CarrybyHand", "action-CarryingByHand", "carrying_by_hand", "action"),
    ("", "action-Other", "action_other", "action"),
)
RAP1_SCHEMA, RAP2_SCHEMA = (
    schema_from_names(
        ((row[version], *row[2:]) for row in _ATTRIBUTES if row[version]), exclusive=("age",)
    )
    for version in (0, 1)
)

RAP_LICENCE = "RAP: academic research only, under the signed agreement of its authors (Li et al.)"

_SPLITS = ("train", "val", "test")
_HELD_OUT = {"train": 0.9, "val": 0.1}  # shares of version 1's train images
_HELD_OUT_SEED = 0

_Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Table:
    """All of one version of RAP."""

    version: int
    schema: AttributeSchema
    names: list[str]  # N image files
    raw: npt.NDArray[Any]  # [N, C]
    persons: _Rows  # [N]
    splits: list[dict[str, _Rows]]  # 1-based rows


def open_rap(directory: Path, split: str, variant: str = "") -> Annotations:
    """One split of RAP.

    Args:
        directory: holds ``RAP_annotation/`` and ``RAP_dataset/``.
        split: ``train``, ``val`` or ``test``.
        variant: ``1`` (where none is named) to ``5``.

    Raises:
        UsageError: no such split or variant.
        InputError: the annotation is missing or not what it should be.
    """
    if split not in _SPLITS:
        raise UsageError(f"RAP has no split {split!r}; it has {', '.join(_SPLITS)}")
    nested = directory / "RAP_annotation" / "RAP_annotation.mat"
    flat = directory / "RAP_annotation.mat"
    table = _read_rap(flat if flat.is_file() else nested)
    known = [str(number + 1) for number in range(len(table.splits))]
    variant = variant or "1"
    if variant not in known:
        raise UsageError(f"RAP has no variant {variant!r}; it has {', '.join(known)}")
    parts = check_rows(table.splits[int(variant) - 1], len(table.names), directory)
    rows = parts[split]
    images = directory / "RAP_dataset"
    name = f"rap{table.version}"
    return Annotations(
        name=name if variant == "1" else f"{name}@{variant}",
        split=split,
        schema=table.schema,
        licence=RAP_LICENCE,
        root=directory,
        paths=tuple(images / table.names[row - 1] for row in rows),
        raw=table.raw[rows - 1],
        coding={1: 1, 0: 0} if table.version == 1 else {1: 1, 0: 0, 2: -1},
        ids=rows,
        persons=table.persons[rows - 1],
    )


def _read_rap(path: Path) -> _Table:
    content = read_mat(path, owner="RAP")
    try:
        annotation = content["RAP_annotation"][0, 0]
        read = _version_2 if "selected_attribute" in annotation.dtype.names else _version_1
        table = read(annotation, path)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not RAP's annotation file: {error!r}") from error
    if len(table.raw) != len(table.names):
        raise InputError(f"{path} names {len(table.names)} images and labels {len(table.raw)}")
    return table


def _version_1(annotation: Any, path: Path) -> _Table:
    count = len(RAP1_SCHEMA)
    check_names(texts(annotation["attribute_eng"])[:count], RAP1_SCHEMA, path)
    names = texts(annotation["imagesname"])
    persons = _tracklets(names)
    splits = []
    for record in records(annotation["partion"]):
        train = integers(record["train_index"])
        parts = split_by_person(persons[train - 1], _HELD_OUT, dataset="rap1", seed=_HELD_OUT_SEED)
        held = {name: train[positions] for name, positions in parts.items()}
        splits.append({**held, "test": integers(record["test_index"])})
    return _Table(
        version=1,
        schema=RAP1_SCHEMA,
        names=names,
        raw=np.asarray(annotation["label"])[:, :count],
        persons=persons,
        splits=splits,
    )


def _version_2(annotation: Any, path: Path) -> _Table:
    columns = integers(annotation["selected_attribute"]) - 1  # 1-based in the file
    attributes = texts(annotation["attribute"])
    check_names([attributes[column] for column in columns], RAP2_SCHEMA, path)
    names = texts(annotation["name"])
    persons = _tracklets(names)
    if "person_identity" in annotation.dtype.names:
        identity = integers(annotation["person_identity"])
        persons = np.where(identity > 0, identity, persons)  # -1: nobody said who it is
    return _Table(
        version=2,
        schema=RAP2_SCHEMA,
        names=names,
        raw=np.asarray(annotation["data"])[:, columns],
        persons=persons,
        splits=[
            {name: integers(record[f"{name}_index"]) for name in _SPLITS}
            for record in records(annotation["partition_attribute"])
        ],
    )


def _tracklets(names: Sequence[str]) -> _Rows:
    """A number for each tracklet: the name up to ``_frame``, as in CAM01_..._tarid0_frame218..."""
    return stable_ids(re.split(r"_frame\d+", name, maxsplit=1)[0] for name in names)
