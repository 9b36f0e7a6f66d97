"""The files that the page is made of."""

from __future__ import annotations

import functools
from pathlib import Path

__all__ = ["ASSETS", "OPEN_TO_ALL", "asset"]

_FOLDER = Path(__file__).with_name("static")
_KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
ASSETS = (
    "index.html",
    "denied.html",
    "style.css",
    "cards.css",
    "icon.svg",
    "main.js",
    "connection.js",
    "dom.js",
    "words.js",
    "overview.js",
    "cameras.js",
    "attributes.js",
    "filters.js",
    "people.js",
    "card.js",
)
OPEN_TO_ALL = frozenset(("/static/style.css", "/static/icon.svg"))  # what asking for a token needs


@functools.cache
def asset(name: str) -> tuple[bytes, str]:
    """The content of one of :data:`ASSETS`, and its media type."""
    return (_FOLDER / name).read_bytes(), _KINDS[Path(name).suffix]
