"""`edgeattr run --web`: the page of a real run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import edgeattr
from edgeattr.cli import app as cli_app
from edgeattr.cli.site_config import (
    CropsSection,
    EventsSection,
    Site,
    SourceSection,
    WebSection,
    load_site,
)
from edgeattr.cli.site_pipeline import SitePipeline
from edgeattr.core.errors import MissingDependency, UsageError
from edgeattr.video.detectors import Detector
from edgeattr.video.options import PipelineOptions
from edgeattr.web import RecentPeople
from edgeattr.web.app import STATIC

from ..waiting import until
from .people import Client, open_page


def _get(address: str, token: str | None = None) -> Any:
    request = urllib.request.Request(address)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=20) as answer:
        content = answer.read()
    return json.loads(content) if "json" in answer.headers.get("Content-Type", "") else content


def test_a_run_of_a_video_with_crops(shared: Path, tmp_path: Path) -> None:
    video = shared / "videos" / "one-by-one-person-detection.mp4"
    run = subprocess.Popen(
        [sys.executable, "-m", "edgeattr", "run", str(video), "--web", "0", "--web-stay",
         "--max-frames", "100", "--crops", str(tmp_path / "crops")],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "EDGEATTR_WEB_TOKEN": "a long enough token"},
    )  # fmt: skip
    try:
        address = until(lambda: _address(run.stderr.readline()))  # type: ignore[union-attr]
        token = "a long enough token"
        client = Client(address + "api/events", {"Authorization": f"Bearer {token}"})
        for kind, data, _ in client.events():
            if kind == "state" and data["streams"][0]["state"] == "ended":
                break
        people = _get(address + "api/people?in_view=false", token)["people"]
        assert people
        picture = _get(address + people[0]["picture"], token)
        assert picture.startswith(b"\xff\xd8")
        (tmp_path / "crops" / f"{people[0]['id']}.jpg").unlink()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            _get(address + people[0]["picture"], token)
        state = _get(address + "api/state", token)
        assert state["healthy"] is True
        assert state["counts"]["people_since_start"] == len(people)
        assert state["counts"]["people_in_view"] == 0
        assert len(state["counts"]["attributes"]) == 81  # of 87, six of them sensitive
        run.send_signal(signal.SIGINT)  # while a visitor is connected
        out, errors = run.communicate(timeout=30)
        assert run.returncode == 0, errors
        assert out == "", "the page is a result: nothing goes to standard output"
        client.close()
    finally:
        run.kill()
        run.communicate()


def _address(line: str) -> str | None:
    found = re.search(r"live page: (http://\S+)", line)
    return found[1] if found else None


@pytest.fixture(scope="module")
def model() -> Iterator[edgeattr.AttributeModel]:
    with edgeattr.load() as loaded:
        yield loaded


def test_who_is_in_view_reaches_the_page_and_no_other_sink(
    walking_video: Path, tmp_path: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    site = Site(
        sources=(
            SourceSection(address=str(walking_video), name="walk", loop=True),
            SourceSection(address=str(tmp_path / "none.mp4"), name="missing"),
        ),
        pipeline=PipelineOptions(workers=2),
        events=EventsSection(path=tmp_path / "people.jsonl"),
        crops=CropsSection(path=tmp_path / "crops"),
        web=WebSection(port=0, pictures=True),
    )
    with SitePipeline(site, model, detector) as pipeline:
        api = pipeline.page.address + "api/"
        picture = until(lambda: _get(f"{pipeline.page.address}live.jpg?stream=walk"))  # type: ignore[union-attr]
        assert picture.startswith(b"\xff\xd8")
        until(lambda: _get(api + "state")["streams"][0]["width"])
        people = until(lambda: _get(api + "people?in_view=true")["people"])
        assert (people[0]["stream"], people[0]["picture"]) == ("walk", None)
        pipeline.stop()
        until(lambda: pipeline.advance(0.1))
        assert _get(api + "people?in_view=true")["people"] == []
        state = _get(api + "state")
        assert state["counts"]["people_in_view"] == 0
        assert [one["stream"] for one in state["unopened"]] == ["missing"]
        names = [f"crops {tmp_path}/crops", f"events {tmp_path}/people.jsonl"]
        assert [sink["name"] for sink in state["sinks"]] == names
        left = {person["id"] for person in _get(api + "people?limit=10000")["people"]}
    lines = [json.loads(line) for line in (tmp_path / "people.jsonl").read_text().splitlines()]
    assert {line["type"] for line in lines} == {"person", "summary"}, "and no update"
    told = {line["id"] for line in lines if line["type"] == "person"}
    assert told == left
    assert people[0]["id"] in told


def test_a_failing_board_costs_a_run_nothing(
    walking_video: Path,
    tmp_path: Path,
    model: edgeattr.AttributeModel,
    detector: Detector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(self: RecentPeople, *arguments: Any) -> None:
        raise RuntimeError("a bug of the page")

    monkeypatch.setattr(RecentPeople, "write", broken)
    monkeypatch.setattr(RecentPeople, "watch", broken)
    site = Site(
        sources=(SourceSection(address=str(walking_video), name="walk"),),
        events=EventsSection(path=tmp_path / "people.jsonl"),
        web=WebSection(port=0),
    )
    with SitePipeline(site, model, detector) as pipeline:
        until(lambda: pipeline.advance(0.1))
        assert pipeline.lost == 0
        assert not any(summary.error for summary in pipeline.summaries())
    assert len((tmp_path / "people.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--web-host", "0.0.0.0"], "add --web PORT"),
        (["--web-stay"], "add --web PORT"),
        (["--web-pictures"], "add --web PORT"),
        (["--web", "99999"], "the page on port 99999"),
    ],
)
def test_options_that_make_no_sense(walking_video: Path, options: list[str], error: str) -> None:
    arguments = ["run", str(walking_video), *options]
    done = CliRunner().invoke(cli_app.app, arguments)
    said = str(done.exception) + done.output
    assert done.exit_code != 0
    assert error in said


def test_a_page_of_a_site(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    text = "[web]\nport = 0\nhosts = ['cams.test']\npeople = {}\n[[sources]]\naddress = '0'"
    path.write_text(text.format(50))
    assert load_site(path).web == WebSection(port=0, hosts=("cams.test",), people=50)
    path.write_text(text.format(0))
    with pytest.raises(UsageError, match="people are 0; expected 1 to 10000"):
        load_site(path)


def test_without_its_packages_it_says_which_extra_brings_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingDependency, match=r'pip install "edgeattr\[web\]"'):
        open_page()


def test_the_files_of_the_page_load_nothing_from_elsewhere() -> None:
    for path in (*STATIC.iterdir(), *(STATIC.parent / "pages").iterdir()):
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        for word in ("http:", "https:", "//cdn", "innerHTML", "eval(", "<style", "style="):
            assert word not in text, f"{path.name}: {word}"
