"""PETA in both forms, its random splits, and the splits without a shared person."""

import hashlib
import json
import logging
import shutil
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeattr.core.errors import InputError, UsageError
from edgeattr_train.data.datasets import open_dataset
from edgeattr_train.data.peta import open_peta, source_sets
from edgeattr_train.data.peta_folders import SUBSETS, find_folders
from edgeattr_train.data.peta_schema import PETA_SCHEMA
from edgeattr_train.data.splits import split_by_person

from ...conftest import write_peta_mat

_PEOPLE = 6  # in each subset of the drawn tree
_PICTURES = 3  # of each


def _image_name(subset: str, person: int, picture: int) -> str:
    """As the subsets name theirs: numbers with and without zeros, several formats, CUHK bare."""
    if subset == "CUHK":
        return f"{(person - 1) * _PICTURES + picture + 1:04d}.png"
    number = str(person + 5) if subset in ("3DPeS", "TownCentre") else f"{person:03d}"
    suffix = {"GRID": "jpeg", "MIT": "jpg", "VIPeR": "bmp"}.get(subset, "png")
    return f"{number}_{picture}_x.{suffix}"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ten folders, 18 images each; the first attribute holds for odd numbers."""
    root = tmp_path_factory.mktemp("ten")
    for subset in SUBSETS:
        folder = root / "PETA dataset" / subset / "archive"
        folder.mkdir(parents=True)
        labels = {}
        for person in range(1, _PEOPLE + 1):
            for picture in range(_PICTURES):
                name = _image_name(subset, person, picture)
                cv2.imwrite(str(folder / name), np.full((20, 10, 3), 10 * person, np.uint8))
                label = name if subset == "CUHK" else name.partition("_")[0]
                number = int(label.partition(".")[0])
                age = "personalLess30" if number % 2 else "personalLess45"
                labels[label] = f"{label} {age} upperBodyBlue"
        (folder / "Label.txt").write_text("\r\n".join(labels.values()) + "\n\n")
        (folder / "Thumbs.db").write_bytes(b"not a picture")
    return root


def _write_mat(root: Path) -> None:
    """PETA.mat for the drawn tree. Random splits by row modulo 10."""
    folders = find_folders(root)
    count = len(folders.images)
    data = np.zeros((count, 4 + 105), np.uint16)
    data[:, 0] = np.arange(count) + 1
    data[:, 1] = folders.persons()
    data[:, 2] = [image.subset for image in folders.images]
    data[:, 3] = [image.number for image in folders.images]
    data[:, 4] = [image.number % 2 for image in folders.images]
    data[:, 5] = 1 - data[:, 4]
    splits = []
    for k in range(5):
        place = (data[:, 0].astype(int) + k) % 10
        parts = {"train": place < 5, "val": place == 5, "test": place > 5}
        splits.append({name: data[where, 0] for name, where in parts.items()})
    write_peta_mat(root, data, [it.source for it in PETA_SCHEMA.attributes], splits)


@pytest.fixture(scope="module")
def tree_with_mat(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mat") / "tree"
    shutil.copytree(tree, root)
    _write_mat(root)
    return root


def test_ten_folders_without_mat(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "edgeattr.train"):
        parts = {
            split: open_dataset(f"peta@identity:{tree}", split)
            for split in ("train", "val", "test", "val_unseen")
        }
    assert "180 of PETA's 19000 images and no PETA.mat" in caplog.text
    train, val, test = (parts[split] for split in ("train", "val", "test"))
    assert train.name == "peta@identity"
    assert len(train) + len(val) + len(test) == 180
    assert (len(train), len(val), len(test)) == (89, 20, 71)
    seen = [set(part.persons.tolist()) for part in (train, val, test)]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 10 * _PEOPLE + 12  # CUHK: 18 persons
    assert parts["val_unseen"].ids.tolist() == val.ids.tolist()
    for path, labels in zip(train.paths, train.labels, strict=True):
        odd = int(path.name.split("_")[0].split(".")[0]) % 2
        assert labels[:3].tolist() == [odd, 1 - odd, 0]


def test_random_splits_need_the_mat(tree: Path) -> None:
    for spec in (f"peta:{tree}", f"peta@2:{tree}"):
        with pytest.raises(InputError, match=r"no PETA\.mat, which alone.*peta@identity:"):
            open_dataset(spec, "train")


def test_ten_folders_with_mat_have_its_rows(tree: Path, tree_with_mat: Path) -> None:
    first = open_dataset(f"peta:{tree_with_mat}", "train")
    third = open_dataset(f"peta@3:{tree_with_mat}", "train")
    assert (first.name, third.name) == ("peta", "peta@3")
    assert set((first.ids % 10).tolist()) == {0, 1, 2, 3, 4}
    assert set((third.ids % 10).tolist()) == {8, 9, 0, 1, 2}
    folders = find_folders(tree_with_mat)
    assert all(
        folders.images[row - 1].path == path
        for row, path in zip(first.ids, first.paths, strict=True)
    )
    by_mat = open_dataset(f"peta@identity:{tree_with_mat}", "val")
    by_text = open_dataset(f"peta@identity:{tree}", "val")
    assert np.array_equal(by_mat.ids, by_text.ids)
    assert np.array_equal(by_mat.labels, by_text.labels)
    assert np.array_equal(by_mat.persons, by_text.persons)


def test_val_unseen_has_no_person_of_train(tree_with_mat: Path) -> None:
    data = f"peta@2:{tree_with_mat}"
    train, val, unseen = (open_dataset(data, s) for s in ("train", "val", "val_unseen"))
    seen = set(train.persons.tolist())
    expected = [i for i, who in zip(val.ids, val.persons, strict=True) if who not in seen]
    assert 0 < len(expected) < len(val)
    assert unseen.ids.tolist() == expected
    assert unseen.split == "val_unseen"


def test_source_sets_by_mat_and_by_folders(
    tree: Path, tree_with_mat: Path, tiny_peta: Path
) -> None:
    data = open_dataset(f"peta@identity:{tree_with_mat}", "val")
    found = source_sets(tree_with_mat, data.ids)
    assert found == [path.parent.parent.name for path in data.paths]
    assert source_sets(tree, data.ids) == found
    with pytest.raises(InputError, match="images of subset 0; expected 1 to 10"):
        source_sets(tiny_peta, np.array([1, 2]))


def test_source_sets_of_the_real_one(shared: Path) -> None:
    """The sizes that PETA's authors give for their sources."""
    count = Counter(source_sets(shared / "peta", np.arange(1, 19_001)))
    assert count["3DPeS"] == 1012
    assert count["TownCentre"] == 6967
    assert count["VIPeR"] == 1264
    assert len(count) == 10


