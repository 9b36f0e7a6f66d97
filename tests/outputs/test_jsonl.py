import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from edgeattr.core.errors import OutputError, UsageError
from edgeattr.outputs import EventsFile

from ..small_disk import small_disk


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


def test_unwritable_places(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        EventsFile(tmp_path / "file" / "events.jsonl")
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

    def write(name: int) -> None:
        for number in range(200):
            sink.write({"name": name, "number": number, "text": "ä" * 50})

    threads = [threading.Thread(target=write, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.close()
    events = [event for file in tmp_path.iterdir() for event in _read(file)]
    assert {(event["name"], event["number"]) for event in events} == {
        (name, number) for name in range(6) for number in range(200)
    }
    assert len(events) == 1200
    assert len(list(tmp_path.iterdir())) > 3


def test_a_kill_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    code = (
        "import sys\nfrom pathlib import Path\nfrom edgeattr.outputs import EventsFile\n"
        f"sink = EventsFile(Path({str(path)!r}), append=True)\n"
        "for number in range(10**9):\n"
        " sink.write({'number': number, 'text': 'x' * 20_000})\n"
        " sys.stdout.write(f'{number}\\n')\n sys.stdout.flush()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        for _ in range(random.Random(2).randrange(50, 150)):
            last = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        last = int((writer.stdout.read().split(b"\n")[:-1] or [last])[-1])
    EventsFile(path, append=True).close()
    numbers = [event["number"] for event in _read(path)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > last


def _write_until_refused(sink: EventsFile) -> None:
    for number in range(1, 10_000):
        sink.write({"number": number, "text": "x" * 3000})


def test_a_full_disk_is_told_and_leaves_no_half_line(tmp_path: Path) -> None:
    path = tmp_path / "disk" / "events.jsonl"
    with small_disk(path.parent) as fill:
        sink = EventsFile(path)
        sink.write({"number": 0})
        fill(True)
        with pytest.raises(OutputError, match=r"No space|too large"):
            _write_until_refused(sink)
        kept = len(_read(path))
        fill(False)
        sink.write({"number": "after"})
        sink.close()
        assert len(_read(path)) == kept + 1


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
