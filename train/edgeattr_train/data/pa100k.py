"""PA-100K (Liu et al., ICCV 2017): 100,000 pedestrians, 26 attributes.

In the published annotation the names UpperPlaid and UpperSplice are exchanged, as the pictures
show; here each has its own. A folder with ``labels.csv`` (``path`` and the 26 names, each with its
own meaning) beside ``images/`` is read as well: it has one split, under the names val and test.

``annotation.mat`` names the images of train (80,000), val (10,000) and test (10,000) and their 0/1
labels; the images lie in ``data/`` or ``release_data/``, in some downloads nested twice. The data
set's authors kept each tracklet within one split; who is who is not published.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import InputError, UsageError
from edgeattr_train.data.annotations import Annotations, check_names, stable_ids
from edgeattr_train.data.mat import read_mat, texts
from edgeattr_train.data.schemas import schema_from_names

PA100K_LICENCE = "PA-100K: no licence stated, published for research (Liu et al., ICCV 2017)"

PA100K_SCHEMA = schema_from_names(
    (
        ("Female", "female", "gender"),
        ("AgeOver60", "age_over_60", "age"),
        ("Age18-60", "age_18_60", "age"),
        ("AgeLess18", "age_under_18", "age"),
        ("Front", "seen_from_front", "view"),
        ("Side", "seen_from_side", "view"),
        ("Back", "seen_from_back", "view"),
        ("Hat", "hat", "accessory"),
        ("Glasses", "glasses", "accessory"),
        ("HandBag", "handbag", "carrying"),
        ("ShoulderBag", "shoulder_bag", "carrying"),
        ("Backpack", "backpack", "carrying"),
        ("HoldObjectsInFront", "holding_in_front", "carrying"),
        ("ShortSleeve", "short_sleeves", "upper_body"),
        ("LongSleeve", "long_sleeves", "upper_body"),
        ("UpperStride", "upper_stripes", "upper_body"),
        ("UpperLogo", "logo", "upper_body"),
        ("UpperPlaid", "upper_spliced", "upper_body"),  # the public annotation has these two
        ("UpperSplice", "plaid", "upper_body"),  # names exchanged, as its pictures show
        ("LowerStripe", "lower_stripes", "lower_body"),
        ("LowerPattern", "lower_pattern", "lower_body"),
        ("LongCoat", "long_coat", "upper_body"),
        ("Trousers", "trousers", "lower_body"),
        ("Shorts", "shorts", "lower_body"),
        ("Skirt&Dress", "skirt_or_dress", "lower_body"),
        ("boots", "boots", "footwear"),
    ),
    exclusive=("age", "view"),
)

_SPLITS = ("train", "val", "test")
_TABLE = "labels.csv"
_FOLDERS = (
    "data",
    "release_data",
    "release_data/release_data",
    "data/release_data",
    "data/release_data/release_data",
    "images",
)


def open_pa100k(directory: Path, split: str) -> Annotations:
    """One split of PA-100K.

    Args:
        directory: holds ``annotation.mat`` (itself or in ``annotation/``) and the images' folder.
        split: ``train``, ``val`` or ``test``.

    Raises:
        UsageError: no such split.
        InputError: the annotation is missing or not what it should be.
    """
    if split not in _SPLITS:
        raise UsageError(f"PA-100K has no split {split!r}; it has {', '.join(_SPLITS)}")
    if (directory / _TABLE).is_file():
        return _annotations_of_table(directory, split)
    nested = directory / "annotation" / "annotation.mat"
    path = nested if nested.is_file() else directory / "annotation.mat"
    content = read_mat(path, owner="PA-100K")
    try:
        names, raw = texts(content[f"{split}_images_name"]), np.asarray(content[f"{split}_label"])
        attributes = texts(content["attributes"])
    except KeyError as error:
        raise InputError(f"{path} is not PA-100K's annotation file: it lacks {error}") from error
    check_names(attributes, PA100K_SCHEMA, path)
    if not names or raw.shape != (len(names), len(PA100K_SCHEMA)):
        raise InputError(f"{path} has {len(names)} images of {split!r} and labels {raw.shape}")
    images = _image_folder(directory, names[0])
    return _annotated(directory, images, split, names, raw)


def _annotations_of_table(directory: Path, split: str) -> Annotations:
    """A folder of pictures with ``labels.csv``, which is for measuring."""
    if split == "train":
        raise UsageError(f"{directory / _TABLE} is for measuring: it has val and test, no train")
    with open(directory / _TABLE, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    own = {"UpperPlaid": "UpperSplice", "UpperSplice": "UpperPlaid"}  # not exchanged there
    columns = [own.get(a.source, a.source) for a in PA100K_SCHEMA.attributes]
    try:
        raw = np.array([[int(row[name]) for name in columns] for row in rows])
        names = [row["path"] for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{directory / _TABLE} is not PA-100K's table: {error!r}") from error
    return _annotated(directory, directory, split, names, raw)


def _annotated(
    root: Path, images: Path, split: str, names: list[str], raw: npt.NDArray[Any]
) -> Annotations:
    """Annotations of pictures in a folder; nobody is known to be in two of them."""
    ids = stable_ids(names)
    return Annotations(
        name="pa100k",
        split=split,
        schema=PA100K_SCHEMA,
        licence=PA100K_LICENCE,
        root=root,
        paths=tuple(images / name for name in names),
        raw=raw,
        coding={1: 1, 0: 0},
        ids=ids,
        persons=ids,
    )


def _image_folder(directory: Path, name: str) -> Path:
    places = [directory / folder for folder in _FOLDERS]
    return next((place for place in places if (place / name).is_file()), places[0])
