"""Pages that are made when the site is built, so that they cannot go stale.

`reference/commands.md` comes from the commands themselves; the changelog, how to contribute and the
examples are files of the project that people also read without the site.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

from edgeattr.cli.app import app

_ROOT = Path(__file__).resolve().parent.parent.parent
_INCLUDED = {  # page -> file of the project
    "architecture.md": "ARCHITECTURE.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "examples.md": "examples/README.md",
}
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that no file under docs/ holds."""
    pages = {page: included(_ROOT / name) for page, name in _INCLUDED.items()}
    pages["reference/commands.md"] = commands_page()
    for page, content in pages.items():
        files.append(File.generated(config, page, content=content))
    return files


def commands_page() -> str:
    """Every command, argument and option of `edgeattr`, as Markdown."""
    group = typer.main.get_command(app)
    context = typer.Context(group, info_name="edgeattr")
    return get_docs_for_click(obj=group, ctx=context, name="edgeattr", title="Command line")


def included(path: Path) -> str:
    """A file of the project as a page; links into docs/ stay, others become plain text."""
    folder = PurePosixPath(path.parent.relative_to(_ROOT))

    def replaced(link: re.Match[str]) -> str:
        target = (_ROOT / folder / link[2]).resolve()
        docs = _ROOT / "docs"
        if target.is_relative_to(docs):
            return f"[{link[1]}]({target.relative_to(docs).as_posix()}{link[3] or ''})"
        return link[1]

    return _LINK.sub(replaced, path.read_text())
