"""The portable model: a directory ``NAME.edgeattr/`` (or a zip of it) that every device reads.

    bundle.json    what the model is: schema, input, thresholds, training facts, variants
    golden-*.npz   a few crops with the reference logits: crops uint8 [n, H, W, 3], logits [n, C]
    model-*        one file per variant

What a newer version of edgeattr has added to it is passed over, and kept where the bundle is
written again; see :mod:`edgeattr.core.bundle_format`.

``bundle.json`` has a SHA-256 of all the rest of it: one that was changed by hand is refused.

Names carry the start of the content's SHA-256, so a new version never overwrites a file that the
old ``bundle.json`` names. Each variant's SHA-256 is checked when it is loaded, and its answers on
the golden crops are compared with the reference before it serves.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle_format import CURRENT, BundleFormat, check_format
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
from edgeattr.core.posterior import TrackFusion
from edgeattr.core.prediction import Decision
from edgeattr.core.schema import AttributeSchema
from edgeattr.core.variant import Variant, variant_file

__all__ = ["RESIZE_RULE", "Bundle", "Golden", "InputSpec", "Variant", "variant_file"]

RESIZE_RULE = "stretch; INTER_AREA where both sides shrink, else INTER_LINEAR"

_SECTIONS = {
    "format", "name", "schema", "input", "thresholds", "probability", "training", "track", "golden",
    "variants",
}  # fmt: skip
_SUPPORTED = {"layout": "NHWC", "dtype": "uint8", "colour": "BGR", "resize": RESIZE_RULE}
_log = logging.getLogger("edgeattr.core.bundle")


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """What the model takes: a batch of crops of one size."""

    height: int  # pixels
    width: int  # pixels
    layout: str = "NHWC"
    dtype: str = "uint8"
    colour: str = "BGR"
    resize: str = RESIZE_RULE


@dataclass(frozen=True, eq=False)
class Golden:
    """Reference crops and answers."""

    crops: npt.NDArray[np.uint8]  # [n, H, W, 3], BGR
    logits: npt.NDArray[np.float32]  # [n, C], from the first variant's parent

    @property
    def sha256(self) -> str:
        """Of both arrays' content, whatever compressed them."""
        digest = hashlib.sha256(self.crops.tobytes())
        digest.update(self.logits.tobytes())
        return digest.hexdigest()

    @property
    def file(self) -> str:
        """Its name inside the bundle."""
        return f"golden-{self.sha256[:8]}.npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """A model with everything needed to run it. Immutable; ``with_variant`` gives a new one."""

    name: str
    schema: AttributeSchema
    input: InputSpec
    thresholds: tuple[float, ...]  # per attribute: a probability above it says yes
    scale: tuple[float, ...]  # per attribute: probability = sigmoid(scale * logit + offset)
    offset: tuple[float, ...]
    training: Mapping[str, Any]  # data set, split, licence of the data, recipe, scores
    variants: Mapping[str, Variant]
    golden: Golden
    track: TrackFusion | None = None  # how crops of one person are fused; None: the plain way
    path: Path | None = None  # where it was read from: a directory or a zip
    format: BundleFormat = CURRENT  # the lowest that has all that is in it
    later: Mapping[str, Any] = field(default_factory=dict)  # sections that a newer edgeattr added

    @property
    def digest(self) -> str:
        """SHA-256 of what the bundle is: its description, which has the SHA-256 of each file."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def decision(self, *, include_sensitive: bool = False) -> Decision:
        """What turns logits into answers: calibration, thresholds, and the margins around them.

        Args:
            include_sensitive: whether answers show age and gender.
        """
        return Decision(
            schema=self.schema,
            thresholds=self.thresholds,
            scale=self.scale,
            offset=self.offset,
            yes_margin=self.track.yes_margin if self.track else (),
            no_margin=self.track.no_margin if self.track else (),
            prior=self.track.prior if self.track else (),
            include_sensitive=include_sensitive,
        )

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

    def with_variant(self, variant: Variant) -> Bundle:
        """This bundle's description with a variant added or replaced."""
        return dataclasses.replace(self, variants={**self.variants, variant.name: variant})

    def write(self, directory: Path, files: Mapping[str, Path]) -> Bundle:
        """Write to a directory; ``bundle.json`` comes last, so a killed run changes nothing.

        Args:
            directory: ``NAME.edgeattr``; may hold an older version of this bundle.
            files: where the new variants' files are now, by their name in the bundle. Variants
                that are not named are taken from where this bundle was read.

        Returns:
            The bundle as read from its new place.
        """
        before = _named_files(directory)
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
            np.savez_compressed(arrays, crops=self.golden.crops, logits=self.golden.logits)
            write_atomically(directory / self.golden.file, arrays.getvalue())
            write_atomically(
                directory / INDEX, json.dumps(with_digest(self.to_json()), indent=1) + "\n"
            )
        except BaseException:
            # a full disk is not left fuller; what the index names by now stays
            _remove(directory, self._file_names() - before - _named_files(directory))
            raise
        _remove(directory, before - self._file_names())
        return Bundle.read(directory)

    def zip(self, target: Path) -> None:
        """Pack into one file of the same meaning."""
        with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            if self.path is None:
                raise BundleError(f"bundle {self.name!r} has not been written yet")
            for name in (INDEX, *sorted(self._file_names())):
                add_to_zip(archive, name, read_member(self.path, name))

    @classmethod
    def read(cls, path: Path) -> Bundle:
        """Read a directory or zip. Variant files are read, and checked, when they are used.

        Raises:
            BundleError: missing, damaged, or of a format that this version does not know.
        """
        if not path.exists():
            raise BundleError(f"no bundle at {path}; see: edgeattr models list")
        index = read_index(path)
        if "format" not in index:
            raise BundleError(f"{path} is damaged: {INDEX} has no format")
        form = check_format(index["format"], str(path))
        try:
            bundle = _from_json(index, path, form)
            _check_consistent(bundle, index["golden"]["sha256"])
        except DAMAGE as error:
            raise BundleError(f"{path}/{INDEX} is damaged: {error!r}") from error
        if passed_over := bundle.passed_over:
            _log.debug("%s, format %s: passed over %s", path, form, ", ".join(passed_over))
        return bundle

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

    def to_json(self) -> dict[str, Any]:
        """The content of ``bundle.json``."""
        return {
            "format": self.format.to_json(),
            "name": self.name,
            "schema": self.schema.to_json(),
            "input": dataclasses.asdict(self.input),
            "thresholds": list(self.thresholds),
            "probability": {"scale": list(self.scale), "offset": list(self.offset)},
            "training": dict(self.training),
            **({"track": self.track.to_json()} if self.track else {}),
            "golden": {"file": self.golden.file, "sha256": self.golden.sha256},
            "variants": {name: variant.to_json() for name, variant in self.variants.items()},
            **self.later,
        }

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


