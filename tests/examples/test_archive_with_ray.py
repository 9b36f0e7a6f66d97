"""An archive on a real Ray, with workers and drivers that are killed."""

from __future__ import annotations

import collections
import contextlib
import fcntl
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from edgeattr.core.files import atomic_path
from edgeattr.core.hub import default_bundle

from ..conftest import json_lines as _lines
from ..outputs.mqtt_broker import free_port
from .conftest import EXAMPLES, Run

pytest.importorskip("ray")

_GOOD = 6


@pytest.fixture(scope="module", autouse=True)
def _quiet_ray() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # nothing is written to the home directory
        yield


@pytest.fixture(scope="module")
def cluster(_quiet_ray: None) -> Iterator[tuple[str, str]]:
    """A cluster of one node: its address, and that for clients elsewhere."""
    for _ in range(3):  # Ray gives its own start some 30 seconds, whatever else the machine does
        with _node() as (said, addresses):
            if "Ray runtime started" in said:
                yield addresses
                return
    raise AssertionError(said)


@contextlib.contextmanager
def _node() -> Iterator[tuple[str, tuple[str, str]]]:
    """Ray's processes; what they said until they were there or gave up, and their addresses."""
    port, client = free_port(), free_port()
    folder = tempfile.mkdtemp(prefix="ray")  # sockets want a short path
    command = [
        "import sys; from ray.scripts.scripts import main; sys.exit(main())", "start", "--head",
        "--block", "--num-cpus=2", f"--port={port}", f"--ray-client-server-port={client}",
        "--node-ip-address=127.0.0.1", "--include-dashboard=false", f"--temp-dir={folder}",
        "--object-store-memory=100000000", "--disable-usage-stats",
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
    said = ""
    try:
        for line in process.stdout or ():
            said += line
            if "Ray runtime started" in line:
                break
        yield said, (f"127.0.0.1:{port}", f"ray://127.0.0.1:{client}")
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def archive(tmp_path: Path, walking_video: Path) -> Path:
    """Six videos, a cut one, and one that is none."""
    folder = tmp_path / "archive"
    (folder / "more").mkdir(parents=True)
    for number in range(_GOOD):
        shutil.copy(walking_video, folder / ("more" if number % 2 else "") / f"{number} a.mp4")
    whole = walking_video.read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "junk.MP4").write_bytes(b"junk" * 1000)
    (folder / "notes.txt").write_text("no video")
    return folder


def _check_results(out: Path) -> set[str]:
    """Every result that has its name is whole; gives the names of the videos."""
    found = set()
    for path in out.rglob("*.mp4.jsonl"):
        *people, summary = _lines(path)
        assert summary["type"] == "summary"
        assert summary["frames"] == 40
        assert len(people) == summary["people"] == 1
        assert path == out / f"{summary['stream']}.jsonl"
        found.add(summary["stream"])
    return found


def _start(archive: Path, out: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(EXAMPLES / "archive_with_ray.py"), str(archive), "--out",
               str(out), "--workers", "2", *map(str, arguments)]  # fmt: skip
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def _until(output: IO[str] | None, pattern: str) -> tuple[str, list[int]]:
    """Read what is said up to a line; gives that line, and the workers named before it."""
    workers, said = [], ""
    for line in output or ():
        said += line
        if found := re.match(r"worker: process (\d+)", line):
            workers.append(int(found[1]))
        if re.search(pattern, line):
            return line, workers
    raise AssertionError(said)


