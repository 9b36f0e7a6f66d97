"""What was measured to be the fastest on this device, kept under ``EDGEATTR_HOME/tuning``.

One file for each bundle and device: it counts only while the device, its GPU and that one's driver,
the engines' versions and the bundle's variants are the ones that were measured.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeattr.core.bundle_files import BundleFiles
from edgeattr.core.errors import OutputError, UsageError
from edgeattr.core.files import check_writable, write_atomically
from edgeattr.core.hub import home
from edgeattr_runtimes.device import device_name, gpu_name
from edgeattr_runtimes.protocol import EngineOptions

_HINT = "make room or allow writing there, or set EDGEATTR_HOME to another folder"
_DIGITS = 16  # of the key's SHA-256 in a file name: 64 bits
_DISTRIBUTIONS = (
    "edgeattr", "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "torch",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TunedSetting:
    """One setting and what it was measured to do."""

    engine: str
    variant: str  # "onnx-int8", ...
    options: EngineOptions
    crops_per_second: float  # in calls of `batch` crops
    batch: int  # crops a call


def read_tuning(bundle: BundleFiles) -> tuple[TunedSetting, ...]:
    """What was measured of a bundle here, the best first; nothing where nothing counts."""
    try:
        found = json.loads(tuning_path(bundle).read_text())
        entries = [
            TunedSetting(**{**entry, "options": EngineOptions(**entry["options"])})
            for entry in found["settings"]
        ]
        if not all(map(_is_sound, entries)):
            return ()
        if found["facts"] != _facts(bundle):
            return ()
    except (OSError, ValueError, KeyError, TypeError, UsageError):
        return ()
    return tuple(entry for entry in entries if entry.variant in bundle.variants)


def _is_sound(entry: TunedSetting) -> bool:
    """Whether the values of a file that anyone may have written are of their types."""
    words = isinstance(entry.engine, str) and isinstance(entry.variant, str)
    device = entry.options.device is None or isinstance(entry.options.device, str)
    return words and device and isinstance(entry.crops_per_second, int | float)


def write_tuning(bundle: BundleFiles, settings: Sequence[TunedSetting]) -> Path:
    """Keep what was measured, the best first; gives where.

    Raises:
        OutputError: it cannot be written.
    """
    path = tuning_path(bundle)
    content = {
        "facts": _facts(bundle),
        "settings": [dataclasses.asdict(entry) for entry in settings],
    }
    try:
        write_atomically(path, json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); {_HINT}") from error
    return path


def check_tuning_path(bundle: BundleFiles) -> None:
    """Refuse before anything is measured what could not be kept afterwards.

    Raises:
        OutputError: :func:`tuning_path` cannot be written.
    """
    check_writable(tuning_path(bundle), hint=_HINT)


def tuning_path(bundle: BundleFiles) -> Path:
    """Where the measurements of a bundle on this device belong."""
    key = hashlib.sha256(json.dumps(_facts(bundle), sort_keys=True).encode()).hexdigest()
    name = re.sub(r"[^\w.-]", "_", bundle.name)
    return home() / "tuning" / f"{name}-{key[:_DIGITS]}.json"


def _facts(bundle: BundleFiles) -> Mapping[str, Any]:
    """All that the measurements depend on."""
    versions = {}
    for name in _DISTRIBUTIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "device": device_name(),
        "gpu": gpu_name(),
        "versions": versions,
        "variants": {name: variant.sha256 for name, variant in bundle.variants.items()},
    }
