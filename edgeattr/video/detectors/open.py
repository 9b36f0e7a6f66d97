"""From a name or a path to a detector."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from edgeattr.core import hub
from edgeattr.core.detection_bundle import DetectionBundle
from edgeattr.core.errors import InputError, UsageError
from edgeattr.video.detectors.bundle_detector import BundleDetector
from edgeattr.video.detectors.detr import DetrDetector, DetrLogitsDetector
from edgeattr.video.detectors.motion import MotionDetector
from edgeattr.video.detectors.protocol import Detector
from edgeattr.video.detectors.ssd import SsdDetector
from edgeattr.video.detectors.yolox import YoloxDetector

__all__ = ["open_detector"]

_SHIPPED = ("auto", "person")
_FAMILIES = (YoloxDetector, SsdDetector, DetrDetector, DetrLogitsDetector)
_SUFFIXES = (".onnx", ".xml")  # that are looked for in a folder


def _ignore(name: str, done: int, total: int) -> None:
    pass


def open_detector(
    name_or_path: str | os.PathLike[str],
    *,
    engine: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    side: int | None = None,
    min_score: float | None = None,
    on_download: Callable[[str, int, int], None] = _ignore,
) -> Detector:
    """Open a detector; what a file holds is told by its inputs and outputs, not by its name.

    Args:
        name_or_path: ``auto`` or ``person`` (the bundle inside the package), a name of
            :data:`edgeattr.core.hub.KNOWN`, which is downloaded where it is not here yet, a bundle,
            an ONNX file, an OpenVINO IR's XML, or a folder that holds one of these.
        engine: ``onnxruntime``, ``openvino``, or ``auto``: for a bundle what is fastest here, ONNX
            Runtime for ONNX files and OpenVINO for its IR.
        precision: ``fp32``, ``fp16`` or ``int8`` of a bundle; ``auto``: what is fastest here.
        threads: that one call may use; all cores where absent.
        side: pixels of a bundle's input along its longer side; the bundle's own if None.
        min_score: people less certain than this are left out; the detector's own if None.
        on_download: called with the name, bytes done and bytes in all.

    Raises:
        UsageError: neither a name nor a path, or an engine that cannot run it.
        InputError: not a network that edgeattr knows, or it finds no people.
        DownloadError: a named detector is not here and cannot be downloaded.
        MissingDependency: the engine is not installed.
        RuntimeFailure: the engine cannot run it.
    """

    def bundled(path: Path) -> BundleDetector:
        return BundleDetector(
            DetectionBundle.read(path), engine, precision,
            threads=threads, side=side, min_score=min_score,
        )  # fmt: skip

    name = os.fspath(name_or_path)
    if name == "motion":  # for tests and for looking at drawn videos
        return MotionDetector()
    if name in _SHIPPED:
        return bundled(hub.person_bundle())
    if name in hub.KNOWN:
        path = hub.fetch(name, progress=lambda done, total: on_download(name, done, total))
        return _from_file(path, name, engine, threads, min_score)
    path = Path(name)
    if path.suffix == ".edgeattr" or (path / "bundle.json").is_file():
        return bundled(path)
    if not path.exists():
        raise UsageError(
            f"detector {name!r} is neither a file nor a folder nor one of: auto, person, "
            f"{', '.join(hub.KNOWN)}"
        )
    path = _inside(path) if path.is_dir() else path
    return _from_file(path, path.stem, engine, threads, min_score)


def _from_file(
    path: Path, name: str, engine: str, threads: int | None, min_score: float | None
) -> Detector:
    from edgeattr_runtimes.load import session_from_file

    network = session_from_file(path, engine=engine, threads=threads)
    for family in _FAMILIES:
        if family.recognise(network):
            scores = {} if min_score is None else {"min_score": min_score}
            return family(network, name, **scores)
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
