"""A user's own attributes: schema.toml and CSV tables."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeattr.core.errors import InputError, UsageError
from edgeattr_train.data.datasets import open_dataset

_SCHEMA = """
licence = "the warehouse's own"
exclusive = [["young", "old"]]

[[attributes]]
name = "helmet"
group = "head"

[[attributes]]
name = "young"
group = "age"
sensitive = true

[[attributes]]
name = "old"
sensitive = true
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures and their tables."""
    root = tmp_path / "warehouse"
    (root / "pictures").mkdir(parents=True)
    for name in "abc":
        cv2.imwrite(str(root / "pictures" / f"{name}.png"), np.full((30, 12, 3), 80, np.uint8))
    (root / "schema.toml").write_text(_SCHEMA)
    (root / "train.csv").write_text(
        "path,helmet,young,old,person\n"
        "pictures/a.png,1,0,1,Ann\n"
        "pictures/b.png, ? ,,-1,Ann\n"
        "pictures/c.png,0,1,0,\n"
    )
    (root / "val.csv").write_text("\ufeffold,path,young,helmet\n1,pictures/c.png,0,1\n")
    return root


def test_a_table_for_each_split(folder: Path) -> None:
    train, val = open_dataset(f"csv:{folder}", "train"), open_dataset(f"csv:{folder}", "val")
    assert train.name == "warehouse"
    assert train.licence == "the warehouse's own"
    assert train.schema.names == ("helmet", "young", "old")
    assert train.schema.exclusive == (("young", "old"),)
    assert [a.sensitive for a in train.schema.attributes] == [False, True, True]
    assert [a.group for a in train.schema.attributes] == ["head", "age", "own"]
    assert train.labels.tolist() == [[1, 0, 1], [-1, -1, -1], [0, 1, 0]]
    assert val.labels.tolist() == [[1, 0, 1]]
    assert train.persons[0] == train.persons[1] != train.persons[2]
    assert train.persons[2] == train.ids[2]
    assert train.boxes is None
    assert val.ids[0] == train.ids[2]  # the same picture
    assert train.read(1).shape == (30, 12, 3)


def test_one_table_with_a_column_split(folder: Path) -> None:
    for name in ("train.csv", "val.csv"):
        (folder / name).unlink()
    table = folder / "all.csv"
    table.write_text(
        "split,path,helmet,young,old\n"
        "train,pictures/a.png,1,0,0\nval,pictures/b.png,0,0,0\ntrain,pictures/c.png,0,1,0\n"
    )
    for spec in (f"csv:{folder}", f"csv:{table}"):
        assert len(open_dataset(spec, "train")) == 2
        assert [path.name for path in open_dataset(spec, "val").paths] == ["b.png"]
    with pytest.raises(UsageError, match=r"no images of 'test'; the column split has train, val"):
        open_dataset(f"csv:{table}", "test")
    table.write_text("path,helmet,young,old\npictures/a.png,1,0,0\n")
    with pytest.raises(InputError, match="line 1: the header lacks the columns 'split'"):
        open_dataset(f"csv:{table}", "train")


def _read(folder: Path, text: str) -> list[list[int]]:
    (folder / "train.csv").write_text(text)
    data = open_dataset(f"csv:{folder}", "train")
    assert [path.name for path in data.paths] == ["a.png", "b.png", "c.png"]
    labels: list[list[int]] = data.labels.tolist()
    return labels


@pytest.mark.parametrize(
    "text",
    [
        # pandas: floats where a label is missing, with its row numbers, written once and twice
        ",path,helmet,young,old\n0,pictures/a.png,1.0,0.0,\n1,pictures/b.png,0.0,1.0,1.0\n"
        "2,pictures/c.png,1.0,0.0,0.0\n",
        "Unnamed: 0,path,helmet,young,old\n0,pictures/a.png,1,0,NaN\n1,pictures/b.png,0,1,1\n"
        "2,pictures/c.png,1,0,0\n",
        # truth values, other case and spaces
        "Path,Helmet, Young ,OLD\npictures/a.png,True,False,<NA>\npictures/b.png,FALSE,true,TRUE\n"
        "pictures/c.png,yes,No,no\n",
        # a spreadsheet's semicolons and tabs, another system's paths
        "\ufeffpath;helmet;young;old\npictures\\a.png;1;0;?\npictures\\b.png;0;1;1\n"
        "pictures\\c.png;1;0;0\n",
        "path\thelmet\tyoung\told\npictures/a.png\t1\t0\tn/a\npictures/b.png\t0\t1\t1\n"
        "pictures/c.png\t1\t0\t0\n",
    ],
)
def test_tables_as_tools_write_them(
    folder: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert _read(folder, text) == [[1, 0, -1], [0, 1, 1], [1, 0, 0]]
    assert not caplog.text


def test_further_columns_are_passed_over_and_named(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = (
        "path,annotator,helmet,young,old,Date taken\npictures/a.png,Ann,1,0,0,monday\n"
        "pictures/b.png,Bob,0,1,0,\npictures/c.png,Bob,0,1,0,\n"
    )
    assert _read(folder, text) == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    assert "passed over the columns 'annotator', 'date_taken'" in caplog.text


def test_boxes_tell_people_of_one_picture_apart(folder: Path) -> None:
    (folder / "train.csv").write_text(
        "path,helmet,young,old,x,y,w,h\n"
        "pictures/a.png,1,0,0,0,0,6,30\n"
        "pictures/a.png,0,0,0,6,0,6,30\n"
    )
    data = open_dataset(f"csv:{folder}", "train")
    assert data.boxes.tolist() == [[0, 0, 6, 30], [6, 0, 6, 30]]
    assert data.ids[0] != data.ids[1]
    assert data.read(1).shape == (30, 6, 3)


_HEAD = "path,helmet,young,old"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1: the header lacks the columns 'path', 'helmet', 'young', 'old'"),
        ("path,helmet,old\n", r"line 1: the header lacks the columns 'young'"),
        (f"{_HEAD},old\n", r"line 1: the header repeats the columns 'old'"),
        (f"{_HEAD},x,y\n", r"line 1: the header lacks the columns 'w', 'h'"),
        (f"{_HEAD}\na.png,1,2,0\n", r"train\.csv: line 2, column young: '2'; expected 1, 0, or \?"),
        (f"{_HEAD}\na.png,1,y,0.7\n", r"column young: 'y'.*line 2, column old: '0\.7'"),
        (f"Path,{_HEAD}\n", "line 1: the header repeats the columns 'path'"),
        (f"{_HEAD}\na.png,1,-1,1\nb.png,-1,1,-1\n", "1 and -1 and never 0, so -1 may mean no"),
        (f"{_HEAD}\na.png,1,0\n", r"line 2 has 3 cells; the header has 4"),
        (f"{_HEAD}\n,1,0,0\n", r"line 2, column path: empty"),
        (f"{_HEAD}\na.png,1,0,0\na.png,1,0,0\n", r"line 3, column path: a\.png is in line 2 too"),
        (f"{_HEAD},x,y,w,h\na.png,1,0,0,0,-1,5,5\n", r"line 2, column y: '-1'; expected whole"),
        (f"{_HEAD},x,y,w,h\na.png,1,0,0,0,0,0,5\n", r"line 2, column w: '0'; expected.* from 1"),
        (f"{_HEAD},x,y,w,h\na.png,1,0,0,0,0,1.5,5\n", r"line 2, column w: '1\.5'"),
        (f'{_HEAD}\n"a.png,1,0,0\n', "not a CSV in UTF-8"),
        (f"{_HEAD}\n" + "a.png,9,0,0\n" * 7, r"line 6, column helmet: '9'.* and 2 more$"),
    ],
)
def test_faulty_tables_name_line_and_column(folder: Path, text: str, message: str) -> None:
    (folder / "train.csv").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(f"csv:{folder}", "train", allow_missing=True)
    assert str(folder / "train.csv") in str(caught.value)


def test_a_table_that_is_no_text(folder: Path) -> None:
    (folder / "train.csv").write_bytes(b"\xff\xfe\x00path")
    with pytest.raises(InputError, match="not a CSV in UTF-8"):
        open_dataset(f"csv:{folder}", "train")


def test_missing_parts(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no split 'test'.*it has train\.csv, val\.csv"):
        open_dataset(f"csv:{folder}", "test")
    with pytest.raises(InputError, match=r"nowhere does not exist"):
        open_dataset(f"csv:{tmp_path / 'nowhere'}", "train")
    (folder / "train.csv").write_text(f"{_HEAD}\n")
    with pytest.raises(UsageError, match=r"train\.csv has no images of 'train'"):
        open_dataset(f"csv:{folder}", "train")
    (folder / "train.csv").write_text(f"{_HEAD}\npictures/z.png,1,0,0\npictures/a.png,1,0,0\n")
    with pytest.raises(InputError, match=r"1 of 2 images are missing: pictures/z\.png"):
        open_dataset(f"csv:{folder}", "train")
    assert len(open_dataset(f"csv:{folder}", "train", allow_missing=True)) == 1
    (folder / "schema.toml").unlink()
    with pytest.raises(InputError, match=r"schema\.toml is missing: it names the attributes"):
        open_dataset(f"csv:{folder}", "train")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("attributes = [", r"schema\.toml: "),
        ("", "no attributes; write"),
        ("colour = 3", "unknown schema key colour; expected one of licence, exclusive, attributes"),
        ("licence = 3", "schema key licence wants str, got int"),
        ("attributes = ['hat']", r"schema key attributes\[0\] wants a table, got str"),
        ("[[attributes]]\ngroup = 'head'", "attribute 1 has the name ''"),
        ("[[attributes]]\nname = 'Big Hat'", "has the name 'Big Hat'; expected lower-case"),
        ("[[attributes]]\nname = 'split'", "has the name 'split'"),
        ("[[attributes]]\nname = 'hat'\nsensitive = 1", "sensitive wants bool, got int"),
        ("[[attributes]]\nname = 'hat'\nsize = 1", r"unknown schema key attributes\[0\]\.size"),
        ("[[attributes]]\nname = 'hat'\n[[attributes]]\nname = 'hat'", "repeated: hat"),
        ("exclusive = [['hat', 'cap']]\n[[attributes]]\nname = 'hat'", "unknown attributes: cap"),
        ("exclusive = [1]\n[[attributes]]\nname = 'hat'", r"schema\.toml: "),
    ],
)
def test_faulty_schemas(folder: Path, text: str, message: str) -> None:
    (folder / "schema.toml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(f"csv:{folder}", "train")
    assert "schema.toml" in str(caught.value)
