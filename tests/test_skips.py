"""An unexpected skip fails a run in CI, and no other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from . import skips

_TESTS = """
import pytest
def test_runs():
    pass
def test_skips():
    pytest.skip({reason!r})
"""


@pytest.mark.parametrize(
    ("reason", "variables", "code", "options"),
    [
        ("could not import 'openvino'", {"CI": "true"}, 1, ()),
        ("could not import 'openvino'", {"CI": "true"}, 1, ("-n", "1")),
        ("could not import 'openvino'", {"CI": ""}, 0, ()),
        ("no real data at /data; set EDGEATTR_SHARED", {"CI": "true"}, 0, ()),
        ("mosquitto is not installed", {"CI": "true"}, 1, ()),
        ("mosquitto is not installed", {"CI": "true", "EDGEATTR_WITHOUT_SYSTEM": "1"}, 0, ()),
    ],
)
def test_in_ci(
    tmp_path: Path, reason: str, variables: dict[str, str], code: int, options: tuple[str, ...]
) -> None:
    folder = Path(skips.__file__).parent
    shutil.copy(folder / "skips.py", tmp_path / "conftest.py")
    shutil.copy(folder / "expected_skips.txt", tmp_path)
    (tmp_path / "test_it.py").write_text(_TESTS.format(reason=reason))
    without = {"CI", "EDGEATTR_WITHOUT_SYSTEM", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"}
    plain = {name: value for name, value in os.environ.items() if name not in without}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, tmp_path],
        cwd=tmp_path, env=plain | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout
    assert ("unexpected skips" in done.stdout) == (
        code == 1 or (reason.startswith("could") and not variables["CI"])
    )
