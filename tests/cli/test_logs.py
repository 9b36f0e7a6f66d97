import json
import logging
from collections.abc import Iterator

import pytest

from edgeattr.cli.progress import set_up_logs
from edgeattr.core.errors import UsageError


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger("edgeattr")
    before = root.handlers[:], root.propagate, root.level
    yield
    root.handlers[:], root.propagate = before[0], before[1]
    root.setLevel(before[2])


def test_json_lines_without_passwords(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("json", quiet=False)
    log = logging.getLogger("edgeattr.sources")
    log.warning("%s is lost", "rtsp://user:secret@camera/1")
    try:
        raise ValueError("http://h/?token=secret")
    except ValueError:
        log.exception("failed")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["level"], first["logger"]) == ("warning", "edgeattr.sources")
    assert first["message"] == "rtsp://camera/1 is lost"
    assert first["time"].endswith("Z")
    assert "ValueError" in second["trace"]
    assert "secret" not in second["trace"]


def test_text_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("text", quiet=True)
    log = logging.getLogger("edgeattr.sources")
    log.info("not said")
    log.error("said")
    assert capsys.readouterr().err == "edgeattr: error: said\n"


def test_no_such_form() -> None:
    with pytest.raises(UsageError, match="there are: text, json"):
        set_up_logs("xml", quiet=False)
