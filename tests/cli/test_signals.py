"""`edgeattr run` as a service: asked to end, killed, told to read its configuration again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from edgeattr.search.store import PeopleReader

_SITE = """
[events]
path = "people.jsonl"
[store]
path = "people.sqlite"
[pipeline]
workers = 2
[[sources]]
name = "walk"
address = "{video}"
loop = true
output = "walk.mp4"
"""


class _Run:
    """A run of a site in a folder."""

    def __init__(self, folder: Path, site: str) -> None:
        self.folder = folder
        (folder / "site.toml").write_text(site)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edgeattr", "run", "--config", str(folder / "site.toml")],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "EDGEATTR_HOME": str(folder / "home")},
        )

    def events(self) -> list[dict[str, Any]]:
        """Whole lines of the events file."""
        path = self.folder / "people.jsonl"
        text = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line[-1] == "\n"]

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            assert time.monotonic() < end, "not in time"
            time.sleep(0.02)


@pytest.fixture
def run(tmp_path: Path, walking_video: Path) -> Iterator[_Run]:
    started = _Run(tmp_path, _SITE.format(video=walking_video))
    yield started
    started.process.kill()
    started.process.communicate()


def _stored(folder: Path) -> set[str]:
    with PeopleReader(folder / "people.sqlite") as reader:
        return {event["id"] for event in reader.find()}


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT]])
def test_asked_to_end_it_leaves_whole_files(run: _Run, signals: list[int]) -> None:
    run.wait_for(lambda: len(run.events()) >= 2)
    for number in signals:
        run.process.send_signal(number)
    _, errors = run.process.communicate(timeout=30)
    assert run.process.returncode == 0, errors
    *people, summary = run.events()
    assert summary["type"] == "summary"
    assert summary["people"] == len(people)
    assert {person["id"] for person in people} == _stored(run.folder)
    capture = cv2.VideoCapture(str(run.folder / "walk.mp4"))
    frames = 0
    while capture.read()[0]:
        frames += 1
    assert frames == summary["frames"]
    assert not [path for path in run.folder.iterdir() if path.name.startswith(".")]


def test_it_reads_its_configuration_again(run: _Run, walking_video: Path) -> None:
    site = run.folder / "site.toml"
    more = '[[sources]]\nname = "second"\naddress = "{video}"\nloop = true\n'
    run.wait_for(lambda: len(run.events()) >= 1)
    site.write_text("[[sources]\n")  # broken: all goes on as before
    run.process.send_signal(signal.SIGHUP)
    before = len(run.events())
    run.wait_for(lambda: len(run.events()) > before)
    site.write_text((_SITE + more).format(video=walking_video))
    run.process.send_signal(signal.SIGHUP)
    run.wait_for(lambda: any(event["stream"] == "second" for event in run.events()))
    site.write_text(_SITE.partition("[[sources]]")[0] + more.format(video=walking_video))
    run.process.send_signal(signal.SIGHUP)
    run.wait_for(
        lambda: any(e["type"] == "summary" and e["stream"] == "walk" for e in run.events())
    )
    before = len(run.events())
    run.wait_for(lambda: len(run.events()) > before)
    assert {event["stream"] for event in run.events()[before:]} == {"second"}
    run.process.terminate()
    _, errors = run.process.communicate(timeout=30)
    assert "was not read again, all goes on as before" in errors
    assert "second was added" in errors
    assert "walk was removed" in errors
