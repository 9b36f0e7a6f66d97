import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeattr.core import hub
from edgeattr.core.errors import DownloadError, UsageError

from ..cli.program import edgeattr

_CONTENT = bytes(range(256)) * 1000
_WEIGHTS = bytes(reversed(range(256))) * 500


class _Server(http.server.ThreadingHTTPServer):
    """Serves _CONTENT, and _WEIGHTS to those who ask for .bin; cuts them short."""

    cut_after: int | None = None
    paths: list[str]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        body = _WEIGHTS if self.path.endswith(".bin") else _CONTENT
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cut_after])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.delenv("EDGEATTR_OFFLINE")
    with _Server(("127.0.0.1", 0), _Handler) as running:
        running.paths = []
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def _remote(server: _Server, **changes: object) -> hub.RemoteModel:
    values = {
        "name": "net.onnx",
        "url": f"http://127.0.0.1:{server.server_address[1]}/net.onnx",
        "bytes": len(_CONTENT),
        "digest": hashlib.sha256(_CONTENT).hexdigest(),
        **changes,
    }
    return _model(hub.RemoteFile(**values))  # type: ignore[arg-type]


def _model(*files: hub.RemoteFile) -> hub.RemoteModel:
    return hub.RemoteModel(files=files, licence="none", summary="a test")


def _pair(server: _Server) -> hub.RemoteModel:
    """An IR as Open Model Zoo publishes it: two files in a folder, SHA-384."""
    return _model(
        *(
            hub.RemoteFile(
                name=f"net/FP16/net.{suffix}",
                url=f"http://127.0.0.1:{server.server_address[1]}/net.{suffix}",
                bytes=len(content),
                digest=hashlib.sha384(content).hexdigest(),
            )
            for suffix, content in (("xml", _CONTENT), ("bin", _WEIGHTS))
        )
    )


@pytest.mark.parametrize(("digits", "name"), [(64, "SHA256"), (96, "SHA384")])
def test_another_file_than_published_is_removed(server: _Server, digits: int, name: str) -> None:
    told = rf"another file than was published.* its {name} is .*expected 000000000000"
    with pytest.raises(DownloadError, match=told):
        hub.fetch("net", remote=_remote(server, digest="0" * digits))
    assert list((hub.home() / "files").iterdir()) == []


def test_two_files_come_together_and_progress_counts_both(server: _Server) -> None:
    seen: list[tuple[int, int]] = []
    model = _pair(server)
    path = hub.fetch("net", remote=model, progress=lambda *done: seen.append(done))
    assert path == hub.home() / "files" / "net" / "FP16" / "net.xml"
    assert path.read_bytes() == _CONTENT
    assert path.with_suffix(".bin").read_bytes() == _WEIGHTS
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (model.bytes, model.bytes) == (len(_CONTENT) + len(_WEIGHTS),) * 2
    assert hub.fetch("net", remote=model) == path
    assert server.paths == ["/net.xml", "/net.bin"]


def test_of_two_files_the_whole_one_stays_and_the_other_comes_again(server: _Server) -> None:
    hub.fetch("net", remote=_pair(server))
    weights = hub.paths_of(_pair(server))[1]
    weights.write_bytes(b"spoilt")
    server.cut_after = 50_000
    with pytest.raises(DownloadError, match=r"net\.bin: the connection closed after 50000 of"):
        hub.fetch("net", remote=_pair(server))
    assert weights.read_bytes() == b"spoilt"  # until there is a better one
    assert len(list(weights.parent.iterdir())) == 2, "nothing of the half one stays"
    server.cut_after = None
    hub.fetch("net", remote=_pair(server))
    assert weights.read_bytes() == _WEIGHTS
    assert server.paths == ["/net.xml", *["/net.bin"] * 3]


def test_a_spoilt_cache_is_not_trusted(server: _Server) -> None:
    path = hub.fetch("net", remote=_remote(server))
    path.write_bytes(bytes(len(_CONTENT)))
    assert hub.fetch("net", remote=_remote(server)).read_bytes() == _CONTENT


