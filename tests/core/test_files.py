from pathlib import Path

import pytest

from edgeattr.core.errors import OutputError
from edgeattr.core.files import atomic_path, check_can_write, sha256_of, write_atomically


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


def test_a_place_is_tried_before_anything_is_written_there(tmp_path: Path) -> None:
    check_can_write(tmp_path / "a" / "b" / "model.edgeattr")
    assert not list(tmp_path.iterdir())
    for place in (Path("/proc/x.edgeattr"), Path("/proc/a/x.edgeattr")):
        with pytest.raises(OutputError, match=r"x\.edgeattr cannot be written .*another place"):
            check_can_write(place)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        check_can_write(tmp_path / "file" / "x.edgeattr")
