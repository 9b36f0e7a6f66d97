from pathlib import Path

import pytest

from edgeattr.core.errors import InputError, UsageError
from edgeattr.video.sources import SourceOptions, SourceSpec, check_source
from edgeattr.video.sources.address import kind_of, without_password


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("0", "device"),
        ("/dev/video2", "device"),
        ("csi:1", "device"),
        ("v4l2src ! videoconvert ! appsink", "pipeline"),
        ("rtsp://camera/1", "network"),
        ("RTSPS://camera/1", "network"),
        ("http://camera/video.mjpg", "network"),
        ("https://camera/live.m3u8?token=1", "network"),
        ("https://server/clip.mp4?token=1", "file"),
        ("udp://@239.0.0.1:1234", "network"),
        ("clip.mp4", "file"),
        ("file:///clips/one.mkv", "file"),
        ("C:file", "file"),
    ],
)
def test_kinds(address: str, kind: str) -> None:
    assert kind_of(address) == kind


def test_a_folder(tmp_path: Path) -> None:
    assert kind_of(str(tmp_path)) == kind_of(tmp_path.as_uri()) == "folder"


def test_an_unknown_scheme_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no source of the kind ftp://; there are rtsp, "):
        check_source("ftp://user:secret@host/x")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://user:secret@host:554/a", "rtsp://host:554/a"),
        ("rtsp://user@host/a", "rtsp://host/a"),
        ("http://host/a?user=x&password=secret&n=1", "http://host/a?user=***&password=***&n=1"),
        ("http://host/a?access_token=secret#top", "http://host/a?access_token=***#top"),
        ("tried rtsp://u:secret@a/1 and http://v:secret@b/2", "tried rtsp://a/1 and http://b/2"),
        ("a@b.mp4", "a@b.mp4"),
        ("rtsp://admin:p@ss@cam/1", "rtsp://cam/1"),
        ("rtsp://admin:pa/ss@cam/1", "rtsp://cam/1"),
        ("rtsp://cam:554/user=admin_password=X_channel=1", "rtsp://cam:554/user=***"),
        ("http://cam/?loginuse=a&loginpas=X", "http://cam/?loginuse=***&loginpas=***"),
        (
            "rtspsrc location=rtsp://cam user-id=admin user-pw=X ! appsink",
            "rtspsrc location=rtsp://cam user-id=*** user-pw=*** ! appsink",
        ),
    ],
)
def test_credentials_are_not_shown(text: str, shown: str) -> None:
    assert without_password(text) == shown


def test_a_spec_is_shown_by_name_or_without_password() -> None:
    assert SourceSpec(address="rtsp://u:secret@h/1", name="door").shown == "door"
    assert SourceSpec(address="rtsp://u:secret@h/1").shown == "rtsp://h/1"


@pytest.mark.parametrize("address", ["", "a\0b", "caf\udce9.mp4"])
def test_names_that_cannot_be_opened(address: str) -> None:
    with pytest.raises(InputError, match="not a name in UTF-8"):
        check_source(address)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"transport": "icmp"}, "neither tcp nor udp"), ({"stall_seconds": 0}, "stall_seconds is 0")],
)
def test_options_that_make_no_sense(options: dict[str, object], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        SourceOptions(**options)  # type: ignore[arg-type]
