"""What is released: the sdist, the wheel that is built from it, and the wheel installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgeattr
from edgeattr.core.hub import default_bundle
from edgeattr.web.app import STATIC

_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = ("edgeattr", "edgeattr_train", "edgeattr_convert", "edgeattr_runtimes")
_LARGEST = 18_000_000  # bytes, of either: two bundles ship
_FOREIGN = re.compile(
    r"(^|/)(__pycache__|\.git|\.venv[^/]*|\.mypy_cache|\.pytest_cache|site|run|out|dist)/"
    r"|\.(pyc|mat|mp4|264|pt|sqlite|jpg|jpeg)$"
)


@dataclass(frozen=True, kw_only=True)
class _Release:
    """What `python -m build` makes: the wheel comes from the sdist, so that is whole."""

    sdist: Path
    wheel: Path

    def sdist_names(self) -> list[str]:
        with tarfile.open(self.sdist) as archive:
            return [name.partition("/")[2] for name in archive.getnames()]

    def wheel_names(self) -> list[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return archive.namelist()


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> _Release:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, _ROOT],
        check=True,
        capture_output=True,
    )
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return _Release(sdist=sdist, wheel=wheel)


def test_names_and_sizes(release: _Release) -> None:
    version = edgeattr.__version__
    assert release.sdist.name == f"edgeattr-{version}.tar.gz"
    assert release.wheel.name == f"edgeattr-{version}-py3-none-any.whl"
    for path in (release.sdist, release.wheel):
        assert path.stat().st_size < _LARGEST, path


def test_an_index_would_take_them(release: _Release) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", release.sdist, release.wheel],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("PASSED") == 2


def test_the_wheel_holds_the_four_packages_the_recipes_and_the_default_bundle(
    release: _Release,
) -> None:
    names = release.wheel_names()
    for wanted in (
        *(f"edgeattr/web/static/{name}" for name in sorted(path.name for path in STATIC.iterdir())),
        *(f"{package}/py.typed" for package in _PACKAGES),
        "edgeattr/data/default.edgeattr/bundle.json",
        "edgeattr/data/person.edgeattr/bundle.json",
        "edgeattr_train/recipes/default.toml",
        "edgeattr_convert/int8.py",
        "edgeattr_runtimes/onnx_engine.py",
        f"edgeattr-{edgeattr.__version__}.dist-info/licenses/LICENSE",
        f"edgeattr-{edgeattr.__version__}.dist-info/entry_points.txt",
    ):
        assert wanted in names
    shipped = {name for name in names if name.startswith("edgeattr/data/default.edgeattr/")}
    assert len(shipped) == 4
    assert {name.split("/")[0] for name in names if not name.startswith("edgeattr-")} == set(
        _PACKAGES
    )
    assert not [name for name in names if _FOREIGN.search(name)]


def test_every_module_of_the_checkout_is_in_the_wheel(release: _Release) -> None:
    names = set(release.wheel_names())
    folders = ("", "train", "convert", "runtimes")
    for folder, package in zip(folders, _PACKAGES, strict=True):
        for path in (_ROOT / folder / package).rglob("*.*"):
            if path.suffix in (".py", ".html", ".css"):
                assert path.relative_to(_ROOT / folder).as_posix() in names


def test_the_sdist_can_be_worked_on(release: _Release) -> None:
    names = release.sdist_names()
    for wanted in (
        "LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml", "PKG-INFO",
        "constraints.txt", "mkdocs.yml", "docs/index.md", "docs/hooks/generated.py",
        "docker/cpu.Dockerfile", ".dockerignore", "tests/test_packages.py", "scripts/test",
        "benchmarks/README.md", "train/recipes/default.toml", "examples/own_detector.py",
    ):  # fmt: skip
        assert wanted in names
    ours = {"docs/images/people.jpg"}  # our output on a CC BY video, named in the README
    assert not [name for name in names if _FOREIGN.search(name) and name not in ours]


def test_the_wheel_installs_alone_and_works(release: _Release, tmp_path: Path) -> None:
    """Into a fresh environment without an index; what it depends on is lent from this one."""
    venv = tmp_path / "venv"
    uv = [sys.executable, "-m", "uv", "--quiet", "--offline"]
    subprocess.run([*uv, "venv", "--python", sys.executable, venv], check=True)
    python = venv / "bin" / "python"
    subprocess.run(
        [*uv, "pip", "install", "--python", python, "--no-deps", "--no-index", release.wheel],
        check=True,
    )
    lent = venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (lent / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    hidden = {"PYTHONPATH", "VIRTUAL_ENV"}
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    picture = tmp_path / "person.png"
    cv2.imwrite(str(picture), np.full((90, 40, 3), 120, np.uint8))

    def run(*command: object) -> str:
        return subprocess.run(
            list(map(str, command)), cwd=tmp_path, env=environment, check=True,
            capture_output=True, text=True,
        ).stdout  # fmt: skip

    where = run(python, "-c", "import edgeattr as e, edgeattr_train as t; print(e.__file__, t)")
    assert where.count(str(venv)) == 2, where
    program = venv / "bin" / "edgeattr"
    assert run(program, "--version") == f"edgeattr {edgeattr.__version__}\n"
    assert run(program, "predict", picture).startswith(f"{picture}: ")
    assert str(venv) in run(program, "models", "list")
    assert str(default_bundle()) not in run(program, "info")
