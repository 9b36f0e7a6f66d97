import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeattr import hub
from edgeattr.errors import DownloadError, UsageError

_CONTENT = bytes(range(256)) * 1000


class _Server(http.server.ThreadingHTTPServer):
    """Serves _CONTENT with ranges; cuts an answer short where told to."""

    cut_after: int | None = None
    ranges: list[str | None]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        body = _CONTENT[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cut_after])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.delenv("EDGEATTR_OFFLINE")
    with _Server(("127.0.0.1", 0), _Handler) as running:
        running.ranges = []
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def _remote(server: _Server, **changes: object) -> hub.RemoteFile:
    values = {
        "name": "net.onnx",
        "url": f"http://127.0.0.1:{server.server_address[1]}/net.onnx",
        "bytes": len(_CONTENT),
        "sha256": hashlib.sha256(_CONTENT).hexdigest(),
        "licence": "none",
        "summary": "a test",
        **changes,
    }
    return hub.RemoteFile(**values)  # type: ignore[arg-type]


def test_download_then_cache(server: _Server) -> None:
    seen: list[int] = []
    path = hub.fetch("net", remote=_remote(server), progress=lambda done, total: seen.append(done))
    assert path.read_bytes() == _CONTENT
    assert seen[-1] == len(_CONTENT)
    assert hub.fetch("net", remote=_remote(server)) == path
    assert server.ranges == [None]


def test_a_cut_download_is_resumed(server: _Server) -> None:
    server.cut_after = 100_000
    with pytest.raises(DownloadError, match="next try goes on from there"):
        hub.fetch("net", remote=_remote(server))
    assert not (hub.home() / "files" / "net.onnx").exists()
    server.cut_after = None
    assert hub.fetch("net", remote=_remote(server)).read_bytes() == _CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_another_file_than_published_is_removed(server: _Server) -> None:
    with pytest.raises(DownloadError, match="another file than was published"):
        hub.fetch("net", remote=_remote(server, sha256="0" * 64))
    assert list((hub.home() / "files").iterdir()) == []


def test_a_spoilt_cache_is_not_trusted(server: _Server) -> None:
    path = hub.fetch("net", remote=_remote(server))
    path.write_bytes(bytes(len(_CONTENT)))
    assert hub.fetch("net", remote=_remote(server)).read_bytes() == _CONTENT


def test_an_unusable_home_is_a_download_error(
    server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEATTR_HOME", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match="could not be downloaded"):
        hub.fetch("net", remote=_remote(server))


def test_unreachable(server: _Server) -> None:
    with pytest.raises(DownloadError, match="could not be downloaded"):
        hub.fetch("net", remote=_remote(server, url="http://127.0.0.1:9/none"))


def test_offline_says_how_to_go_on() -> None:
    with pytest.raises(DownloadError, match="EDGEATTR_OFFLINE forbids"):
        hub.fetch("yolox_nano")


def test_unknown_name() -> None:
    with pytest.raises(UsageError, match="known: yolox_nano, yolox_tiny, yolox_s"):
        hub.fetch("yolo99")


def test_home_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEATTR_HOME", str(tmp_path / "elsewhere"))
    assert hub.home() == tmp_path / "elsewhere"
    monkeypatch.delenv("EDGEATTR_HOME")
    assert hub.home() == Path.home() / ".cache" / "edgeattr"


def test_default_bundle_is_the_shipped_one_until_it_is_converted() -> None:
    assert hub.resolve_bundle(None) == hub.default_bundle()
    assert hub.resolve_bundle("other.edgeattr") == Path("other.edgeattr")


def test_published_checksums_agree_with_the_shared_list(shared: Path) -> None:
    import json

    listed = json.loads((shared / "models" / "detectors" / "known.json").read_text())
    for name, remote in hub.KNOWN.items():
        entry = listed[name]["files"][0]
        assert (remote.url, remote.bytes, remote.sha256) == (
            entry["url"],
            entry["bytes"],
            entry["sha256"],
        )
