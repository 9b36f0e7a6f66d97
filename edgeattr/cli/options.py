"""Options that several commands share, and what the shell offers for a word that is being typed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer


def model_names(incomplete: str) -> list[str]:
    """`default`, and the bundles and checkpoints of the folder that has been typed so far."""
    folder = incomplete[: incomplete.rfind("/") + 1]
    found = Path(folder or ".").glob("*")
    paths = sorted(folder + path.name for path in found if path.suffix in (".edgeattr", ".pt"))
    return _fitting(["default", *paths], incomplete)


def recipe_names(incomplete: str) -> list[str]:
    """Of training."""
    from edgeattr_train.recipe_files import detection_recipes, named_recipes

    return _fitting({**named_recipes(), **detection_recipes()}, incomplete)


def runtime_names(incomplete: str) -> list[str]:
    """Engines, whether or not they are installed."""
    from edgeattr_runtimes import ENGINES

    return _fitting(["auto", *ENGINES], incomplete)


def precision_names(incomplete: str) -> list[str]:
    """Of variants."""
    return _fitting(["auto", "fp32", "fp16", "int8"], incomplete)


def detector_names(incomplete: str) -> list[str]:
    """Those that need no file, and those that can be downloaded."""
    return _fitting(["auto", "person"], incomplete) + known_names(incomplete)


def known_names(incomplete: str) -> list[str]:
    """What can be downloaded."""
    from edgeattr.core.hub import KNOWN

    return _fitting(KNOWN, incomplete)


def _fitting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


Model = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="M",
        help="A bundle, or `default`: the one that ships.",
        autocompletion=model_names,
    ),
]
ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="[M]",
        help="A bundle, or `default`: the one that ships.",
        autocompletion=model_names,
    ),
]
Runtime = Annotated[
    str,
    typer.Option(
        "--runtime",
        help="`auto`, `onnxruntime`, `openvino`, `tensorrt` or `torch`.",
        autocompletion=runtime_names,
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        "--precision", help="`auto`, `fp32`, `fp16` or `int8`.", autocompletion=precision_names
    ),
]
DetectorFormat = Annotated[
    str | None,
    typer.Option(
        "--detector-format",
        metavar="NAME",
        help="What the detector's file is, where its outputs do not tell: `yolox`, `yolov8`, ...",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="D",
        help="Of the engine: `cpu`; with onnxruntime-gpu `cuda`, `tensorrt`; on OpenVINO `gpu`, "
        "`npu`, `auto`.",
    ),
]
Data = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="NAME[@VARIANT]:DIR",
        help="`peta:DIR`, `peta@3:DIR` (third random split), `peta@identity:DIR` (no person in two "
        "splits), `wider:DIR`, `pa100k:DIR`, `rap:DIR`, `market:DIR`, or `csv:DIR` for your own.",
    ),
]
AllowMissing = Annotated[
    bool,
    typer.Option("--allow-missing", help="Go on without images that are missing or unreadable."),
]
Sensitive = Annotated[bool, typer.Option("--include-sensitive", help="Report age and gender too.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only errors.")]
