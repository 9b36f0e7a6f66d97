"""What `edgeattr run` leaves where the disk fills, a port is taken, or another run has the file."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from edgeattr.cli import app as cli_app
from edgeattr.core.errors import EdgeAttrError
from edgeattr.outputs import EventsFile, VideoFile

from ..conftest import json_lines as _events
from ..outputs.web_server import WebServer
from ..small_disk import small_disk


def _run(*arguments: object) -> tuple[int, str]:
    """Exit code and all that was said."""
    result: Result = CliRunner().invoke(cli_app.app, ["run", *map(str, arguments)])
    if isinstance(result.exception, EdgeAttrError):  # which main() turns into these
        return result.exception.exit_code, str(result.exception)
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def video_bytes(walking_video: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """The size of the annotated video."""
    path = tmp_path_factory.mktemp("video") / "v.mp4"
    assert _run(walking_video, "--output", path)[0] == 0
    return path.stat().st_size


@pytest.mark.parametrize("share", [0.0, 0.4, 0.9])
def test_a_video_for_which_there_is_no_room_is_an_error(
    walking_video: Path, tmp_path: Path, video_bytes: int, share: float
) -> None:
    events, audit, video = tmp_path / "e.jsonl", tmp_path / "audit.jsonl", tmp_path / "disk/v.mp4"
    with small_disk(video.parent) as fill:
        fill(True, int(share * video_bytes))
        code, said = _run(walking_video, "--output", video, "--events", events, "--audit", audit)
        assert [path.name for path in video.parent.iterdir()] in (["ballast"], [])
    assert code == 1
    assert "v.mp4: cannot be written" in said
    assert f"wrote {events} and" not in said
    assert "v.mp4: cannot be written" in _events(events)[-1]["error"]
    assert [line["act"] for line in _events(audit)] == ["an annotated video is being written"]


def test_what_a_web_hook_refused_and_a_free_port_are_told(
    walking_video: Path, tmp_path: Path
) -> None:
    events = tmp_path / "e.jsonl"
    with contextlib.closing(WebServer(lambda number, _: (404, {}))) as server:
        code, said = _run(
            walking_video,
            "--webhook",
            f"http://127.0.0.1:{server.port}/",
            "--metrics",
            0,
            "--events",
            events,
            "--quiet",
        )
    assert code == 1, "as where nobody has the address"
    assert f"took nothing; all that was sent, {len(_events(events))} events, was refused" in said
    assert "(HTTP status 404)" in said
    assert re.search(r"metrics: http://127\.0\.0\.1:\d+/metrics\n", said)


def test_a_web_hook_may_refuse_some_events(walking_video: Path, tmp_path: Path) -> None:
    with contextlib.closing(WebServer(lambda number, _: (200 if number else 404, {}))) as server:
        code, said = _run(walking_video, "--webhook", f"http://127.0.0.1:{server.port}/")
    assert code == 0
    assert "refused there, and dropped: 1 event\n" in said


@pytest.mark.parametrize(("option", "field"), [("--explain", "evidence"), ("--crops", "crop")])
def test_records_name_only_pictures_that_exist(
    walking_video: Path, tmp_path: Path, option: str, field: str
) -> None:
    events, folder = tmp_path / "e.jsonl", tmp_path / "disk"
    code, _ = _run(walking_video, option, tmp_path / "room", "--events", events)
    (person, summary) = _events(events)
    assert code == 0
    assert Path(person[field]).exists()
    assert "error" not in summary
    with small_disk(folder) as fill:
        fill(True)
        code, said = _run(walking_video, option, folder, "--events", events)
    (person, summary) = _events(events)
    assert code == 1
    assert field not in person
    assert "cannot be written" in summary["error"]
    assert "1 picture was lost" in said


@pytest.mark.parametrize("option", ["--store", "--events"])
def test_events_that_are_lost_are_an_error(
    walking_video: Path, tmp_path: Path, option: str
) -> None:
    audit, folder = tmp_path / "audit.jsonl", tmp_path / "disk"
    with small_disk(folder) as fill:
        fill(True, 40_000 if option == "--store" else 100)
        code, said = _run(walking_video, option, folder / "out", "--audit", audit)
    assert code == 1, said
    assert str(folder / "out") in said


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_a_run_that_cannot_begin_leaves_earlier_results(
    walking_video: Path, tmp_path: Path, taken: int
) -> None:
    events, text = tmp_path / "e.jsonl", tmp_path / "text.mp4"
    text.write_text("no video")
    events.write_text('{"type": "person"}\n')
    for arguments, expected in (
        ([walking_video, "--metrics", 99999], 2), ([walking_video, "--metrics", taken], 1),
        ([walking_video, "--web", 99999], 2), ([walking_video, "--web", taken], 1),
        ([walking_video, "--model", tmp_path / "none"], 1), ([text], 1),
        ([walking_video, "--mqtt", "http://x"], 2),
        ([walking_video, "--store", tmp_path / "text.mp4"], 1),
    ):  # fmt: skip
        code, said = _run(*arguments, "--events", events)
        assert code == expected, said
        assert events.read_text() == '{"type": "person"}\n', arguments


def test_a_file_that_another_run_writes_is_refused(walking_video: Path, tmp_path: Path) -> None:
    events, video = tmp_path / "e.jsonl", tmp_path / "v.mp4"
    other = EventsFile(events)
    other.write({"type": "person"})
    code, said = _run(walking_video, "--events", events)
    assert (code, "another run writes to it" in said) == (1, True)
    other.close()
    assert len(_events(events)) == 1
    part = VideoFile(video, (64, 48), 10)
    code, said = _run(walking_video, "--output", video)
    assert (code, "another run writes it" in said) == (1, True)
    part.close()
    assert _run(walking_video, "--output", video, "--events", events)[0] == 0


def test_one_rule_of_adding_and_replacing(walking_video: Path, tmp_path: Path) -> None:
    """A run over files replaces; one that goes on until it is stopped adds; `append` decides."""
    events, site = tmp_path / "e.jsonl", tmp_path / "site.toml"
    by_site = "[events]\npath = 'e.jsonl'\n{}\n[[sources]]\naddress = '{}'\n"
    for _ in range(2):
        assert _run(walking_video, "--events", events)[0] == 0
        assert len(_events(events)) == 2
        site.write_text(by_site.format("", walking_video))
        result = CliRunner().invoke(cli_app.app, ["run", "--config", str(site)])
        assert result.exit_code == 0, result.output
        assert len(_events(events)) == 2
    site.write_text(by_site.format("append = true", walking_video))
    assert CliRunner().invoke(cli_app.app, ["run", "--config", str(site)]).exit_code == 0
    assert len(_events(events)) == 4


def test_a_dash_is_standard_output(
    walking_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--events", "-", "--output", "v.mp4"]
    result = CliRunner().invoke(cli_app.app, ["run", str(walking_video), *options])
    kinds = [json.loads(line)["type"] for line in result.stdout.splitlines() if line[0] == "{"]
    assert kinds == ["person", "summary"]
    assert [path.name for path in tmp_path.glob("[!h]*")] == ["v.mp4"]


def test_what_waits_on_disk_is_told(walking_video: Path, tmp_path: Path) -> None:
    code, said = _run(walking_video, "--webhook", "http://127.0.0.1:9")
    assert code == 0
    assert "http://127.0.0.1:9: 2 events wait on disk for the next run" in said


def test_results_are_for_their_owner_alone(walking_video: Path, tmp_path: Path) -> None:
    events, video, audit = (tmp_path / name for name in ("e.jsonl", "v.mp4", "audit.jsonl"))
    tracks = tmp_path / "t.csv"
    store, crops, sheets = (tmp_path / name for name in ("p.sqlite", "crops", "sheets"))
    old = os.umask(0)
    try:
        code, said = _run(
            walking_video, "--events", events, "--output", video, "--audit", audit, "--store",
            store, "--crops", crops, "--explain", sheets, "--include-sensitive",
            "--tracks", tracks,
        )  # fmt: skip
    finally:
        os.umask(old)
    assert code == 0, said
    for path in (events, video, audit, tracks, store, *crops.iterdir(), *sheets.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    events.chmod(0o640)  # for a group that reads it: stays
    assert _run(walking_video, "--events", events)[0] == 0
    assert stat.S_IMODE(events.stat().st_mode) == 0o640


def test_sources_have_names(walking_video: Path, tmp_path: Path) -> None:
    events = tmp_path / "e.jsonl"
    assert _run(f"front.door={walking_video}", walking_video, "--events", events)[0] == 0
    assert {event["stream"] for event in _events(events)} == {"front.door", str(walking_video)}
    odd = tmp_path / "a=b.mp4"
    odd.write_bytes(walking_video.read_bytes())
    assert _run(odd, "--events", events)[0] == 0
    assert {event["stream"] for event in _events(events)} == {str(odd)}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--crops", "kept", "--retention-days", -1), "--retention-days is -1; expected"),
        (("--retention-days", 3), "--retention-days counts for stores"),
        (("--output", "o.avi"), "--output o.avi: only .mp4"),
        (("--output", "o.mp4", "--encoder", "foo"), "--encoder 'foo'; expected one of"),
        (("--detector-tiles", "9x9"), "--detector-tiles '9x9'; expected"),
    ],
)
def test_a_wrong_value_is_named_by_its_option(
    walking_video: Path, options: tuple[object, ...], said: str
) -> None:
    code, text = _run(walking_video, *options)
    assert code == 2
    assert text.startswith(said)
