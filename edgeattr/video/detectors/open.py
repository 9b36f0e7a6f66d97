"""From a name or a path to a detector."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from edgeattr.core import hub
from edgeattr.core.errors import InputError, UsageError
from edgeattr.video.detectors.detr import DetrDetector, DetrLogitsDetector
from edgeattr.video.detectors.motion import MotionDetector
from edgeattr.video.detectors.protocol import Detector
from edgeattr.video.detectors.ssd import SsdDetector
from edgeattr.video.detectors.yolox import YoloxDetector

__all__ = ["open_detector"]

_AUTO = "yolox_nano"
_FAMILIES = (YoloxDetector, SsdDetector, DetrDetector, DetrLogitsDetector)
_SUFFIXES = (".onnx", ".xml")  # that are looked for in a folder


def _ignore(name: str, done: int, total: int) -> None:
    pass


def open_detector(
    name_or_path: str | os.PathLike[str],
    *,
    engine: str = "auto",
    threads: int | None = None,
    on_download: Callable[[str, int, int], None] = _ignore,
) -> Detector:
    """Open a detector; what a file holds is told by its inputs and outputs, not by its name.

    Args:
        name_or_path: ``auto`` (yolox_nano), ``motion``, a name of :data:`edgeattr.core.hub.KNOWN`,
            which is downloaded where it is not here yet, an ONNX file, an OpenVINO IR's XML, or a
            folder that holds one of these.
        engine: ``onnxruntime``, ``openvino``, or ``auto``: ONNX Runtime for ONNX files and
            OpenVINO for its IR.
        threads: that one call may use; all cores where absent.
        on_download: called with the name, bytes done and bytes in all.

    Raises:
        UsageError: neither a name nor a path, or an engine that cannot run it.
        InputError: not a network that edgeattr knows, or it finds no people.
        DownloadError: a named detector is not here and cannot be downloaded.
        MissingDependency: the engine is not installed.
        RuntimeFailure: the engine cannot run it.
    """
    name = os.fspath(name_or_path)
    if name == "motion":
        return MotionDetector()
    known = _AUTO if name == "auto" else name
    if known in hub.KNOWN:
        path = hub.fetch(known, progress=lambda done, total: on_download(known, done, total))
        return _from_file(path, known, engine, threads)
    path = Path(name)
    if not path.exists():
        raise UsageError(
            f"detector {name!r} is neither a file nor a folder nor one of: auto, motion, "
            f"{', '.join(hub.KNOWN)}"
        )
    path = _inside(path) if path.is_dir() else path
    return _from_file(path, path.stem, engine, threads)


def _from_file(path: Path, name: str, engine: str, threads: int | None) -> Detector:
    from edgeattr_runtimes.load import session_from_file

    network = session_from_file(path, engine=engine, threads=threads)
    for family in _FAMILIES:
        if family.recognise(network):
            return family(network, name)
    known = "\n".join(f"  {family.interface}" for family in _FAMILIES)
    raise InputError(
        f"{path} is not a person detector that edgeattr knows. It has the inputs "
        f"{'; '.join(map(str, network.inputs))} and the outputs "
        f"{'; '.join(map(str, network.outputs))}. Known are:\n{known}"
    )


def _inside(folder: Path) -> Path:
    """The one network in a folder."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES)
    if len(found) != 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found[:8]) or "none"
        raise InputError(f"{folder}: expected one .xml or .onnx file, found {names}; name one")
    return found[0]
