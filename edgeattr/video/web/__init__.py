"""The live page: who is seen, how the cameras do, over HTTP; `edgeattr run --web PORT`."""

from edgeattr.video.web.board import Board
from edgeattr.video.web.server import WebServer

__all__ = ["Board", "WebServer"]
