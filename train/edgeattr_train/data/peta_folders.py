"""PETA's original form: ten folders of images, each with a ``Label.txt``.

``SUBSET/archive/`` holds images whose names begin with a person's number, up to the first ``_`` or
the suffix, and ``Label.txt`` with one line per person: the number, then the names of its
attributes. The rows of ``PETA.mat`` are these images: subsets in alphabetical order, file names
sorted in each. Its persons are numbered through all subsets by subset, then by number.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import InputError

SUBSETS = (
    "3DPeS", "CAVIAR4REID", "CUHK", "GRID", "i-LID", "MIT", "PRID", "SARC3D", "TownCentre", "VIPeR",
)  # fmt: skip
IMAGES = "PETA dataset/<3DPeS|...|VIPeR>/archive/"

_TOTAL = 19_000  # images of the complete download
_SUFFIXES = {".bmp", ".png", ".jpg", ".jpeg"}
_LOG = logging.getLogger("edgeattr.train")


@dataclass(frozen=True)
class FolderImage:
    """One image file."""

    subset: int  # 1 to 10, as in PETA.mat
    number: int  # of the person, in the subset
    path: Path


@dataclass(frozen=True, eq=False)
class Folders:
    """The ten folders."""

    root: Path  # directory of the subsets
    images: tuple[FolderImage, ...]  # in the order of PETA.mat's rows

    def persons(self) -> npt.NDArray[np.int64]:
        """Numbers of the persons through all subsets from 1, [N]: PETA.mat's where all is there."""
        if len(self.images) != _TOTAL:
            _LOG.warning(
                "%s has %d of PETA's %d images and no PETA.mat: numbers and splits hold for these",
                self.root, len(self.images), _TOTAL,
            )  # fmt: skip
        keys = np.array([(image.subset, image.number) for image in self.images], np.int64)
        _, inverse = np.unique(keys, axis=0, return_inverse=True)
        return inverse.ravel().astype(np.int64) + 1


def find_folders(directory: Path) -> Folders | None:
    """The ten folders in ``directory`` or in ``directory/PETA dataset``; None where none is.

    Raises:
        InputError: some are there and others not, or a file's name begins with no number.
    """
    for root in (directory, directory / "PETA dataset"):
        present = [name for name in SUBSETS if (root / name / "archive").is_dir()]
        if not present:
            continue
        absent = [name for name in SUBSETS if name not in present]
        if absent:
            raise InputError(f"{root} lacks the folders {', '.join(absent)} of PETA's ten")
        images = [image for name in SUBSETS for image in _images(root, name)]
        return Folders(root, tuple(images))
    return None


def paths_of_rows(
    folders: Folders, subsets: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64]
) -> tuple[Path, ...]:
    """The file of each row of PETA.mat, by the person and the place among that person's files.

    Args:
        folders: the ten folders, complete or not.
        subsets: column 3 of PETA.mat's data, [N], 1 to 10.
        numbers: its column 4, [N], the person's number in the subset.

    Returns:
        N paths. Where a person has not as many files as rows, nothing tells which row is which:
        such rows get the path of a file that does not exist.
    """
    files: dict[tuple[int, int], list[Path]] = defaultdict(list)
    for image in folders.images:
        files[image.subset, image.number].append(image.path)
    keys = [(int(subset), int(number)) for subset, number in zip(subsets, numbers, strict=True)]
    rows: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        rows[key].append(row)
    paths = [Path()] * len(keys)
    for key, places in rows.items():
        found = files[key]
        if len(found) != len(places):
            found = [_absent(folders.root, *key, place) for place in range(len(places))]
        for row, path in zip(places, found, strict=True):
            paths[row] = path
    return tuple(paths)


def has_label(folders: Folders, sources: Sequence[str]) -> npt.NDArray[np.int64]:
    """Labels out of the ten ``Label.txt``.

    Args:
        folders: the ten folders.
        sources: attributes as PETA spells them, C.

    Returns:
        [N, C], 1 where the image's person has the attribute, else 0.

    Raises:
        InputError: a ``Label.txt`` is missing or damaged, or has no line for an image's person.
    """
    labels = {
        (subset, number): line
        for subset, name in enumerate(SUBSETS, 1)
        for number, line in _label_lines(folders.root / name / "archive" / "Label.txt").items()
    }
    lost = [image for image in folders.images if (image.subset, image.number) not in labels]
    if lost:
        raise InputError(
            f"{len(lost)} of {len(folders.images)} images have no line in their Label.txt: "
            f"{', '.join(str(image.path) for image in lost[:5])}{', ...' if lost[5:] else ''}"
        )
    return np.array(
        [
            [source in labels[image.subset, image.number] for source in sources]
            for image in folders.images
        ],
        np.int64,
    )


def _images(root: Path, name: str) -> list[FolderImage]:
    folder, subset = root / name / "archive", SUBSETS.index(name) + 1
    found = sorted(
        (path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES),
        key=lambda path: path.name,
    )
    return [FolderImage(subset, _number(path.name, path), path) for path in found]


def _number(text: str, path: Path) -> int:
    """The person's number at the beginning of ``text``: of ``100_3.bmp`` 100, of ``0002.png`` 2."""
    match = re.match(r"(\d+)(?:_|\.|$)", text)
    if match is None:
        raise InputError(f"{path}: {text!r} does not begin with a person's number, as in 100_3.bmp")
    return int(match[1])


def _label_lines(path: Path) -> dict[int, frozenset[str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    words = [line.split() for line in lines if line.strip()]
    return {_number(line[0], path): frozenset(line[1:]) for line in words}


def _absent(root: Path, subset: int, number: int, place: int) -> Path:
    name = SUBSETS[subset - 1] if 1 <= subset <= len(SUBSETS) else str(subset)
    return root / name / "archive" / f"{number}_({place + 1})"
