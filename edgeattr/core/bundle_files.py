"""What bundles of every task share: variants with checksums, golden inputs, atomic writing, zips.

``bundle.json`` names every other file. Names carry the start of the content's SHA-256, so a new
version never overwrites a file that the old ``bundle.json`` names: a killed run changes nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle_format import CURRENT, BundleFormat, Variant, check_format
from edgeattr.core.bundle_reading import (
    DAMAGE,
    INDEX,
    read_arrays,
    read_index,
    read_member,
    with_digest,
)
from edgeattr.core.errors import BundleError
from edgeattr.core.files import add_to_zip, atomic_path, sha256_of, write_atomically

_USE = {  # task -> how a bundle of it is given
    "attributes": "; give it as --model",
    "person-detection": "; give it as --detector",
}
_log = logging.getLogger("edgeattr.core.bundle")
_Self = TypeVar("_Self", bound="BundleFiles")


@dataclass(frozen=True, eq=False)
class GoldenArrays:
    """Reference inputs and answers: each field is an array of the golden file."""

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What the file holds, by name."""
        return {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}

    @property
    def sha256(self) -> str:
        """Of the arrays' content, whatever compressed them."""
        digest = hashlib.sha256()
        for array in self.arrays.values():
            digest.update(array.tobytes())
        return digest.hexdigest()

    @property
    def file(self) -> str:
        """Its name inside the bundle."""
        return f"golden-{self.sha256[:8]}.npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class BundleFiles(ABC):
    """A model's files, whatever its task. Immutable; ``with_variant`` returns a new one."""

    task: ClassVar[str]  # what ``bundle.json`` has under ``task``
    own_sections: ClassVar[Set[str]]  # of ``bundle.json``; others are kept in ``later``

    name: str
    training: Mapping[str, Any]  # data set, split, licence of the data, recipe, scores
    variants: Mapping[str, Variant]
    golden: GoldenArrays
    path: Path | None = None  # where it was read from: a directory or a zip
    format: BundleFormat = CURRENT  # the lowest that has all that is in it
    later: Mapping[str, Any] = field(default_factory=dict)  # sections that a newer edgeattr added

    @abstractmethod
    def sections(self) -> dict[str, Any]:
        """What ``bundle.json`` has of this task's own."""

    def to_json(self) -> dict[str, Any]:
        """The content of ``bundle.json``."""
        return {
            "format": self.format.to_json(),
            "name": self.name,
            **self.sections(),
            "training": dict(self.training),
            "golden": {"file": self.golden.file, "sha256": self.golden.sha256},
            "variants": {name: variant.to_json() for name, variant in self.variants.items()},
            **self.later,
        }

    @classmethod
    @abstractmethod
    def _own_fields(
        cls, index: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> dict[str, Any]:
        """The fields of this task's own, of ``bundle.json`` and the golden file; may raise any of
        ``DAMAGE``."""

    @abstractmethod
    def _check_sections(self, where: str) -> None:
        """Raise BundleError, with where the index is, if sections do not fit each other."""

    @classmethod
    def read(cls: type[_Self], path: Path) -> _Self:
        """Read a directory or zip. Variant files are read, and checked, when they are used.

        Raises:
            BundleError: missing, damaged, for another task, or of a format that this version does
                not know.
        """
        index = _index_of(path)
        if "format" not in index:
            raise BundleError(f"{path} is damaged: {INDEX} has no format")
        form = check_format(index["format"], str(path))
        if (task := index.get("task", "attributes")) != cls.task:
            raise BundleError(
                f"{path} is for the task {task!r} and not {cls.task!r}{_USE.get(task, '')}"
            )
        known = {"format", "task", "name", "training", "golden", "variants", *cls.own_sections}
        try:
            arrays = read_arrays(path, _plain_name(index["golden"]["file"]))
            bundle = cls(
                name=index["name"],
                training=dict(index["training"]),
                variants=_read_variants(index),
                path=path,
                format=form,
                later={key: entry for key, entry in index.items() if key not in known},
                **cls._own_fields(index, arrays),
            )
            if bundle.golden.sha256 != index["golden"]["sha256"]:
                raise BundleError(
                    f"{path}/{bundle.golden.file} is damaged: its content is not what {INDEX} names"
                )
            bundle._check_sections(f"{path}/{INDEX}")
        except DAMAGE as error:
            raise BundleError(f"{path}/{INDEX} is damaged: {error!r}") from error
        if passed_over := bundle.passed_over:
            _log.debug("%s, format %s: passed over %s", path, form, ", ".join(passed_over))
        return bundle

    @property
    def digest(self) -> str:
        """SHA-256 of what the bundle is: its description, which has the SHA-256 of each file."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def variant(self, name: str) -> Variant:
        """The variant called ``name``.

        Raises:
            BundleError: there is none; the text lists those there are.
        """
        try:
            return self.variants[name]
        except KeyError as error:
            raise BundleError(
                f"{self.path or self.name} has no variant {name!r}; it has: "
                f"{', '.join(self.variants)}. Make it with: edgeattr convert"
            ) from error

    def read_file(self, variant: Variant) -> bytes:
        """A variant's file, its checksum verified.

        Raises:
            BundleError: the file is missing or damaged.
        """
        if self.path is None:
            raise BundleError(f"bundle {self.name!r} has not been written yet")
        content = read_member(self.path, variant.file)
        self._check(variant, content)
        return content

    def verify(self) -> None:
        """Check every variant's checksum.

        Raises:
            BundleError: a file is missing or damaged.
        """
        for variant in self.variants.values():
            self.read_file(variant)

    def with_variant(self: _Self, variant: Variant) -> _Self:
        """This bundle's description with a variant added or replaced."""
        return dataclasses.replace(self, variants={**self.variants, variant.name: variant})

    def write(self: _Self, directory: Path, files: Mapping[str, Path]) -> _Self:
        """Write to a directory; ``bundle.json`` comes last, so a killed run changes nothing.

        Args:
            directory: ``NAME.edgeattr``; may hold an older version of this bundle.
            files: where the new variants' files are now, by their name in the bundle. Variants
                that are not named are taken from where this bundle was read.

        Returns:
            The bundle as read from its new place.
        """
        before = _named_files(directory, type(self))
        directory.mkdir(parents=True, exist_ok=True)
        try:
            for variant in self.variants.values():
                target = directory / variant.file
                if variant.file in files:
                    content = files[variant.file].read_bytes()
                elif target.is_file() and sha256_of(target) == variant.sha256:
                    continue
                else:
                    content = self.read_file(variant)
                self._check(variant, content)
                write_atomically(target, content)
            arrays = io.BytesIO()
            np.savez_compressed(arrays, **self.golden.arrays)  # type: ignore[arg-type]
            write_atomically(directory / self.golden.file, arrays.getvalue())
            write_atomically(
                directory / INDEX, json.dumps(with_digest(self.to_json()), indent=1) + "\n"
            )
        except BaseException:
            # a full disk is not left fuller; what the index names by now stays
            _remove(directory, self._file_names() - before - _named_files(directory, type(self)))
            raise
        _remove(directory, before - self._file_names())
        return type(self).read(directory)

    def zip(self, target: Path) -> None:
        """Pack into one file of the same meaning."""
        with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            if self.path is None:
                raise BundleError(f"bundle {self.name!r} has not been written yet")
            for name in (INDEX, *sorted(self._file_names())):
                add_to_zip(archive, name, read_member(self.path, name))

    @property
    def passed_over(self) -> tuple[str, ...]:
        """What this version of edgeattr does not know of it, such as ``variants.onnx-int8.x``."""
        return (
            *self.later,
            *(
                f"variants.{name}.{key}"
                for name, variant in self.variants.items()
                for key in variant.later
            ),
        )

    def _file_names(self) -> set[str]:
        return {self.golden.file, *(variant.file for variant in self.variants.values())}

    def _check(self, variant: Variant, content: bytes) -> None:
        found = hashlib.sha256(content).hexdigest()
        if found != variant.sha256:
            raise BundleError(
                f"{variant.file} of {self.path or self.name} is damaged: its SHA-256 is "
                f"{found[:12]}..., bundle.json says {variant.sha256[:12]}...; "
                "delete the bundle and get or convert it again"
            )


def check_input(where: str, found: object, supported: Mapping[str, str]) -> None:
    """Refuse an input of another layout, type, colour order or resize rule than there is.

    Raises:
        BundleError: with what is asked for.
    """
    for field_name, only in supported.items():
        asked = getattr(found, field_name)
        if asked != only:
            raise BundleError(
                f"{where} asks for input {field_name} {asked!r}; this version of edgeattr does "
                f"{only!r} only"
            )


def task_of(path: Path) -> str:
    """What a bundle is for, ``attributes`` or ``person-detection``.

    Raises:
        BundleError: no bundle, or a damaged one.
    """
    return str(_index_of(path).get("task", "attributes"))


def _index_of(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise BundleError(f"no bundle at {path}; see: edgeattr models list")
    return read_index(path)


def _read_variants(index: Mapping[str, Any]) -> dict[str, Variant]:
    """The index's variants, by name."""
    variants = {name: Variant.from_json(entry) for name, entry in index["variants"].items()}
    for variant in variants.values():
        _plain_name(variant.file)
        if not isinstance(variant.tolerance, int | float):
            raise ValueError(f"tolerance {variant.tolerance!r} is not a number")
    return variants


def _named_files(directory: Path, kind: type[BundleFiles]) -> set[str]:
    """Files of the bundle that lies there now, if any: what a new version may remove."""
    try:
        return kind.read(directory)._file_names()
    except BundleError:
        return set()


def _remove(directory: Path, names: set[str]) -> None:
    for name in names:
        (directory / name).unlink(missing_ok=True)


def _plain_name(name: str) -> str:
    """A file name that stays inside the bundle."""
    if PurePath(name).name != name:
        raise ValueError(f"{name!r} is not a plain file name")
    return name
