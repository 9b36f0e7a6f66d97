"""A conversion that is killed, or whose disk is full: the old bundle stays whole."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edgeattr
from edgeattr.core.bundle import Bundle

_REPLACES = """
import os, signal, sys
from pathlib import Path
from edgeattr.core.bundle import Bundle
import edgeattr.core.files
from edgeattr_convert.conversion import ConversionData, convert
from edgeattr_convert.steps import steps_for
left = int(sys.argv[2])
replace = os.replace
def count_down(*arguments):
    global left
    if str(arguments[1]).startswith(sys.argv[1]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    replace(*arguments)
os.replace = count_down
edgeattr_convert = sys.modules["edgeattr_convert.speed"]
edgeattr_convert.LOOK_SECONDS = 0.01
target = Path(sys.argv[1])
convert(Bundle.read(target), target, steps_for(["onnx"], ["fp16"]), ConversionData())
"""


def _assert_whole(path: Path, golden: np.ndarray) -> None:
    """The bundle loads, every file is what it says, and it answers as before."""
    Bundle.read(path).verify()
    with edgeattr.load(path, runtime="onnxruntime", precision="fp32") as model:
        found = model.logits(list(model.bundle.golden.crops))
    assert np.abs(found - golden).max() < 1e-3


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, for one that is killed leaves them."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def test_killed_between_any_two_files(bundle: Bundle, tmp_path: Path, scratch: Path) -> None:
    target = tmp_path / "kept.edgeattr"
    for moment in range(20):
        shutil.rmtree(target, ignore_errors=True)
        bundle.write(target, {})
        done = subprocess.run(
            [sys.executable, "-c", _REPLACES, target, str(moment)], capture_output=True, check=False
        )
        _empty(scratch)
        _assert_whole(target, bundle.golden.logits)
        variants = list(Bundle.read(target).variants)
        if done.returncode == 0:
            assert moment >= 3, "the variant, the golden crops, the description"
            assert variants == ["onnx-fp32", "onnx-fp16"]
            return
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert variants == ["onnx-fp32"]
    raise AssertionError("it never came to its end")


@pytest.mark.slow
def test_killed_fifty_times(bundle: Bundle, tmp_path: Path, scratch: Path) -> None:
    target = tmp_path / "kept.edgeattr"
    bundle.write(target, {})
    command = [sys.executable, "-m", "edgeattr", "convert", target, "--fp16", "--quiet"]
    start = time.perf_counter()
    subprocess.run(command, check=True)
    whole = time.perf_counter() - start
    rng = random.Random(0)
    killed = 0
    while killed < 50:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0.3, 1.1) * whole)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
        _empty(scratch)
        _assert_whole(target, bundle.golden.logits)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for one bundle and a little more."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=14m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(bundle: Bundle, small_disk: Path) -> None:
    target = small_disk / "kept.edgeattr"
    bundle.write(target, {})
    files = {path.name: path.read_bytes() for path in target.iterdir()}
    done = subprocess.run(
        [sys.executable, "-m", "edgeattr", "convert", target, "--fp16"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in target.iterdir()} == files
    _assert_whole(target, bundle.golden.logits)
