"""Nothing phones home: what a fresh HOME holds afterwards, and which names were asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_RECORDER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void record(const char *name) {
    const char *path = getenv("LOOKUPS");
    int file = path && name ? open(path, O_WRONLY | O_APPEND | O_CREAT, 0600) : -1;
    if (file >= 0) { dprintf(file, "%s\n", name); close(file); }
}
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    record(name);
    return EAI_NONAME;
}
struct hostent *gethostbyname(const char *name) { record(name); return NULL; }
"""
_CI = {"CI", "GITHUB_ACTIONS", "TF_BUILD", "JENKINS_URL", "NNCF_CI", "NNCF_DEV"}
_SWITCHES = {"ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED", "RAY_USAGE_STATS_ENABLED"}
_LOAD = """
import numpy as np, onnxruntime, sys, time
for engine in sys.argv[1:]:
    with edgeattr.load(runtime=engine) as model:
        model.predict([np.zeros((90, 40, 3), np.uint8)])
time.sleep(2)
"""

Run = Callable[..., set[str]]


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that notes each name that a process asks for, and finds none of them."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("recorder")
    source, library = folder / "lookups.c", folder / "lookups.so"
    source.write_text(_RECORDER)
    command = [compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"]
    subprocess.run(command, check=True)
    return library


@pytest.fixture
def traces(recorder: Path, tmp_path: Path) -> Run:
    """Runs Python in a fresh HOME; returns the names asked for and the files left there."""
    home, lookups = tmp_path / "fresh", tmp_path / "lookups"
    home.mkdir()

    def run(*arguments: str | Path, **variables: str) -> set[str]:
        ours = _CI | _SWITCHES | {"EDGEATTR_HOME", "EDGEATTR_OFFLINE", "MPLCONFIGDIR"}
        ours |= {name for name in os.environ if name.startswith("XDG_")}
        environment = {name: value for name, value in os.environ.items() if name not in ours}
        environment |= {
            "HOME": str(home), "LD_PRELOAD": str(recorder), "LOOKUPS": str(lookups), **variables
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, cwd=tmp_path,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        names = set(lookups.read_text().split()) if lookups.exists() else set()
        kept = home / ".cache" / "edgeattr"
        left = {path for path in home.rglob("*") if path.is_file() and kept not in path.parents}
        return names | {str(path.relative_to(home)) for path in left}

    return run


def test_the_engines_report_where_nobody_stops_them(traces: Run) -> None:
    """What the tests below would find, so that an empty answer means something."""
    pytest.importorskip("openvino")
    code = "import onnxruntime, openvino, time; time.sleep(2)"
    found = traces("-c", code)
    assert "intel/openvino_ga_cid" in found
    assert "www.google-analytics.com" in found
    assert ".cache/Microsoft/DeveloperTools/.onnxruntime/deviceid" in found


@pytest.mark.parametrize("first", ["import edgeattr", "import edgeattr_runtimes; import edgeattr"])
def test_loading(traces: Run, first: str) -> None:
    pytest.importorskip("openvino")
    assert traces("-c", first + _LOAD, "onnxruntime", "openvino") == set()


def test_the_command_line(traces: Run, tiny_peta: Path, walking_video: Path) -> None:
    image = next((tiny_peta / "images").iterdir())
    assert traces("-m", "edgeattr", "predict", image, "--json") == set()
    run = ("-m", "edgeattr", "run", walking_video, "--events", "e.jsonl")
    assert traces(*run) == set()
    assert traces("-m", "edgeattr", "doctor") == set()


@pytest.mark.slow  # a minute and a half of a processor
def test_training_and_converting(traces: Run, tiny_peta: Path) -> None:
    pytest.importorskip("torch")
    data = f"peta:{tiny_peta}"
    changes = ("height=64", "width=32", "schedule.epochs=1", "schedule.small_epochs=0",
               "schedule.batch=26", "name=tiny")  # fmt: skip
    options = [part for change in changes for part in ("--set", change)]
    assert traces("-m", "edgeattr", "train", "--data", data, "--out", "run", *options) == set()
    convert = ("-m", "edgeattr", "convert", "run/tiny.edgeattr", "--int8", "--to", "openvino")
    contract = ("--max-drop", "100", "--min-speedup", "0.01", "--out", "int8.edgeattr")
    assert traces(*convert, "--calib", data, *contract) == set()


def test_what_a_user_has_set_stays(tmp_path: Path) -> None:
    code = (
        "import edgeattr, os, sys;"
        "print(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['ORT_TELEMETRY_DISABLED'],"
        "os.environ['RAY_USAGE_STATS_ENABLED'], 'openvino_telemetry' in sys.modules)"
    )

    def switches(**variables: str) -> str:
        plain = {name: value for name, value in os.environ.items() if name not in _SWITCHES}
        return subprocess.run(
            [sys.executable, "-c", code], env=plain | {"HOME": str(tmp_path)} | variables,
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip

    assert switches() == "1 1 0 True"
    assert switches(ORT_DISABLE_TELEMETRY="0") == "0 0 0 True"
    assert switches(RAY_USAGE_STATS_ENABLED="1") == "1 1 1 True"
    (tmp_path / "intel").mkdir()
    (tmp_path / "intel" / "openvino_telemetry").write_text("1")
    assert switches() == "1 1 0 False"
