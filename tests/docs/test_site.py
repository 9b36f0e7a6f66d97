"""The documentation builds without a warning, shows every command, and needs no network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from edgeattr.cli.app import app

from .blocks import ROOT

_LOADED = re.compile(
    r"""<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=["']?(\S+?)["'\s>]"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, built as `scripts/docs` builds it."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    paths = [str(ROOT / part) for part in ("", "train", "convert", "runtimes")]
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": ":".join(paths), "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    assert "WARNING" not in built.stderr
    return folder


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        loaded = [
            place
            for place in _LOADED.findall(page.read_text())
            if place.startswith(("http:", "https:", "//"))
        ]
        assert not loaded, page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet.read_text()), sheet


def test_search_finds_every_page(site: Path) -> None:
    index = (site / "search" / "search_index.json").read_text()
    for text in ("edgeattr convert", "--max-drop", "AttributeModel.predict_boxes", "std_s", "GDPR"):
        assert text in index


def test_every_command_and_option_is_shown(site: Path) -> None:
    page = (site / "reference" / "commands" / "index.html").read_text()
    text = re.sub(r"<[^>]+>", "", page)
    group = typer.main.get_command(app)
    options = 0
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        assert f"edgeattr {name}" in text
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--"):
                    options += 1
                    assert option in text, f"{name} {option}"
    assert options > 60


def test_public_names_are_documented(site: Path) -> None:
    import edgeattr
    import edgeattr.core.errors
    import edgeattr.search.store
    import edgeattr_runtimes

    for page, module in (
        ("edgeattr", edgeattr), ("edgeattr", edgeattr.core.errors),
        ("store", edgeattr.search.store),
        ("runtimes", edgeattr_runtimes),
    ):  # fmt: skip
        shown = (site / "api" / page / "index.html").read_text()
        exported = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__
        ]
        names = [name for name in exported if not name.startswith("_")]
        assert names
        missing = [name for name in names if not re.search(rf'id="[\w.]+\.{name}"', shown)]
        assert not missing


def test_docstrings_are_rendered(site: Path) -> None:
    """Not as raw text: no Google sections, no roles, no double backticks."""
    for page in (site / "api").rglob("index.html"):
        text = re.sub(r"<[^>]+>", "", page.read_text())
        for raw in (":meth:", ":func:", ":class:", "``", "Args:", "Example:\n"):
            assert raw not in text, f"{page}: {raw}"
