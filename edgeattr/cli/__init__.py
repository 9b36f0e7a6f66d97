"""The command line: one command per file, frameworks imported only when a command needs them."""

from edgeattr.cli.app import main

__all__ = ["main"]
