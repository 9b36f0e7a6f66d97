import typing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgeattr.cli import app as cli_app
from edgeattr.cli.site_config import (
    CropsSection,
    EventsSection,
    Site,
    SourceSection,
    StoreSection,
    load_site,
)
from edgeattr.core.config import read_toml
from edgeattr.core.errors import UsageError

_EXAMPLE = Path(__file__).parents[2] / "docs" / "systemd" / "site.toml"


def _write(folder: Path, text: str) -> Path:
    path = folder / "site.toml"
    path.write_text(text)
    return path


def test_paths_are_of_the_file_s_folder_and_addresses_stay(tmp_path: Path) -> None:
    site = load_site(
        _write(
            tmp_path,
            """
            [store]
            path = "people.sqlite"
            retention_days = 3
            [privacy]
            audit = "/var/log/audit.jsonl"
            [[sources]]
            address = "clip.mp4"
            output = "out/clip.mp4"
            [[sources]]
            name = "door"
            address = "rtsp://camera/1"
            """,
        )
    )
    assert site.store.path == tmp_path / "people.sqlite"
    assert site.store.retention_days == 3.0
    assert site.privacy.audit == Path("/var/log/audit.jsonl")
    clip, door = site.sources
    assert clip.address == str(tmp_path / "clip.mp4")
    assert clip.output == tmp_path / "out" / "clip.mp4"
    assert (door.address, door.is_live, clip.is_live) == ("rtsp://camera/1", True, False)


