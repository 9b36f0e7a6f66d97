from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from edgeattr.core.config import build, read_toml, with_environment
from edgeattr.core.errors import InputError, UsageError


@dataclass(frozen=True, kw_only=True)
class _Inner:
    name: str
    ratio: float = 1.0


@dataclass(frozen=True, kw_only=True)
class _Outer:
    kind: Literal["a", "b"] = "a"
    place: Path | None = None
    many: tuple[_Inner, ...] = ()
    words: tuple[str, ...] = ()
    inner: _Inner | None = None
    count: int | None = None
    whole: bool = False


def test_every_kind_of_field() -> None:
    values = {
        "kind": "b", "place": "x/y", "many": [{"name": "one", "ratio": 2}, {"name": "two"}],
        "words": ["p", "q"], "inner": {"name": "three"}, "count": 3, "whole": True,
    }  # fmt: skip
    assert build(_Outer, values, what="test") == _Outer(
        kind="b", place=Path("x/y"), words=("p", "q"), inner=_Inner(name="three"), count=3,
        many=(_Inner(name="one", ratio=2.0), _Inner(name="two")), whole=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"knid": "a"}, r"key knid \(did you mean kind\?\); expected one of kind, place"),
        ({"kind": "c"}, "test key kind wants one of a, b; got 'c'"),
        ({"place": 3}, "test key place wants a path, got int"),
        ({"many": {"name": "one"}}, "test key many wants a list, got a table"),
        ({"many": [{"name": "one"}, {"ratio": 2.0}]}, r"test key many\[1\]\.name is missing"),
        ({"many": [{"name": "one", "size": 1}]}, r"unknown test key many\[0\]\.size"),
        ({"many": ["rtsp://user:secret@camera"]}, r"test key many\[0\] wants a table, got str$"),
        ({"words": "p"}, "test key words wants a list, got str"),
        ({"inner": 5}, "test key inner wants a table, got int"),
        ({"count": True}, "test key count wants int, got bool"),
        ({"whole": 1}, "test key whole wants bool, got int"),
        ({"words": ["p", 3]}, r"test key words\[1\] wants str, got int"),
        ({"inner": {"name": "x", "ratio": "2"}}, "test key inner.ratio wants float, got str"),
        ({"inner": {}}, "test key inner.name is missing"),
    ],
)
def test_wrong_values_are_named(values: dict[str, Any], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        build(_Outer, values, what="test")


def test_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", "secret")
    values = {"list": [{"address": "rtsp://u:${CAMERA_PASSWORD}@h"}], "n": 1, "cost": "5$"}
    assert with_environment(values, where="site") == {
        "list": [{"address": "rtsp://u:secret@h"}],
        "n": 1,
        "cost": "5$",
    }
    with pytest.raises(UsageError, match="list names the environment variable NONE_SUCH"):
        with_environment({"list": ["${NONE_SUCH}"]}, where="site")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"not a valid site: No such file"),
        (b"a = = 1", r"site\.toml: not a valid site: .*line 1"),
        (b"a = '\xff'", "not a valid site"),
        (b"[webhook]\nspool_mb = nan", r"webhook\.spool_mb is nan; expected a finite number"),
        (b"[[a]]\nb = [0.5, -inf]", r"a\[0\]\.b\[1\] is -inf"),
    ],
)
def test_files_that_are_no_toml(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(b"\xef\xbb\xbfkind = 'b'\r\n")
    assert read_toml(path, what="site") == {"kind": "b"}, "a byte-order mark is no part of it"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_toml(path, what="site")


def test_tables_nested_without_end_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text("deep = " + "[" * 5000 + "]" * 5000)
    with pytest.raises(InputError, match="nested too deeply"):
        read_toml(path, what="site")
