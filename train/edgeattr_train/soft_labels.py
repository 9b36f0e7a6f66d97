"""Soft labels: what other models said of pictures, read from a file before the training.

The file is NumPy's ``.npz`` with ``names`` [C], ``paths`` [N] (relative to the file), ``boxes``
[N, 4] (x, y, w, h in pixels; a width of 0: the whole picture) and ``probabilities`` [N, C], 0..1.
Pictures of the training data get soft labels beside their own; all others are learnt from soft
labels alone. A picture of which nothing is said (all NaN) shows nobody: no part of a body is in
it. ``train/soft_labels.py`` makes such a file.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import InputError
from edgeattr.core.schema import AttributeSchema
from edgeattr_train.data.annotations import AttributeDataset, stable_ids

_Crop: TypeAlias = tuple[Path, tuple[int, ...]]  # a picture file and a box
_KEYS = ("names", "paths", "boxes", "probabilities")


@dataclass(frozen=True, eq=False, kw_only=True)
class SoftLabels:
    """Pictures and what other models said of them."""

    paths: tuple[Path, ...]  # N picture files, absolute
    boxes: npt.NDArray[np.int32]  # [N, 4]; a width of 0: the whole picture
    probabilities: npt.NDArray[np.float32]  # [N, C] of the schema; NaN: nothing was said

    @classmethod
    def read(cls, path: Path, schema: AttributeSchema) -> SoftLabels:
        """Read a file; attributes that the schema lacks are passed over.

        Raises:
            InputError: the file is missing, damaged or names no attribute of the schema.
        """
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                names, files, boxes, found = (stored[key] for key in _KEYS)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path}: no soft labels: {error}; expected an .npz with {', '.join(_KEYS)}"
            ) from error
        places = {str(name): place for place, name in enumerate(names)}
        if found.shape != (len(files), len(names)) or boxes.shape != (len(files), 4):
            raise InputError(
                f"{path}: {len(files)} paths, {len(names)} names, boxes {boxes.shape} and "
                f"probabilities {found.shape} do not fit together"
            )
        columns = [places.get(name, -1) for name in schema.names]
        if max(columns) < 0:
            raise InputError(f"{path} names none of the attributes to learn")
        probabilities = np.full((len(files), len(columns)), np.nan, np.float32)
        for column, place in enumerate(columns):
            if place >= 0:
                probabilities[:, column] = found[:, place]
        if ((probabilities < 0) | (probabilities > 1)).any():
            raise InputError(f"{path}: probabilities outside of 0..1")
        root = path.resolve().parent
        return cls(
            paths=tuple((root / str(file)).resolve() for file in files),
            boxes=boxes.astype(np.int32),
            probabilities=probabilities,
        )

    def extend(self, data: AttributeDataset) -> AttributeDataset:
        """The labelled data followed by the pictures that are not among it, without labels."""
        known = set(_crops(data))
        new = [place for place, crop in enumerate(self._crops()) if crop not in known]
        if not new:
            return data
        ids = stable_ids(f"{self.paths[place]} {self.boxes[place]}" for place in new)
        unknown = np.full((len(new), len(data.schema)), -1, data.labels.dtype)
        whole = np.zeros((len(data), 4), np.int32)
        return replace(
            data,
            paths=(*data.paths, *(self.paths[place] for place in new)),
            labels=np.concatenate([data.labels, unknown]),
            ids=np.concatenate([data.ids, ids]),
            persons=np.concatenate([data.persons, ids]),
            boxes=np.concatenate([whole if data.boxes is None else data.boxes, self.boxes[new]]),
        )

    def of(self, data: AttributeDataset) -> npt.NDArray[np.float32]:
        """What was said of each sample of a data set, [N, C]; NaN where nothing was.

        Raises:
            InputError: nothing was said of any of them.
        """
        places = {crop: place for place, crop in enumerate(self._crops())}
        rows = [places.get(crop, -1) for crop in _crops(data)]
        if max(rows) < 0:
            raise InputError("the soft labels are of none of the training pictures")
        found = np.append(self.probabilities, np.full((1, len(data.schema)), np.nan), axis=0)
        chosen: npt.NDArray[np.float32] = found[rows].astype(np.float32)
        return chosen

    def _crops(self) -> list[_Crop]:
        boxes = map(tuple, self.boxes.tolist())
        return list(zip(self.paths, boxes, strict=True))


def _crops(data: AttributeDataset) -> list[_Crop]:
    boxes = np.zeros((len(data), 4), int) if data.boxes is None else data.boxes
    paths = (path.resolve() for path in data.paths)
    return list(zip(paths, map(tuple, boxes.tolist()), strict=True))