_CAMERA = "\n[[sources]]\naddress = '0'"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[detector]\nformat = 'yolo'" + _CAMERA, "no detector format 'yolo'; there are: yolox, "),
        (
            "[detector]\ninput = '650'" + _CAMERA,
            "detector input '650'; expected",
        ),
        ("[detector]\ntiles = '9x9'" + _CAMERA, "detector tiles '9x9'; expected COLUMNSxROWS"),
        ("detector = 'yolox_s'", r"site\.toml names no source; write \[\[sources\]\]"),
        ("[[sources]]\nname = 'x'", r"site key sources\[0\]\.address is missing"),
        ("[[sources]]\naddress = '0'\nadress = '1'", r"unknown site key sources\[0\]\.adress"),
        (
            "output = 'a.mp4'\n[[sources]]\naddress = '0'",
            "unknown site key output; expected one of",
        ),
        ("[[sources]]\naddress = '0'\n[[sources]]\naddress = '0'", "two streams called '0'"),
        ("[[sources]]\naddress = '0'\n[pipeline]\ndetect_every = 0", "detect_every is 0"),
        ("[[sources]]\naddress = '0'\n[mqtt]\ntopic = 'a'", "site key mqtt.url is missing"),
        ("[[sources]]\naddress = '${NONE_SUCH}'", "environment variable NONE_SUCH"),
        ("[[sources]]\naddress = '0'\ntransport = 'icmp'", "wants one of tcp, udp"),
        (
            "[events]\npath = 'a.mp4'\n[[sources]]\naddress = '0'\noutput = 'a.mp4'",
            "two results would be written to",
        ),
        ("[[sources]]\naddress = 'a.mp4'\noutput = 'a.mp4'", "is an input of this run"),
        ("[events]\npath = 'a'\n[[sources]]\naddress = 'a'", "is an input of this run"),
        ("[store]\npath = 'a'\n[events]\npath = 'a'\n[[sources]]\naddress = '0'", "two results"),
        ("[[sources]]\naddress = '0'\noutput = 'x.avi'", "only .mp4 files can be written"),
        ("[[sources]]\naddress = '0'\nmax_frames = 0", r"toml: sources\[0\]: max_frames is 0"),
        (
            "[[sources]]\naddress = '0'"
            + _CAMERA.replace("0", "1")
            + "\nzones = [{ name = 'a', points = [[0, 0], [1, 0], [2, 1]] }]",
            r"toml: sources\[1\]\.zones\[0\]: zone 'a': point 3 \(2, 1\) lies outside",
        ),
        ("[store]\npath = 'a'\nretention_days = -1\n[[sources]]\naddress = '0'", "above 0"),
        ("[store]\npath = 'a'\nretention_days = 1e300" + _CAMERA, "36500 at most"),
        ("[store]" + _CAMERA, r"site key store\.path is missing"),
        ("[store]\npath = 'a\\u0000'".replace("'", '"') + _CAMERA, "path holds no null character"),
        ("[events]\npath = 'a'\nrotate_mb = 0" + _CAMERA, "rotate_mb is 0; expected MiB, above 0"),
        ("[events]\npath = 'a'\nrotate_mb = 1\nkeep = -1" + _CAMERA, "keep is -1; expected 1"),
        ("[mqtt]\nurl = 'mqtt://x'\nspool_mb = 0" + _CAMERA, "spool_mb is 0; expected MiB"),
        ("[webhook]\nurl = 'http://x'\nspool_mb = -1" + _CAMERA, "spool_mb is -1; expected MiB"),
        ("[webhook]\nurl = 'http://x'\nbatch = 0" + _CAMERA, "batch is 0; expected at least 1"),
        (
            "[mqtt]\nurl = 'mqtt://x'\nattributes = ['hta']" + _CAMERA,
            "told to Home Assistant alone; add home_assistant = true",
        ),
        ("[mqtt]\nurl = 'mqtt://x'\nspool = '.'" + _CAMERA, "is a folder; name a file"),
        ("[store]\npath = 'a'\n[crops]\npath = 'a'" + _CAMERA, "a file and a folder of pictures"),
        ("[events]\npath = 'site.toml'" + _CAMERA, "a result would replace this file"),
        (
            "[model]\nfoo = 1" + _CAMERA + "\nzones = [{ name = 'a', points = [[0, 0]] }]",
            r"site\.toml: unknown site key model\.foo",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(UsageError, match=error):
        load_site(_write(tmp_path, text))


def test_the_example_of_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", "secret")
    site = load_site(_EXAMPLE)
    assert [source.name for source in site.sources] == ["door", "yard"]
    assert "secret" in site.sources[0].address
    assert "secret" not in site.sources[0].shown
    assert set(read_toml(_EXAMPLE, what="site")) <= set(typing.get_type_hints(Site))


_SAID = """
[detector]
path = "yolox_s"
format = "yolov8"
input = "960x544"
tiles = "2x1"
[model]
runtime = "openvino"
precision = "fp16"
device = "cpu"
[pipeline]
detect_every = 2
[events]
path = "e.jsonl"
[store]
path = "p.sqlite"
[mqtt]
url = "mqtt://broker"
[webhook]
url = "http://hook"
[metrics]
port = 9
[web]
port = 8
host = "::1"
stay = true
[crops]
path = "crops"
[evidence]
path = "sheets"
[privacy]
retention_days = 3.0
blur_faces = true
include_sensitive = true
audit = "audit.jsonl"
[[sources]]
name = "door"
address = "csi:0"
max_frames = 7
output = "v.mp4"
"""
_OPTIONS = (
    "door=csi:0 --detector yolox_s --detector-format yolov8 --detector-input 960x544 "
    "--detector-tiles 2x1 --runtime openvino --precision fp16 --device cpu --detect-every 2 "
    "--events e.jsonl --store p.sqlite --mqtt mqtt://broker --webhook http://hook --metrics 9 "
    "--web 8 --web-host ::1 --web-stay --crops crops --explain sheets --retention-days 3 "
    "--blur-faces --include-sensitive --audit audit.jsonl --max-frames 7 --output v.mp4"
)


def test_options_fill_the_model_that_a_site_s_file_fills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Site] = []
    monkeypatch.setattr("edgeattr.cli.run_site.run_site", lambda site, **more: found.append(site))
    for arguments in (
        _OPTIONS.split(), ["--config", "site.toml"], ["csi:0"],
    ):  # fmt: skip
        monkeypatch.chdir(tmp_path)
        _write(tmp_path, _SAID)
        result = CliRunner().invoke(cli_app.app, ["run", *arguments])
        assert result.exit_code == 0, result.output
    by_options, by_file, plain = found
    assert by_options == by_file
    assert (by_options.store, by_options.crops) == (
        StoreSection(path=Path("p.sqlite"), retention_days=3.0),
        CropsSection(path=Path("crops"), retention_days=3.0),
    )
    assert plain == Site(sources=(SourceSection(address="csi:0"),), events=EventsSection())


def test_appearance_counts_unless_it_is_off(tmp_path: Path) -> None:
    source = "[[sources]]\naddress = 'camera.mp4'\n"
    off = "[tracking]\nappearance = false\n"
    for text, expected in ((source, True), (off + source, False)):
        path = tmp_path / "site.toml"
        path.write_text(text)
        assert load_site(path).processing.appearance is expected
