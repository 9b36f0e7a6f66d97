"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from edgeattr.cli.completion import model_names, precision_names, runtime_names

__all__ = [
    "AllowMissing",
    "Data",
    "DetectorFormat",
    "Device",
    "Model",
    "ModelArgument",
    "Precision",
    "Quiet",
    "Runtime",
    "Sensitive",
]

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
