"""The command line: one command per file, frameworks imported only when a command needs them."""

# the C module: what signal itself imports could be interrupted with a traceback
import _signal as signal  # type: ignore[import-not-found]

__all__ = ["main"]


def main() -> None:
    """Run the program; see :func:`edgeattr.cli.app.main`.

    While it loads its modules, Ctrl-C ends the process at once, and without a traceback.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from edgeattr.cli import app

    app.main()
