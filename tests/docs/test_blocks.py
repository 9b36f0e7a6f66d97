"""Every command and every program in the documentation runs as it stands there."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgeattr.core import config as settings

from ..outputs.mqtt_broker import mosquitto
from ..video.cameras import Camera, skip_without_gstreamer
from .blocks import ROOT, blocks_of, end_groups, pages, run_block
from .material import make_material, make_programs

_LANGUAGES = {
    "bash", "c++", "csv", "dockerfile", "ini", "json", "nginx", "python", "text", "toml", "yaml",
}  # fmt: skip
_ALL = {page: [block for block in blocks_of(page) if block.runs] for page in pages()}
_QUICK = [page for page, found in _ALL.items() if any(not block.mark for block in found)]
_SLOW = [page for page, found in _ALL.items() if any(block.mark == "slow" for block in found)]

# Blocks that no test runs, by page: their reasons in order. Another one is added here on purpose.
_NOT_RUN: dict[str, list[str]] = {
    "docs/support.md": ["it changes the environment that the tests run in"] * 2,
    "README.md": [
        "sets up an environment",
        "installs packages",
    ],
    "docs/how-to/convert.md": ["installs packages, converts for an hour"],
    "docs/docker.md": ["needs a Docker daemon", "needs a Docker daemon", "needs a Jetson"],
    "docs/how-to/mqtt.md": ["installs packages"],
    "docs/how-to/own-data.md": ["installs packages", "trains for hours"],
    "docs/how-to/prometheus.md": ["installs packages"],
    "docs/how-to/service.md": ["needs root and systemd"],
    "docs/index.md": ["installs packages"],
    "docs/jetson.md": ["needs a Jetson", "needs a Jetson", "needs a Jetson"],
    "docs/model-card.md": ["needs edgeattr's repository"],
    "docs/web.md": [
        "goes on until Ctrl-C",
        "needs a device",
        "goes on until Ctrl-C",
        "needs a run with a page",
    ],
    "examples/README.md": [
        "needs several machines",
        "needs videos that are not in this repository",
    ],
    "docs/training.md": ["installs packages", "trains for hours", "trains for hours"],
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs") / "bin"
    make_programs(folder)
    return folder


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory, shared: Path, programs: Path) -> Path:
    folder = tmp_path_factory.mktemp("material") / "given"
    make_material(folder, shared, programs)
    return folder


@pytest.fixture
def environment(programs: Path) -> dict[str, str]:
    """What blocks find in their environment: the programs of this checkout, no way to download."""
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"
    parts = [str(ROOT / part) for part in ("", "train", "convert", "runtimes")]
    return {**os.environ, "PATH": path, "PYTHONPATH": ":".join(parts), "OMP_NUM_THREADS": "2"}


def _run_page(
    page: str, material: Path, folder: Path, environment: dict[str, str], *, slow: bool
) -> None:
    """Run a page's blocks in order, each in a process of its own, in a fresh copy of the folder."""
    chosen = [block for block in _ALL[page] if not block.mark or (slow and block.mark == "slow")]
    text = "\n".join(block.text for block in chosen)
    shutil.copytree(material, folder, symlinks=True)
    with contextlib.ExitStack() as stack:
        if "CAMERA_URL" in text:
            skip_without_gstreamer()
            camera = Camera()
            stack.callback(camera.kill)
            environment["CAMERA_URL"] = camera.address
        if "BROKER" in text:
            broker = stack.enter_context(mosquitto(folder))
            broker.start()
            environment["BROKER"] = f"mqtt://127.0.0.1:{broker.port}"
        running: list[subprocess.Popen[bytes]] = []
        stack.callback(end_groups, running)
        for block in chosen:
            running.append(run_block(block, folder, environment))


@pytest.mark.parametrize("page", _QUICK)
def test_blocks_run(page: str, material: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    _run_page(page, material, tmp_path / "page", environment, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", _SLOW)
def test_blocks_run_that_take_long(
    page: str, material: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    _run_page(page, material, tmp_path / "page", environment, slow=True)


def test_blocks_that_are_not_run_are_these() -> None:
    found = {
        page: [block.reason for block in blocks if block.mark == "not run"]
        for page, blocks in _ALL.items()
    }
    assert {page: reasons for page, reasons in found.items() if reasons} == _NOT_RUN


@pytest.mark.parametrize("page", pages())
def test_every_fence_is_closed_and_says_its_language(page: str) -> None:
    """So that no command hides in a block that no test looks at."""
    blocks = blocks_of(page)
    assert (ROOT / page).read_text().count("```") == 2 * len(blocks), "a fence is not closed"
    for block in blocks:
        assert block.language in _LANGUAGES, f"{page}:{block.line}: say the language after ```"
        assert block.runs or not block.mark, f"{page}:{block.line}: nothing that runs is marked"


def test_extras_that_pages_install_exist() -> None:
    project = settings.read_toml(ROOT / "pyproject.toml", what="project")["project"]
    known = set(project["optional-dependencies"])
    for page in pages():
        for names in re.findall(r"(?:edgeattr|\.)\[([a-z,]+)\]", (ROOT / page).read_text()):
            assert set(names.split(",")) <= known, f"{page} installs [{names}]"


def test_python_blocks_have_the_types_that_they_should(tmp_path: Path) -> None:
    """Of the site; the README leaves out what a type checker wants and a reader does not."""
    files = []
    for page, blocks in _ALL.items():
        if not page.startswith("docs/"):
            continue
        for block in blocks:
            if block.language == "python" and not block.mark:
                name = page.replace("/", "_").replace(".", "_").replace("-", "_")
                files.append(tmp_path / f"{name}_{block.line}.py")
                files[-1].write_text(block.text)
    found = subprocess.run(
        [sys.executable, "-m", "mypy", *files],  # with the cache that scripts/check has filled
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