def test_an_empty_split_says_so(tree_with_mat: Path, tmp_path: Path) -> None:
    import scipy.io

    content = scipy.io.loadmat(tree_with_mat / "PETA.mat")
    parts = content["peta"]["partion_attribute"][0, 0][0, 0][0, 0]
    rows = np.sort(np.concatenate([parts[name].ravel() for name in ("train", "val", "test")]))
    persons = content["peta"]["data"][0, 0][rows - 1, 1]
    again = np.isin(persons, [p for p in np.unique(persons) if (persons == p).sum() > 1])
    moved = rows[again][:1]  # its person stays in train with another image
    assert moved.size
    parts["val"], parts["test"] = moved, rows[:0]
    parts["train"] = np.setdiff1d(rows, moved)
    scipy.io.savemat(tmp_path / "PETA.mat", {"peta": content["peta"]})
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="split 'val_unseen' of peta has no images"):
        open_dataset(f"peta:{tmp_path}", "val_unseen")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([0], "names row 0; there are rows 1 to"),
        ([9999], "names row 9999"),
        ([1, 1], "named twice"),
    ],
)
def test_a_split_of_rows_that_cannot_be(
    tree_with_mat: Path, tmp_path: Path, rows: list[int], message: str
) -> None:
    import scipy.io

    content = scipy.io.loadmat(tree_with_mat / "PETA.mat")
    content["peta"]["partion_attribute"][0, 0][0, 0][0, 0]["val"] = np.array(rows)[:, None]
    scipy.io.savemat(tmp_path / "PETA.mat", {"peta": content["peta"]})
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match=message):
        open_dataset(f"peta:{tmp_path}", "val", allow_missing=True)


