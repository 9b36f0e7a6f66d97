"""Docstrings and comments are written to be read in the source; this fits them to a page.

Things are named as :func:`name`, which becomes `name`. A lone `Example:` becomes `Examples:`, whose
lines are shown as code. The comment behind a field of a dataclass becomes its description.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`~?([^`]+)`")
_EXAMPLE = re.compile(r"(?m)^( *)Example:$")
_COMMENT = re.compile(r"  # (.+)$")


class Docstrings(griffe.Extension):
    """Changes every docstring that is loaded."""

    def on_instance(self, *, obj: griffe.Object, **others: Any) -> None:
        """Called with each module, class, function and attribute."""
        if obj.docstring:
            text = _ROLE.sub(r"`\1`", obj.docstring.value)
            obj.docstring.value = _EXAMPLE.sub(r"\1Examples:", text)
        elif obj.is_attribute and obj.parent and obj.parent.is_class and obj.lineno:
            line = obj.lines_collection[obj.filepath][obj.lineno - 1]
            if comment := _COMMENT.search(line):
                text = comment[1][0].upper() + comment[1][1:]
                obj.docstring = griffe.Docstring(text, parent=obj)
