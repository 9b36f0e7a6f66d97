"""Tables inside pages: what lies between two marks is written by the command that measured it."""

from __future__ import annotations

import re
from pathlib import Path

from edgeattr.core.errors import InputError
from edgeattr.core.files import write_atomically


def replace_marked(page: Path, parts: dict[str, str]) -> None:
    """Replace what lies between ``<!-- NAME -->`` and ``<!-- /NAME -->`` in a page.

    Raises:
        InputError: the page has no such marks.
    """
    text = page.read_text(encoding="utf-8")
    for name, part in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise InputError(f"{page}: expected {begin} and {end} once")
        marked = f"{begin}\n{part.strip()}\n{end}"
        text = pattern.sub(lambda _, marked=marked: marked, text)
    write_atomically(page, text)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