def test_a_lost_image_takes_its_person_along(
    tree_with_mat: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "tree"
    shutil.copytree(tree_with_mat, root)
    whole = open_dataset(f"peta:{root}", "train")
    victim = next(path for path in whole.paths if path.parts[-3] == "GRID")
    victim.unlink()
    with pytest.raises(InputError, match=r"images are missing: PETA dataset/GRID/archive/\d+_\("):
        open_dataset(f"peta:{root}", "train")
    with caplog.at_level(logging.WARNING, "edgeattr.train"):
        rest = open_dataset(f"peta:{root}", "train", allow_missing=True)
    person = int(whole.persons[whole.paths.index(victim)])
    assert person not in rest.persons
    kept = whole.ids[whole.persons != person]
    assert rest.ids.tolist() == kept.tolist()
    assert [path.name for path in rest.paths] == [
        path.name for path, who in zip(whole.paths, whole.persons, strict=True) if who != person
    ]


def test_faulty_folders(tree: Path, tmp_path: Path) -> None:
    root = tmp_path / "tree"
    shutil.copytree(tree / "PETA dataset", root)  # the folders may be given themselves
    label = root / "MIT" / "archive" / "Label.txt"
    text = label.read_text()
    label.write_text(text.partition("\n")[2])
    with pytest.raises(InputError, match=r"3 of 180 images have no line in their Label\.txt"):
        open_dataset(f"peta@identity:{root}", "train")
    label.write_text("someone personalMale\n")
    with pytest.raises(InputError, match="'someone' does not begin with a person's number"):
        open_dataset(f"peta@identity:{root}", "train")
    label.unlink()
    with pytest.raises(InputError, match=r"Label\.txt: cannot be read"):
        open_dataset(f"peta@identity:{root}", "train")
    shutil.rmtree(root / "VIPeR")
    with pytest.raises(InputError, match="lacks the folders VIPeR of PETA's ten"):
        open_dataset(f"peta@identity:{root}", "train")


@pytest.mark.parametrize("variant", ["0", "6", "random"])
def test_unknown_variants(tiny_peta: Path, variant: str) -> None:
    with pytest.raises(UsageError, match=f"no variant '{variant}'; it has 1, 2, 3, 4, 5, identity"):
        open_dataset(f"peta@{variant}:{tiny_peta}", "train")


def test_labels_off_the_schema(
    tiny_peta: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import scipy.io

    content = scipy.io.loadmat(tiny_peta / "PETA.mat")
    row = int(content["peta"]["partion_attribute"][0, 0][0, 0]["train"][0, 0][0, 0])
    content["peta"]["data"][0, 0][row - 1, 4 + 10] = 7
    scipy.io.savemat(tmp_path / "PETA.mat", {"peta": content["peta"]})
    (tmp_path / "images").symlink_to(tiny_peta / "images")
    wanted = rf"1 of 130 samples have labels off the schema: images/{row:05d}\.png \(hat is 7"
    with pytest.raises(InputError, match=wanted):
        open_dataset(f"peta:{tmp_path}", "train")
    with caplog.at_level(logging.WARNING, "edgeattr.train"):
        rest = open_dataset(f"peta:{tmp_path}", "train", allow_missing=True)
    assert row not in rest.ids
    assert len(rest) == 129


def _digest(rows: object) -> str:
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def test_split_by_person_shares_and_repeats() -> None:
    rng = np.random.default_rng(0)
    persons = rng.integers(0, 400, 5000)
    parts = split_by_person(persons, {"a": 0.5, "b": 0.1, "c": 0.4}, dataset="x")
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(5000))
    assert [len(rows) / 5000 for rows in parts.values()] == pytest.approx([0.5, 0.1, 0.4], abs=0.01)
    owners = [set(persons[rows].tolist()) for rows in parts.values()]
    assert sum(map(len, owners)) == len(set.union(*owners)) == 400
    again = split_by_person(persons, {"a": 0.5, "b": 0.1, "c": 0.4}, dataset="x")
    other = split_by_person(persons, {"a": 0.5, "b": 0.1, "c": 0.4}, dataset="x", seed=1)
    assert np.array_equal(parts["a"], again["a"])
    assert not np.array_equal(parts["a"], other["a"])
    kept = "6dbbfa24f314ee551220712a32e79257e8a02e55af67445e515c7ce724ce09d5"
    assert _digest(parts["a"].tolist()) == kept, "the same on every machine and for good"


def test_real_identity_split_is_the_same_for_good(shared: Path) -> None:
    """Whoever changes how persons are dealt out changes every figure measured on that split."""
    parts = {
        name: open_peta(shared / "peta", name, "identity") for name in ("train", "val", "test")
    }
    assert [len(part.ids) for part in parts.values()] == [9499, 1883, 7618]
    rows = {name: part.ids.tolist() for name, part in parts.items()}
    assert _digest(rows) == "550a42683bb5a60ad8ea4c9670e419b2ef8246f05b40e402f0c66ec7a614412e"


def test_real_peta_where_some_images_are_absent(
    shared: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shared / "peta"
    unseen = open_dataset(f"peta:{folder}", "val_unseen")
    train = open_dataset(f"peta:{folder}", "train")
    assert len(unseen) == 808
    assert not set(unseen.persons.tolist()) & set(train.persons.tolist())
    with pytest.raises(InputError, match="3823 of 9499 images are missing"):
        open_dataset(f"peta@identity:{folder}", "train")
    with caplog.at_level(logging.WARNING, "edgeattr.train"):
        part = open_dataset(f"peta@identity:{folder}", "train", allow_missing=True)
    assert len(part) == 5676
    assert "3823 of 9499" in caplog.text
