"""The `edgeattr` program: its commands, its errors and its exit codes."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

import edgeattr
from edgeattr.cli import convert, doctor, evaluate, info, models, predict, run, train
from edgeattr.errors import EdgeAttrError

__all__ = ["app", "main"]

_INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended

app = typer.Typer(
    name="edgeattr",
    help="Read people's visual attributes off video at the edge.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("predict")(predict.predict)
app.command("train")(train.train)
app.command("eval")(evaluate.evaluate)
app.command("convert")(convert.convert)
app.command("info")(info.info)
app.command("doctor")(doctor.doctor)
app.add_typer(models.app, name="models")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edgeattr {edgeattr.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show and exit."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the program: exit codes 0 done, 1 failed, 2 wrong usage, 3 contract not met."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except EdgeAttrError as error:
        print(f"edgeattr: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        print("edgeattr: stopped", file=sys.stderr)
        sys.exit(_INTERRUPTED)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
