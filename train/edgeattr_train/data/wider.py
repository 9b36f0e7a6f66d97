"""WIDER-Attribute (Li et al., ECCV 2016): people in photographs, 14 attributes, JSON boxes.

``wider_attribute_{trainval,test}.json`` (some copies have ``train`` and ``val``) lie in the
directory, in ``wider_attribute_annotation/`` or in ``Annotations/``; the photographs under
``Image/``. An attribute is 1 for yes, -1 for no and 0 where it cannot be told.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeattr.core.errors import InputError, UsageError
from edgeattr_train.data.annotations import Annotations, check_names, stable_ids
from edgeattr_train.data.schemas import schema_from_names

WIDER_LICENCE = "WIDER-Attribute: non-commercial research only (Li et al., ECCV 2016)"

WIDER_SCHEMA = schema_from_names(
    (
        ("Male", "male", "gender"),
        ("longHair", "long_hair", "hair"),
        ("sunglass", "sunglasses", "accessory"),
        ("Hat", "hat", "accessory"),
        ("Tshirt", "t_shirt", "upper_body"),
        ("longSleeve", "long_sleeves", "upper_body"),
        ("formal", "formal", "upper_body"),
        ("shorts", "shorts", "lower_body"),
        ("jeans", "jeans", "lower_body"),
        ("longPants", "trousers", "lower_body"),
        ("skirt", "skirt", "lower_body"),
        ("faceMask", "face_mask", "accessory"),
        ("logo", "logo", "upper_body"),
        ("stripe", "stripes", "upper_body"),
    )
)

_FILES = {  # split -> annotation files, the first that exists
    "train": ("train", "trainval"),
    "val": ("val", "trainval"),
    "trainval": ("trainval",),  # what published figures train on
    "test": ("test",),
}
_FOLDERS = ("", "wider_attribute_annotation", "Annotations", "Anno")
_IMAGES = ("Image", "wider_attribute_image/Image", "wider_attribute_image", "")
_SPELLINGS = {"Tshiirt": "Tshirt"}  # the published file's slip


def open_wider(directory: Path, split: str) -> Annotations:
    """One split of WIDER-Attribute.

    Args:
        directory: holds the annotation files and ``Image/``.
        split: ``train``, ``val``, ``trainval`` or ``test``.

    Raises:
        UsageError: no such split.
        InputError: the annotation is missing or not what it should be.
    """
    if split not in _FILES:
        raise UsageError(f"WIDER-Attribute has no split {split!r}; it has {', '.join(_FILES)}")
    path = _annotation_file(directory, split)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        _check_attributes(content["attribute_id_map"], path)
        targets = _targets(content, split)
        boxes = np.array([_box(target["bbox"]) for _, _, target in targets], np.int32)
        raw = np.array([target["attribute"] for _, _, target in targets], np.int64)
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not WIDER-Attribute's annotation: {error!r}") from error
    if raw.shape[1:] != (len(WIDER_SCHEMA),):
        raise InputError(f"{path} has no people of {split!r} with {len(WIDER_SCHEMA)} attributes")
    images = _image_folder(directory, targets[0][0])
    ids = stable_ids(f"{name}#{place}" for name, place, _ in targets)
    return Annotations(
        name="wider",
        split=split,
        schema=WIDER_SCHEMA,
        licence=WIDER_LICENCE,
        root=directory,
        paths=tuple(images / name for name, _, _ in targets),
        raw=raw,
        coding={1: 1, -1: 0, 0: -1},
        ids=ids,
        persons=ids,  # nobody is in two photographs, as far as is known
        boxes=boxes,
    )


def _annotation_file(directory: Path, split: str) -> Path:
    names = [f"wider_attribute_{part}.json" for part in _FILES[split]]
    for folder in _FOLDERS:
        for name in names:
            if (directory / folder / name).is_file():
                return directory / folder / name
    raise InputError(
        f"{directory} is missing {' or '.join(names)}, itself or in one of "
        f"{', '.join(filter(None, _FOLDERS))}: unpack WIDER-Attribute's annotation there"
    )


def _check_attributes(names: Mapping[str, str], path: Path) -> None:
    found = [names[key] for key in sorted(names, key=int)]
    check_names([_SPELLINGS.get(name, name) for name in found], WIDER_SCHEMA, path)


def _targets(content: Mapping[str, Any], split: str) -> list[tuple[str, int, Any]]:
    """(image file, place in that image, annotation) of every person in a split."""
    parts = ("train", "val") if split == "trainval" else (split,)
    return [
        (image["file_name"], place, target)
        for image in content["images"]
        if image["file_name"].partition("/")[0] in parts
        for place, target in enumerate(image["targets"])
    ]


def _box(values: list[float]) -> tuple[int, int, int, int]:
    """Whole pixels that cover a box x, y, width, height."""
    x, y, width, height = values
    left, top = math.floor(x), math.floor(y)
    return left, top, math.ceil(x + width) - left, math.ceil(y + height) - top


def _image_folder(directory: Path, name: str) -> Path:
    places = [directory / folder for folder in _IMAGES]
    return next((place for place in places if (place / name).is_file()), places[0])