def test_a_server_or_a_home_that_cannot_be_used_is_a_download_error(
    server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DownloadError, match="could not be downloaded"):
        hub.fetch("net", remote=_remote(server, url="http://127.0.0.1:9/none"))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEATTR_HOME", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match="could not be downloaded"):
        hub.fetch("net", remote=_remote(server))


def test_offline_says_how_to_go_on_and_an_unknown_name_what_there_is() -> None:
    with pytest.raises(DownloadError, match="EDGEATTR_OFFLINE forbids"):
        hub.fetch("yolox_nano")
    elsewhere = r"\.xml and https://.*\.bin elsewhere and put it there"
    with pytest.raises(DownloadError, match=elsewhere):
        hub.fetch("person-detection-retail-0013")
    with pytest.raises(UsageError, match="known: yolox_nano, yolox_tiny, yolox_s"):
        hub.fetch("yolo99")


def test_home_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub.resolve_bundle(None) == hub.default_bundle(), "until it is converted"
    assert hub.resolve_bundle("other.edgeattr") == Path("other.edgeattr")
    monkeypatch.setenv("EDGEATTR_HOME", str(tmp_path / "elsewhere"))
    assert hub.home() == tmp_path / "elsewhere"
    monkeypatch.delenv("EDGEATTR_HOME")
    assert hub.home() == Path.home() / ".cache" / "edgeattr"


@pytest.mark.parametrize("name", ["default", "person"])
def test_what_was_converted_serves_until_another_version_answers_otherwise(name: str) -> None:
    index = json.loads(
        (hub.default_bundle().with_name(f"{name}.edgeattr") / "bundle.json").read_text()
    )
    place = hub.home() / "bundles" / f"{name}.edgeattr"
    place.mkdir(parents=True)
    converted = {**index, "variants": {}, "sha256": "", "format": "1.7"}
    (place / "bundle.json").write_text(json.dumps(converted))
    assert hub.resolve_bundle(name) == place
    key = "thresholds" if name == "default" else "decision"
    (place / "bundle.json").write_text(json.dumps({**converted, key: "of an older version"}))
    assert hub.resolve_bundle(name) != place
    for damaged in ("[]", "7", "{", ""):
        (place / "bundle.json").write_text(damaged)
        assert hub.resolve_bundle(name) != place


def test_published_checksums_agree_with_the_shared_list(shared: Path) -> None:
    listed = json.loads((shared / "models" / "detectors" / "known.json").read_text())
    assert {name.removesuffix("-int8") for name in hub.KNOWN} == set(listed)
    for name, model in hub.KNOWN.items():
        published = {entry["url"]: entry for entry in listed[name.removesuffix("-int8")]["files"]}
        assert model.licence == listed[name.removesuffix("-int8")]["licence"]
        assert ("/FP16-INT8/" in model.files[0].url) == name.endswith("-int8")
        for file in model.files:
            entry = published[file.url]
            digest = entry.get("sha256") or entry["sha384"]
            assert (file.bytes, file.digest) == (entry["bytes"], digest)
            assert file.name.endswith(entry["name"])


def test_models_verifies_real_files_of_two(shared: Path) -> None:
    name = "pedestrian-detection-adas-0002"
    source = shared / "models" / "detectors" / name
    for key, folder in ((name, "FP16"), (f"{name}-int8", "FP16-INT8")):
        for path in hub.paths_of(hub.KNOWN[key]):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((source / folder / path.name).read_bytes())
    weights = hub.paths_of(hub.KNOWN[f"{name}-int8"])[1]
    assert edgeattr("models", "pull", name).stdout.strip() == str(hub.paths_of(hub.KNOWN[name])[0])
    weights.unlink()
    done = edgeattr("models", "verify", code=1)
    assert f"ok       {name}: " in done.stdout
    assert f"PARTIAL  {name}-int8: " in done.stderr
    weights.write_bytes(b"spoilt")
    assert f"DAMAGED  {name}-int8: " in edgeattr("models", "verify", code=1).stderr
    lines = {line.split()[0]: line for line in edgeattr("models", "list").stdout.splitlines()}
    assert set(lines) == {"default", "person", *hub.KNOWN}
    assert lines[name].endswith(f"{name}.xml")
    assert lines[f"{name}-int8"].endswith("not downloaded")