def _from_json(index: Mapping[str, Any], path: Path, form: BundleFormat) -> Bundle:
    arrays = read_arrays(path, _plain_name(index["golden"]["file"]))
    golden = Golden(arrays["crops"], arrays["logits"])
    variants = {name: Variant.from_json(entry) for name, entry in index["variants"].items()}
    for variant in variants.values():
        _plain_name(variant.file)
        if not isinstance(variant.tolerance, int | float):
            raise ValueError(f"tolerance {variant.tolerance!r} is not a number")
    schema, track = AttributeSchema.from_json(index["schema"]), index.get("track")
    if track is not None:
        track = TrackFusion.from_json(track, len(schema), len(schema.exclusive))
    return Bundle(
        name=index["name"],
        schema=schema,
        input=InputSpec(**index["input"]),
        thresholds=tuple(map(float, index["thresholds"])),
        scale=tuple(map(float, index["probability"]["scale"])),
        offset=tuple(map(float, index["probability"]["offset"])),
        training=dict(index["training"]),
        track=track,
        variants=variants,
        golden=golden,
        path=path,
        format=form,
        later={key: entry for key, entry in index.items() if key not in _SECTIONS},
    )


def _named_files(directory: Path) -> set[str]:
    """Files of the bundle that lies there now, if any: what a new version may remove."""
    try:
        return Bundle.read(directory)._file_names()
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


def _check_consistent(bundle: Bundle, golden_sha256: str) -> None:
    where, attributes = f"{bundle.path}/{INDEX}", len(bundle.schema)
    for field_name in ("thresholds", "scale", "offset"):
        count = len(getattr(bundle, field_name))
        if count != attributes:
            raise BundleError(f"{where} has {count} {field_name} for {attributes} attributes")
        if not np.isfinite(getattr(bundle, field_name)).all():
            raise BundleError(f"{where} has {field_name} that are no numbers")
    if not all(0 <= threshold <= 1 for threshold in bundle.thresholds):
        raise BundleError(f"{where} has thresholds outside 0..1")
    for field_name, supported in _SUPPORTED.items():
        asked = getattr(bundle.input, field_name)
        if asked != supported:
            raise BundleError(
                f"{where} asks for input {field_name} {asked!r}; this version of edgeattr does "
                f"{supported!r} only"
            )
    if bundle.golden.sha256 != golden_sha256:
        raise BundleError(
            f"{bundle.path}/{bundle.golden.file} is damaged: its content is not what {INDEX} names"
        )
    crops, logits = bundle.golden.crops.shape, bundle.golden.logits.shape
    expected = (crops[0], bundle.input.height, bundle.input.width, 3)
    if not crops[0] or crops != expected or logits != (crops[0], attributes):
        raise BundleError(f"{where}: golden crops {crops} and logits {logits} do not fit the model")
