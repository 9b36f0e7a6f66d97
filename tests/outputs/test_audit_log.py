import logging
from pathlib import Path

import pytest

from edgeattr.core.errors import OutputError
from edgeattr.outputs import AuditLog

from ..conftest import json_lines


def test_acts_are_added_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with AuditLog(path) as audit:
        audit.write("sensitive attributes are reported", {"model": "default"})
    path.write_bytes(path.read_bytes() + b'{"time": "torn')
    with AuditLog(path) as audit:
        audit.write("annotated video stored", {"file": "out.mp4"})
        first, second = json_lines(path)
    assert list(first) == ["time", "act", "detail"]
    assert first["detail"] == {"model": "default"}
    assert second["act"] == "annotated video stored"
    assert first["time"] <= second["time"]
    with pytest.raises(OutputError, match="closed"):
        audit.write("too late", {})


def test_without_a_file_acts_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with AuditLog(None) as audit:
        audit.write("crops of people are kept", {"folder": "crops", "days": 30.0})
        audit.write("a page is shown", {"address": "http://x/", "days": None, "live": False})
    assert caplog.messages == [
        "crops of people are kept: crops (days: 30)",
        "a page is shown: http://x/ (live: no)",
    ]
