"""`edgeattr doctor`: what this machine has, what it lacks, and what would run."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
import time
from typing import TYPE_CHECKING

import typer

from edgeattr.core.errors import EdgeAttrError

if TYPE_CHECKING:
    from edgeattr.core.bundle import Bundle

_PACKAGES = {  # module -> (what for, how to get it)
    "numpy": ("arrays", "pip install edgeattr"),
    "cv2": ("images and video", "pip install edgeattr"),
    "onnxruntime": ("inference on the CPU", "pip install edgeattr"),
    "lap": ("following people", "pip install edgeattr"),
    "av": ("reading and writing video", "pip install edgeattr"),
    "openvino": ("inference on Intel processors", 'pip install "edgeattr[openvino]"'),
    "onnx": ("converting models", 'pip install "edgeattr[convert]"'),
    "torch": ("training models", 'pip install "edgeattr[train]"'),
    "torchvision": ("training models", 'pip install "edgeattr[train]"'),
}
_MORE = {"onnxruntime-gpu": " and on NVIDIA GPUs"}  # distribution -> what it is for besides
_PREFERRED = (  # of distributions with the same module, the one that has what the others have
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
    "opencv-python-headless",
)


def doctor() -> None:
    """Report what works here, what does not, and how to mend it.

    Example: `edgeattr doctor`
    """
    import edgeattr
    from edgeattr.core import hub
    from edgeattr.core.bundle import Bundle
    from edgeattr_runtimes.device import device_name
    from edgeattr_runtimes.tensorrt_installed import jetson_release

    jetson = jetson_release()
    typer.echo(
        f"edgeattr {edgeattr.__version__}, Python {platform.python_version()}, {device_name()}"
        + (f", Jetson Linux {jetson}" if jetson else "")
    )
    show_packages()
    typer.echo("engines")
    _engines()
    detects = _detector()
    path = hub.resolve_bundle("default")
    typer.echo(f"default model, {path}")
    try:
        bundle = Bundle.read(path)
    except EdgeAttrError as error:
        typer.echo(f"  failed   {error}")
        raise typer.Exit(1) from error
    if not show_what_runs(bundle) or not detects:
        raise typer.Exit(1)


def show_packages() -> None:
    owners = _owners()
    for module, (purpose, cure) in _PACKAGES.items():
        found = owners[module]
        for name, version in found.items():
            typer.echo(f"  ok       {name} {version}: {purpose}{_MORE.get(name, '')}")
        if not found and importlib.util.find_spec(module):
            typer.echo(f"  ok       {module}, of no distribution that pip knows: {purpose}")
        elif not found:
            typer.echo(f"  missing  {module}: {purpose}; {cure}")
        if len(found) > 1:
            kept = next((name for name in _PREFERRED if name in found), min(found))
            typer.echo(
                f"  clash    {' and '.join(found)} overwrite each other's files of {module}; "
                f"pip uninstall {' '.join(found)}, then pip install {kept}"
            )


def _owners() -> dict[str, dict[str, str]]:
    """Which installed distributions have a module of :data:`_PACKAGES`: names and versions."""
    owners: dict[str, dict[str, str]] = {module: {} for module in _PACKAGES}
    for distribution in importlib.metadata.distributions():
        for file in distribution.files or ():
            if len(file.parts) == 2 and file.name == "__init__.py" and file.parts[0] in owners:
                name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
                owners[file.parts[0]].setdefault(name, distribution.version)
    return {module: dict(sorted(found.items())) for module, found in owners.items()}


def _engines() -> None:
    from edgeattr_runtimes import ENGINES, available, devices_of, remedy

    ready = available()
    for engine in ENGINES:
        if engine not in ready:
            typer.echo(f"  missing  {engine}: {remedy(engine)}")
            continue
        try:
            typer.echo(f"  ok       {engine} on {', '.join(devices_of(engine))}")
        except EdgeAttrError as error:
            typer.echo(f"  failed   {engine}: {error}")


def _detector() -> bool:
    """Tell what finds people; whether it works."""
    from edgeattr.core import hub
    from edgeattr.video.detectors import open_detector

    path = hub.person_bundle()
    typer.echo(f"person detector, {path}")
    try:
        with open_detector("person") as detector:
            import numpy as np

            blank = np.full((432, 768, 3), 114, np.uint8)
            detector.detect(blank)
            start = time.perf_counter()
            detector.detect(blank)
            seconds = time.perf_counter() - start
    except EdgeAttrError as error:
        typer.echo(f"  failed   {error}")
        return False
    typer.echo(
        f"  chosen   {detector.precision} on {detector.engine}: {1000 * seconds:.0f} ms a frame of "
        "768x432"
    )
    return True


def show_what_runs(bundle: Bundle) -> bool:
    """Say which engine is taken and why, and what every other one does; whether one is taken."""
    from edgeattr_runtimes import open_best
    from edgeattr_runtimes.engines import FAMILIES, automatic

    found = True
    try:
        choice, runtime = open_best(bundle)
        runtime.close()
        for failure in choice.instead_of:
            typer.echo(f"  failed   {failure}")
        typer.echo(f"  chosen   {choice}: {choice.why}")
    except EdgeAttrError as error:
        found = False
        typer.echo(f"  failed   {error}")
    for engine in automatic():
        if not any(variant.engine in FAMILIES[engine] for variant in bundle.variants.values()):
            typer.echo(f"  missing  {engine}: no variant for it; edgeattr convert --to {engine}")
            continue
        try:
            typer.echo(f"  ok       {_trial(bundle, engine)}")
        except EdgeAttrError as error:
            typer.echo(f"  failed   {engine}: {error}")
    return found


def _trial(bundle: Bundle, engine: str) -> str:
    from edgeattr_runtimes import decide, open_runtime

    name = decide(bundle, engine).variant.name
    crops = bundle.golden.crops
    start = time.perf_counter()
    with open_runtime(bundle, engine) as runtime:
        loaded = time.perf_counter()
        runtime.infer(crops)
        once = time.perf_counter() - loaded
        about = runtime.describe()
    half = "" if about.arithmetic == "f32" else f" in {about.arithmetic}"
    return (
        f"{name} on {about.engine} {about.version} {about.device}{half}: {about.threads} threads, "
        f"{about.streams} streams; loaded in {loaded - start:.2f} s, {len(crops) / once:.0f} "
        "crops/s on a first call"
    )
