"""The Docker files without Docker: what they copy, install, run and ask."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import edgeattr
from edgeattr.core import config as settings

from .video.cameras import Camera, skip_without_gstreamer
from .waiting import until

_ROOT = Path(__file__).resolve().parent.parent
_FILES = ("docker/cpu.Dockerfile", "docker/jetson.Dockerfile")


def _instructions(file: str) -> list[tuple[str, str]]:
    """Each instruction of a Dockerfile and what it says, lines joined, comments left out."""
    lines = [line for line in (_ROOT / file).read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(name, said.strip()) for name, _, said in found]


def _said(file: str, name: str) -> list[str]:
    return [said for instruction, said in _instructions(file) if instruction == name]


def _ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path out: the last pattern that fits decides."""
    out = False
    for line in (_ROOT / ".dockerignore").read_text().split():
        pattern = line.removeprefix("!")
        if fnmatch.fnmatch(path, pattern) or path.startswith(pattern + "/"):
            out = not line.startswith("!")
    return out


@pytest.mark.parametrize("file", _FILES)
def test_what_is_copied_exists_and_is_sent_to_the_build(file: str) -> None:
    copies = [said.split() for said in _said(file, "COPY")]
    sources = [name for words in copies if not words[0].startswith("--") for name in words[:-1]]
    assert {"pyproject.toml", "constraints.txt", "edgeattr", "runtimes"} <= set(sources)
    for source in sources:
        assert (_ROOT / source).exists(), source
        assert not _ignored(source), source
    packages = settings.read_toml(_ROOT / "pyproject.toml", what="project")["tool"]["hatch"]
    for package in packages["build"]["targets"]["wheel"]["packages"]:
        assert package.split("/")[0] in sources
    assert all(map(_ignored, (".git/config", "run/best.pt", "tests/conftest.py")))


@pytest.mark.parametrize("file", _FILES)
def test_version_user_and_home(file: str) -> None:
    versions = {said for said in _said(file, "ARG") if said.startswith("VERSION=")}
    assert versions == {f"VERSION={edgeattr.__version__}"}
    assert 'edgeattr --version)" = "edgeattr ${VERSION}"' in " ".join(_said(file, "RUN"))
    assert _said(file, "USER") == ["edgeattr"]
    (volume,) = _said(file, "VOLUME")
    assert f"EDGEATTR_HOME={volume}/" in " ".join(_said(file, "ENV"))
    assert f"--home-dir {volume} --create-home" in " ".join(_said(file, "RUN"))


def _command(file: str) -> list[str]:
    (command,) = _said(file, "CMD")
    words: list[str] = json.loads(command)
    return words


def _health_check(file: str, port: int) -> list[str]:
    (check,) = _said(file, "HEALTHCHECK")
    words: list[str] = json.loads(check.partition("CMD ")[2])
    assert words[0] == "python"
    return [sys.executable, *(word.replace("9464", str(port)) for word in words[1:])]


def test_command_line_and_health_check_work(tmp_path: Path) -> None:
    """As the container runs them, with a camera that is unplugged in the end."""
    skip_without_gstreamer()
    file = "docker/cpu.Dockerfile"
    assert _command("docker/jetson.Dockerfile") == _command(file)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = (_ROOT / "docker" / "config" / "site.toml").read_text()
    for old, new in (("/var/lib/edgeattr", str(tmp_path)), ("9464", str(port))):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "site.toml").write_text(text)
    arguments = [word.replace("/etc/edgeattr", str(tmp_path)) for word in _command(file)]
    check = _health_check(file, port)
    assert check == _health_check("docker/jetson.Dockerfile", port)
    camera = Camera()
    process = subprocess.Popen(
        [sys.executable, "-m", "edgeattr", *arguments],
        env={**os.environ, "CAMERA_URL": camera.address},
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: subprocess.run(check, capture_output=True, check=False).returncode == 0, 120)
        camera.kill()
        until(lambda: subprocess.run(check, capture_output=True, check=False).returncode, 120)
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        camera.kill()
    assert (tmp_path / "people.sqlite").is_file()


@pytest.mark.parametrize("file", _FILES)
def test_images_have_one_opencv_and_it_is_the_one_without_windows(file: str) -> None:
    """benchmarks/bare_debian shows that it wants no library of X's there."""
    (said,) = [said for said in _said(file, "RUN") if "pip install" in said]
    words = said.replace("/opt/edgeattr/bin/", "").split(" && ")[-2:]
    assert words[0].split() == ["pip", "uninstall", "--yes", "opencv-python"]
    assert words[1].split()[-1] == "opencv-python-headless"
    assert "libgl1" not in " ".join(_said(file, "RUN"))
