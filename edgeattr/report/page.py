"""Renders a page from its template: one file, nothing loaded from elsewhere, no script."""

from __future__ import annotations

import base64
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeattr.report import formats

if TYPE_CHECKING:
    from jinja2 import Environment

_BASE = Path(__file__).parent  # of base.html, macros.html and style.css
_QUALITY = 85  # of JPEG


def render(template: Path, **values: Any) -> str:
    """Fill in a template; every value is shown as text, markup in it made harmless.

    Args:
        template: a file that extends ``base.html``, or a part of such a page.
        values: what it names.

    Returns:
        HTML that UTF-8 can encode: file names may hold broken characters.
    """
    text = _environment(template.parent).get_template(template.name).render(values)
    return text.encode("utf-8", "replace").decode()


def jpeg_uri(image: npt.NDArray[np.uint8]) -> str:
    """An image, uint8 [h, w, 3] BGR, as the ``src`` of an image in the page."""
    import cv2

    content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


@functools.lru_cache
def _environment(folder: Path) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([folder, _BASE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        function.__name__: function
        for function in (
            formats.breakable,
            formats.change,
            formats.fact,
            formats.figure,
            formats.finite,
            formats.moment,
            formats.share,
            formats.size,
        )
    }
    return environment
