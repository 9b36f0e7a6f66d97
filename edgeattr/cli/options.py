"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Data", "Model", "ModelArgument", "Precision", "Quiet", "Runtime", "Sensitive"]

Model = Annotated[
    str, typer.Option("--model", metavar="M", help="A bundle, or `default`: the one that ships.")
]
ModelArgument = Annotated[
    str, typer.Argument(metavar="[M]", help="A bundle, or `default`: the one that ships.")
]
Runtime = Annotated[str, typer.Option(help="`auto` or `onnxruntime`.")]
Precision = Annotated[str, typer.Option(help="`auto`, `fp32`, `fp16` or `int8`.")]
Data = Annotated[str, typer.Option("--data", metavar="NAME:DIR", help="For example `peta:DIR`.")]
Sensitive = Annotated[bool, typer.Option("--include-sensitive", help="Report age and gender too.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only errors.")]