@pytest.mark.slow  # Ray gives itself little time to start on a busy machine
def test_every_video_once_although_workers_and_the_driver_are_killed(
    archive: Path, tmp_path: Path, cluster: tuple[str, str], run_example: Run
) -> None:
    out = tmp_path / "out"
    first = _start(archive, out, "--address", cluster[0], "--retries", 0)
    _, workers = _until(first.stderr, r"^\[1/8\]")
    os.kill(workers[0], signal.SIGKILL)
    _until(first.stderr, "FAILED: its worker died 1 times")
    first.kill()
    first.communicate()
    before = _check_results(out)
    assert len(before) < _GOOD

    shutil.copy(archive / "0 a.mp4", archive / "cut.mp4")  # a repaired one
    second = _start(archive, out, "--address", cluster[1])
    _, workers = _until(second.stderr, "worker: process")
    os.kill(workers[0], signal.SIGKILL)
    _until(second.stderr, "a worker died at .* will be tried again")
    second.communicate()
    assert second.returncode == 1
    assert len(_check_results(out)) == _GOOD + 1
    listed = collections.Counter(entry["stream"] for entry in _lines(out / "manifest.jsonl"))
    assert listed == collections.Counter(_check_results(out))
    (failed,) = _lines(out / "failed.jsonl")
    assert "junk.MP4: not a video" in failed["error"]
    assert not list(out.rglob("*.partial"))

    (archive / "junk.MP4").unlink()
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4.jsonl")}
    last = run_example("archive_with_ray.py", archive, "--out", out)
    total = json.loads(last.stdout)
    assert (total["read"], total["read_before"], total["people"]) == (0, _GOOD + 1, _GOOD + 1)
    assert times == {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4.jsonl")}


def test_a_ray_of_its_own_a_bundle_that_is_sent_and_damaged_videos(
    archive: Path, tmp_path: Path, run_example: Run
) -> None:
    for number in range(1, _GOOD):
        next(archive.rglob(f"{number} a.mp4")).unlink()
    bundle, out = tmp_path / "mine.edgeattr", tmp_path / "out"
    shutil.copytree(default_bundle(), bundle)
    shutil.copy(archive / "0 a.mp4", os.fsdecode(bytes(archive / "caf") + b"\xe9.mp4"))
    done = run_example(
        "archive_with_ray.py", archive, "--out", out, "--workers", 1, "--model", bundle,
        code=1,
    )  # fmt: skip
    total = json.loads(done.stdout)
    assert (total["videos"], total["read"], total["failed"]) == (4, 1, 3)
    assert _check_results(out) == {"0 a.mp4"}
    reasons = {entry["stream"]: entry["error"] for entry in _lines(out / "failed.jsonl")}
    assert "only" in reasons["cut.mp4"]
    assert "not a video" in reasons["junk.MP4"]
    assert "rename the file" in reasons["caf\\xe9.mp4"]  # no UTF-8: the rest goes on
    assert _lines(out / "cut.mp4.partial")[-1]["frames"] > 5  # what was in it is kept


def test_zones_lines_and_alerts_are_asked_of_every_video(
    tmp_path: Path, walking_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    example = importlib.import_module("archive_with_ray")
    shutil.copy(walking_video, tmp_path / "a.mp4")
    out = tmp_path / "out"
    words = ("room=0,0,1,0,1,1,0,1", "middle=0.5,1,0.5,0", "here=in zone room")
    asked = example.Asked(
        zones=(example.parse_zone(words[0]),),
        lines=(example.parse_line(words[1]),),
        alerts=(example.parse_alert(words[2]),),
    )
    model, detector = (example.Shipped(name=name, files=None) for name in ("default", "auto"))
    (video,) = example.find_videos(tmp_path, out, words)
    example.Worker(model, detector, 1, asked).read(video)
    *events, summary = _lines(out / "a.mp4.jsonl")
    kinds = collections.Counter(event["type"] for event in events)
    assert (kinds["person"], kinds["line"], kinds["alert"]) == (1, 1, 1)
    assert kinds["zone"] >= 1
    assert (summary["lines"], summary["alerts"]) == ({"middle": {"in": 1, "out": 0}}, {"here": 1})
    assert example.earlier_summary(video) == summary
    (fewer,) = example.find_videos(tmp_path, out, words[:2])
    assert example.earlier_summary(fewer) is None  # it is asked something else


def test_hidden_files_are_no_videos_and_only_torn_results_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    example = importlib.import_module("archive_with_ray")
    archive, out = tmp_path / "archive", tmp_path / ".out"
    for name in ("a.mp4", "._a.mp4", ".trash/b.mp4", "c/d.MKV"):
        (archive / name).parent.mkdir(parents=True, exist_ok=True)
        (archive / name).touch()
    videos = example.find_videos(archive, out)
    assert [video.name for video in videos] == ["a.mp4", "c/d.MKV"]
    kept = [video.result for video in videos] + [out / ".clip.mp4.jsonl", out / "a.mp4.partial"]
    for path in kept:
        with atomic_path(path) as temporary:
            pass
        temporary.touch()  # as a run leaves it that is killed while it writes
    with example.only_one(out):
        left = {path for path in out.rglob("*") if path.is_file()}
    assert left == {*kept, out / ".lock"}


def test_what_is_wrong_is_said_before_anything_starts(
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    example = importlib.import_module("archive_with_ray")
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def fail(folder: Path, *arguments: object) -> str:
        words = ["archive", folder, "--out", tmp_path / "out", *arguments]
        monkeypatch.setattr(sys, "argv", [str(word) for word in words])
        with pytest.raises(SystemExit) as ended:
            example.main()
        return f"{ended.value.code} {capsys.readouterr().err}"

    assert "is not a folder" in fail(tmp_path / "none")
    (tmp_path / "bad.edgeattr").mkdir()
    assert "no video under" in fail(tmp_path / "bad.edgeattr")
    assert "--workers and --threads" in fail(archive, "--workers", 0)
    assert "expected NAME=RULE" in fail(archive, "--alert", "hat")
    assert "did you mean `purple_upper" in fail(archive, "--alert", "x=purpel upper_body")
    assert "no zone" in fail(archive, "--alert", "x=in zone nowhere")
    assert "--line 'gate=1'" in fail(archive, "--line", "gate=1")
    assert "bundle.json" in fail(archive, "--model", tmp_path / "bad.edgeattr")
    with open(tmp_path / "out" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another run" in fail(archive)
