"""`edgeattr doctor`: what this machine has, and what it lacks."""

from __future__ import annotations

import importlib.metadata
import platform
import time

import typer

__all__ = ["doctor"]

_PACKAGES = {  # distribution -> (what for, how to get it)
    "numpy": ("arrays", "pip install edgeattr"),
    "opencv-python": ("images and video", "pip install edgeattr"),
    "onnxruntime": ("inference on the CPU", "pip install edgeattr"),
    "trackers": ("following people", "pip install edgeattr"),
    "av": ("writing MP4 files", "pip install edgeattr"),
    "openvino": ("inference on Intel processors", 'pip install "edgeattr[openvino]"'),
    "onnx": ("converting models", 'pip install "edgeattr[convert]"'),
    "nncf": ("INT8 for OpenVINO", 'pip install "edgeattr[convert]"'),
    "torch": ("training models", 'pip install "edgeattr[train]"'),
    "torchvision": ("training models", 'pip install "edgeattr[train]"'),
}


def doctor() -> None:
    """Report what works here, what does not, and how to mend it.

    Example: `edgeattr doctor`
    """
    import edgeattr
    from edgeattr import hub
    from edgeattr_runtimes import ENGINES, available, remedy
    from edgeattr_runtimes.device import device_name

    typer.echo(
        f"edgeattr {edgeattr.__version__}, Python {platform.python_version()}, {device_name()}"
    )
    for name, (purpose, cure) in _PACKAGES.items():
        try:
            typer.echo(f"  ok       {name} {importlib.metadata.version(name)}: {purpose}")
        except importlib.metadata.PackageNotFoundError:
            typer.echo(f"  missing  {name}: {purpose}; {cure}")
    ready = available()
    for engine in ENGINES:
        if engine in ready:
            typer.echo(f"  ok       engine {engine}")
        else:
            typer.echo(f"  missing  engine {engine}: {remedy(engine)}")
    detector = hub.cached("yolox_nano")
    state = detector or "not downloaded; edgeattr models pull yolox_nano"
    typer.echo(f"  detector yolox_nano: {state}")
    start = time.perf_counter()
    with edgeattr.load() as model:
        about = model.describe()
        loaded = time.perf_counter()
        model.predict(list(model.bundle.golden.crops))
        once = time.perf_counter() - loaded
    typer.echo(
        f"  ok       default model: {about.precision} on {about.engine} {about.version}, "
        f"{about.threads} threads; loaded in {loaded - start:.2f} s, "
        f"{len(model.bundle.golden.crops) / once:.0f} crops/s on a first call"
    )
