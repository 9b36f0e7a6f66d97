"""The `edgeattr` program: its commands, its errors and its exit codes."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

import edgeattr
from edgeattr.cli import bench, convert, doctor, evaluate, find, info, models, predict, run, train
from edgeattr.core.errors import EdgeAttrError
from edgeattr.core.hub import home

_NO_LIBRARY = (
    "A library of the system is missing. Where there is no screen, OpenCV needs none: "
    "pip uninstall --yes opencv-python && pip install opencv-python-headless"
)

app = typer.Typer(
    name="edgeattr",
    help="Read people's visual attributes off video at the edge.\n\n"
    "Begin with `edgeattr run VIDEO.mp4`, or `edgeattr run 0` for a webcam; add `--output` to see "
    "it, `--web 8080` to watch it live.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command("run", cls=run.RunCommand)(run.run)
app.command("predict")(predict.predict)
app.command("train")(train.train)
app.command("eval")(evaluate.evaluate)
app.command("convert")(convert.convert)
app.command("bench")(bench.bench)
app.command("find")(find.find)
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
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # as main() in __init__.py left it
        signal.signal(signal.SIGINT, signal.default_int_handler)


def main() -> None:
    """Run the program: exit codes 0 done, 1 failed, 2 wrong usage, 3 contract not met.

    Typer ends with 130 after Ctrl-C, and SIGTERM is made to do the same.
    """
    for name, level in (("OPENCV_LOG_LEVEL", "SILENT"), ("OPENCV_FFMPEG_LOGLEVEL", "-8")):
        os.environ.setdefault(name, level)  # what is wrong with a file we say ourselves
    with contextlib.suppress(EdgeAttrError):  # there is no home: Matplotlib finds a place itself
        os.environ.setdefault("MPLCONFIGDIR", str(home() / "matplotlib"))
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files may be no text
        sys.stdout.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except EdgeAttrError as error:
        print(f"edgeattr: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ImportError as error:
        if ".so" not in str(error):
            raise
        print(f"edgeattr: {error}. {_NO_LIBRARY}", file=sys.stderr)
        sys.exit(EdgeAttrError.exit_code)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"edgeattr: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(EdgeAttrError.exit_code)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
