from pathlib import Path

import pytest

from edgeattr.core.errors import OutputError
from edgeattr.core.files import atomic_path, check_writable, sha256_of, write_atomically


def test_content_and_checksum(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b.txt"
    write_atomically(target, "héllo")
    assert target.read_text(encoding="utf-8") == "héllo"
    write_atomically(target, b"abc")
    assert sha256_of(target) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["file/new.json", "file/a/b.json", "folder"])
def test_what_cannot_be_written_is_told_before(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"cannot be written \(.*\); name another place"):
        check_writable(tmp_path / name)
    with pytest.raises(OutputError, match="/proc"):
        check_writable(Path("/proc/x.edgeattr"), folder=True)
    for fine in ("new/deep/file.json", "file"):
        check_writable(tmp_path / fine)
    check_writable(tmp_path / "folder", folder=True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]
