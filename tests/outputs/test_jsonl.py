import contextlib
import errno
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from edgeattr.core.errors import OutputError, UsageError
from edgeattr.outputs import EventsFile


def _read(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_events_are_in_the_file_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "new" / "events.jsonl"
    sink = EventsFile(path)
    sink.write({"type": "person", "name": "Zoë"})
    assert _read(path) == [{"type": "person", "name": "Zoë"}]
    sink.write({"type": "summary"})
    sink.close()
    sink.close()
    assert len(_read(path)) == 2
    with pytest.raises(OutputError, match="closed"):
        sink.write({})
    EventsFile(path).close()
    assert path.read_bytes() == b"", "without append a run begins anew"


def test_events_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    sink = EventsFile(None)
    sink.write({"a": 1})
    sink.close()
    assert capsys.readouterr().out == '{"a": 1}\n'


def test_what_cannot_be_written_as_json_or_rotated(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        EventsFile(tmp_path, append=True)
    with pytest.raises(UsageError, match="rotation needs a file"):
        EventsFile(None, max_bytes=100)
    sink = EventsFile(tmp_path / "events.jsonl")
    with pytest.raises(OutputError, match="as JSON"):
        sink.write({"p": float("nan")})
    sink.write({"p": 0.5})
    sink.close()
    assert _read(tmp_path / "events.jsonl") == [{"p": 0.5}]


@pytest.mark.parametrize(("torn", "kept"), [
    (b"", []), (b'{"a": 1', []), (b'{"a": 1}', [{"a": 1}]), (b'{"a": 1}\n', [{"a": 1}]),
    (b'{"a": 1}\n{"b": "\xc3', [{"a": 1}]), (b'{"a": 1}\n{"b": 2}', [{"a": 1}, {"b": 2}]),
    (b'{"a": 1}\n12', [{"a": 1}]), (b'{"a": 1}\n' + b'"' + b"x" * 200_000, [{"a": 1}]),
])  # fmt: skip
def test_a_torn_last_line_is_mended(tmp_path: Path, torn: bytes, kept: list[Any]) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(torn)
    sink = EventsFile(path, append=True)
    sink.write({"c": 3})
    sink.close()
    assert _read(path) == [*kept, {"c": 3}]


def test_a_growing_file_is_renamed_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = EventsFile(path, append=True, max_bytes=45, keep=2)
    for number in range(11):
        sink.write({"number": number})  # 14 bytes, two of them with two digits
    sink.write({"number": "x" * 100})
    sink.close()
    files = [path, path.with_name("events.jsonl.1"), path.with_name("events.jsonl.2")]
    assert sorted(tmp_path.iterdir()) == files
    numbers = [[event["number"] for event in _read(file)] for file in files]
    assert numbers == [["x" * 100], [9, 10], [6, 7, 8]]


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = EventsFile(path, max_bytes=40_000, keep=50)
    sent = [{"name": name, "number": n, "text": "ä" * 50} for name in range(6) for n in range(200)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(sink.write, sent))
    sink.close()
    events = [event for file in tmp_path.iterdir() for event in _read(file)]
    assert sorted(events, key=lambda it: (it["name"], it["number"])) == sent
    assert len(list(tmp_path.iterdir())) > 3


def test_a_pipe_whose_reader_went_away_is_told(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink = EventsFile(path, append=True)
    sink.write({"a": 1})
    assert os.read(reader, 100) == b'{"a": 1}\n'
    os.close(reader)
    with pytest.raises(OutputError, match="Broken pipe"):
        sink.write({"a": 2})
    sink.close()


def test_what_was_renamed_stays_while_no_new_file_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = EventsFile(tmp_path / "events.jsonl", max_bytes=45, keep=2)
    for number in range(9):
        sink.write({"number": number})
    with monkeypatch.context() as full:
        full.setattr(os, "open", _no_more_files)
        for _ in range(5):
            with pytest.raises(OutputError, match="Too many open files"):
                sink.write({"number": "lost"})
    sink.write({"number": 9})
    sink.close()
    numbers = [[event["number"] for event in _read(file)] for file in sorted(tmp_path.iterdir())]
    assert numbers == [[9], [6, 7, 8], [3, 4, 5]]


def _no_more_files(*_: Any) -> int:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_closing_does_not_wait_for_a_reader_that_takes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink = EventsFile(path, append=True)
    writer = threading.Thread(target=sink.write, args=[{"text": "x" * (1 << 21)}], daemon=True)
    writer.start()
    writer.join(0.5)
    closing = threading.Thread(target=sink.close, daemon=True)
    closing.start()
    closing.join(20)
    assert writer.is_alive()
    assert not closing.is_alive()
    while writer.is_alive():
        with contextlib.suppress(BlockingIOError):
            os.read(reader, 1 << 20)
    os.close(reader)
    sink.close()
