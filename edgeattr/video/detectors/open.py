"""From a name or a path to a detector."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from edgeattr.core import hub
from edgeattr.core.detection_bundle import DetectionBundle
from edgeattr.core.errors import InputError, UsageError
from edgeattr.video.detectors.bundle_detector import BundleDetector
from edgeattr.video.detectors.formats import FORMATS
from edgeattr.video.detectors.network_detector import NetworkDetector
from edgeattr.video.detectors.protocol import Detector
from edgeattr.video.detectors.tiles import TiledDetector
from edgeattr_runtimes.detection import open_detection

_SHIPPED = ("auto", "person")
_SUFFIXES = (".onnx", ".xml")  # that are looked for in a folder
_STRIDE = 32  # pixels; sizes are multiples of it
_LARGEST = 8192  # pixels of a side


def _ignore(name: str, done: int, total: int) -> None:
    pass


def open_detector(
    name_or_path: str | os.PathLike[str],
    *,
    engine: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    form: str | None = None,
    size: int | tuple[int, int] | None = None,
    tiles: tuple[int, int] | None = None,
    min_score: float | None = None,
    on_download: Callable[[str, int, int], None] = _ignore,
) -> Detector:
    """Open a detector; what a file holds is told by its inputs and outputs, not by its name.

    Args:
        name_or_path: ``auto`` or ``person`` (the bundle inside the package), a name of
            :data:`edgeattr.core.hub.KNOWN`, which is downloaded where it is not here yet, a bundle,
            an ONNX file, an OpenVINO IR's XML, or a folder that holds one of these.
        engine: ``onnxruntime``, ``openvino``, ``tensorrt`` or ``auto``: for a bundle what is
            fastest here, ONNX Runtime for ONNX files and OpenVINO for its IR.
        precision: ``fp32``, ``fp16`` or ``int8`` of a bundle; ``auto``: what is fastest here.
        threads: that one call may use; all cores where absent.
        form: a key of :data:`edgeattr.video.detectors.FORMATS` that a file is of; told by what it
            gives if None.
        size: pixels of the input: along its longer side, which follows the frame's shape, or
            height and width. Bundles, and files that leave their sides free, take it.
        tiles: rows and columns of overlapping parts of the frame in which people are looked for as
            well, as for far people before a 4K camera.
        min_score: people less certain than this are left out; the detector's own if None.
        on_download: called with the name, bytes done and bytes in all.

    Raises:
        UsageError: neither a name nor a path, no such format, or an engine that cannot run it.
        InputError: not a network that edgeattr knows, or it finds no people.
        DownloadError: a named detector is not here and cannot be downloaded.
        MissingDependency: the engine is not installed.
        RuntimeFailure: the engine cannot run it.
    """
    if form is not None and form not in FORMATS:
        raise UsageError(f"no detector format {form!r}; there are: {', '.join(FORMATS)}")
    path, name = _find(os.fspath(name_or_path), on_download)
    if path.suffix == ".edgeattr" or (path / "bundle.json").is_file():
        bundle = DetectionBundle.read(path)
        runtime = open_detection(bundle, engine, precision, threads)
        found: Detector = BundleDetector(bundle, runtime, size=size, min_score=min_score)
    else:
        found = _from_file(path, name, engine, threads, form, size, min_score)
    return TiledDetector(found, tiles) if tiles else found


def parse_size(text: str) -> int | tuple[int, int]:
    """``960x544`` (width, height) as height and width; ``640`` as the longer side.

    Raises:
        UsageError: neither, or no multiples of 32 pixels.
    """
    found = re.fullmatch(r"(\d+)(?:x(\d+))?", text.strip())
    sides = [int(side) for side in found.groups() if side] if found else []
    if not sides or any(not _STRIDE <= side <= _LARGEST or side % _STRIDE for side in sides):
        raise UsageError(
            f"detector input {text!r}; expected the longer side in pixels, as 640, or "
            f"WIDTHxHEIGHT, as 960x544: multiples of {_STRIDE} up to {_LARGEST}"
        )
    return (sides[1], sides[0]) if len(sides) == 2 else sides[0]


def parse_tiles(text: str) -> tuple[int, int]:
    """``3x2`` (columns, rows) as rows and columns.

    Raises:
        UsageError: it is not, or more than 16 tiles.
    """
    found = re.fullmatch(r"([1-9])x([1-9])", text.strip())
    columns, rows = map(int, found.groups()) if found else (0, 0)
    if not 1 < columns * rows <= 16:
        raise UsageError(
            f"detector tiles {text!r}; expected COLUMNSxROWS, as 2x2, 16 tiles at most"
        )
    return rows, columns


def _find(name: str, on_download: Callable[[str, int, int], None]) -> tuple[Path, str]:
    """The bundle or file that is meant, and what it is called."""
    if name in _SHIPPED:
        return hub.person_bundle(), name
    if name in hub.KNOWN:
        return hub.fetch(name, progress=lambda done, total: on_download(name, done, total)), name
    path = Path(name)
    if not path.exists():
        raise UsageError(
            f"detector {name!r} is neither a file nor a folder nor one of: auto, person, "
            f"{', '.join(hub.KNOWN)}"
        )
    if path.is_dir() and path.suffix != ".edgeattr" and not (path / "bundle.json").is_file():
        path = _inside(path)
    return path, path.stem


def _from_file(
    path: Path,
    name: str,
    engine: str,
    threads: int | None,
    form: str | None,
    size: int | tuple[int, int] | None,
    min_score: float | None,
) -> Detector:
    from edgeattr_runtimes.load import session_from_file

    network = session_from_file(path, engine=engine, threads=threads)
    try:
        return NetworkDetector(network, name, form=form, size=size, min_score=min_score)
    except BaseException:
        network.close()
        raise


def _inside(folder: Path) -> Path:
    """The one network in a folder."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES)
    if len(found) != 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found[:8]) or "none"
        raise InputError(f"{folder}: expected one .xml or .onnx file, found {names}; name one")
    return found[0]
