"""WIDER-Attribute, PA-100K, RAP and Market-1501 in their published layouts, drawn small."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import scipy.io

from edgeattr.core.errors import InputError, UsageError
from edgeattr.core.schema import AttributeSchema
from edgeattr_train.data.datasets import open_dataset
from edgeattr_train.data.market import MARKET_SCHEMA
from edgeattr_train.data.pa100k import PA100K_SCHEMA
from edgeattr_train.data.rap import RAP1_SCHEMA, RAP2_SCHEMA
from edgeattr_train.data.wider import WIDER_SCHEMA


def _picture(path: Path, height: int = 40, width: int = 20) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 120, np.uint8))


def _cell(values: list[str]) -> np.ndarray:
    cell = np.empty((len(values), 1), object)
    cell[:, 0] = values
    return cell


# WIDER-Attribute


def _wider_entry(part: str, number: int, people: int) -> dict[str, Any]:
    targets = [
        {
            "attribute": [1, -1, 0] + [(-1) ** (k + number) for k in range(11)],
            "bbox": [2.5 + person, 3.0, 10.2, 20.0],
        }
        for person in range(people)
    ]
    name = f"{part}/0--Parade/0_Parade_{number}.jpg"
    return {"file_name": name, "scene_id": 0, "targets": targets}


def _wider(root: Path, folder: str) -> Path:
    names = ["Male", "longHair", "sunglass", "Hat", "Tshiirt", "longSleeve", "formal", "shorts"]
    names += ["jeans", "longPants", "skirt", "faceMask", "logo", "stripe"]
    common = {"attribute_id_map": {str(k): name for k, name in enumerate(names)}}
    (root / folder).mkdir(parents=True, exist_ok=True)
    parts = {
        "trainval": [("train", 1, 2), ("train", 2, 1), ("val", 3, 3)],
        "test": [("test", 4, 1)],
    }
    for part, entries in parts.items():
        images = [_wider_entry(*entry) for entry in entries]
        path = root / folder / f"wider_attribute_{part}.json"
        path.write_text(json.dumps({**common, "images": images}))
        for image in images:
            _picture(root / "Image" / image["file_name"], 50, 60)
    return root


@pytest.mark.parametrize("folder", ["", "wider_attribute_annotation", "Annotations"])
def test_wider(tmp_path: Path, folder: str) -> None:
    root = _wider(tmp_path, folder)
    counts = {
        s: len(open_dataset(f"wider:{root}", s)) for s in ("train", "val", "trainval", "test")
    }
    assert counts == {"train": 3, "val": 3, "trainval": 6, "test": 1}
    data = open_dataset(f"wider:{root}", "train")
    assert data.labels[0].tolist() == [1, 0, -1] + [0, 1] * 5 + [0]
    assert data.boxes[1].tolist() == [3, 3, 11, 20]
    assert data.read(1).shape == (20, 11, 3)
    assert len(set(data.ids.tolist())) == 3
    both = open_dataset(f"wider:{root}", "trainval")
    assert both.ids[:3].tolist() == data.ids.tolist()
    assert [a.name for a in data.schema.attributes if a.sensitive] == ["male"]


def test_wider_faults(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing wider_attribute_train\.json or wider_attribute"):
        open_dataset(f"wider:{tmp_path}", "train")
    root = _wider(tmp_path, "")
    with pytest.raises(UsageError, match="no split 'dev'; it has train, val, trainval, test"):
        open_dataset(f"wider:{root}", "dev")
    path = root / "wider_attribute_test.json"
    content = json.loads(path.read_text())
    content["images"][0]["targets"][0]["attribute"][3] = 5
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"1 of 1 samples have labels off.*\(hat is 5, none of 1"):
        open_dataset(f"wider:{root}", "test")
    content["images"][0]["targets"][0] |= {"attribute": [1] * 14, "bbox": [0, 0, 0, 5]}
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="1 of 1 samples have a box without area: Image/test"):
        open_dataset(f"wider:{root}", "test")
    content["images"][0]["targets"][0]["attribute"] = [1] * 13
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="no people of 'test' with 14 attributes"):
        open_dataset(f"wider:{root}", "test")
    content["attribute_id_map"]["0"] = "Tall"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"other attributes than the 14.*Tall in place of Male"):
        open_dataset(f"wider:{root}", "test")
    path.write_text("{")
    with pytest.raises(InputError, match="not WIDER-Attribute's annotation"):
        open_dataset(f"wider:{root}", "test")


# PA-100K


def _pa100k(root: Path, folder: str) -> Path:
    content: dict[str, Any] = {
        "attributes": _cell([attribute.source for attribute in PA100K_SCHEMA.attributes])
    }
    number = 0
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        names = [f"{number + k + 1:06d}.jpg" for k in range(count)]
        number += count
        content[f"{split}_images_name"] = _cell(names)
        content[f"{split}_label"] = np.arange(count * 26).reshape(count, 26).astype(np.uint8) % 2
        for name in names:
            _picture(root / folder / name)
    scipy.io.savemat(root / "annotation.mat", content)
    return root


@pytest.mark.parametrize("folder", ["data", "release_data", "release_data/release_data"])
def test_pa100k(tmp_path: Path, folder: str) -> None:
    root = _pa100k(tmp_path, folder)
    data = open_dataset(f"pa100k:{root}", "val")
    assert [path.name for path in data.paths] == ["000005.jpg", "000006.jpg"]
    assert data.labels.tolist() == [[0, 1] * 13] * 2
    assert data.schema.exclusive[0] == ("age_over_60", "age_18_60", "age_under_18")
    sensitive = {a.name for a in data.schema.attributes if a.sensitive}
    assert sensitive == {"female", "age_over_60", "age_18_60", "age_under_18"}
    assert "no licence stated" in data.licence


def test_pa100k_calls_plaid_what_is_plaid(tmp_path: Path) -> None:
    """The public annotation has the names UpperPlaid and UpperSplice exchanged."""
    root = _pa100k(tmp_path, "data")
    content = scipy.io.loadmat(root / "annotation.mat")
    kept = {name: value for name, value in content.items() if not name.startswith("__")}
    names = [attribute.source for attribute in PA100K_SCHEMA.attributes]
    kept["val_label"][:, names.index("UpperSplice")] = (1, 0)
    kept["val_label"][:, names.index("UpperPlaid")] = (0, 0)
    scipy.io.savemat(root / "annotation.mat", kept)
    data = open_dataset(f"pa100k:{root}", "val")
    assert data.labels[:, data.schema.index("plaid")].tolist() == [1, 0]
    assert data.labels[:, data.schema.index("upper_spliced")].tolist() == [0, 0]


def test_pa100k_faults(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"annotation\.mat is missing; it is part of PA-100K's"):
        open_dataset(f"pa100k:{tmp_path}", "val")
    root = _pa100k(tmp_path, "data")
    with pytest.raises(UsageError, match="no split 'trainval'"):
        open_dataset(f"pa100k:{root}", "trainval")
    (root / "data" / "000006.jpg").unlink()
    with pytest.raises(InputError, match=r"1 of 2 images are missing: data/000006\.jpg"):
        open_dataset(f"pa100k:{root}", "val")
    assert len(open_dataset(f"pa100k:{root}", "val", allow_missing=True)) == 1
    content = scipy.io.loadmat(root / "annotation.mat")
    kept = {name: value for name, value in content.items() if not name.startswith("__")}
    kept["val_label"] = kept["val_label"][:1]
    scipy.io.savemat(root / "annotation.mat", kept)
    with pytest.raises(InputError, match=r"2 images of 'val' and labels \(1, 26\)"):
        open_dataset(f"pa100k:{root}", "val")
    del kept["val_label"]
    scipy.io.savemat(root / "annotation.mat", kept)
    with pytest.raises(InputError, match="lacks 'val_label'"):
        open_dataset(f"pa100k:{root}", "val")


# RAP

_RAP_IMAGES = 60


def _rap_names() -> list[str]:
    return [f"CAM01_2014-02-15_clip_tarid{k // 2}_frame{k}_line1.png" for k in range(_RAP_IMAGES)]


def _rap_partition(parts: dict[str, tuple[int, int]]) -> np.ndarray:
    partition = np.empty((5, 1), object)
    for k in range(5):
        rows = np.roll(np.arange(1, _RAP_IMAGES + 1), k)
        partition[k, 0] = {name: rows[None, slice(*part)] for name, part in parts.items()}
    return partition


def _rap1(root: Path) -> Path:
    annotation = {
        "partion": _rap_partition({"train_index": (0, 48), "test_index": (48, 60)}),
        "label": np.tile(np.arange(92) % 2, (_RAP_IMAGES, 1)).astype(np.uint8),
        "attribute_eng": _cell([a.source for a in RAP1_SCHEMA.attributes] + ["x"] * 41),
        "imagesname": _cell(_rap_names()),
    }
    return _save_rap(root, annotation)


def _rap2(root: Path) -> Path:
    labels = np.tile(np.arange(152) % 3, (_RAP_IMAGES, 1)).astype(np.uint8)
    names = ["x"] * 152
    columns = np.arange(3, 3 + 54)
    for column, attribute in zip(columns, RAP2_SCHEMA.attributes, strict=True):
        names[column - 1] = attribute.source
    parts = {"train_index": (0, 36), "val_index": (36, 48), "test_index": (48, 60)}
    annotation = {
        "name": _cell(_rap_names()),
        "data": labels,
        "attribute": _cell(names),
        "selected_attribute": columns[None].astype(np.uint8),
        "partition_attribute": _rap_partition(parts).T,
        "person_identity": np.where(np.arange(_RAP_IMAGES) < 40, np.arange(_RAP_IMAGES) % 7, -1)[
            :, None
        ],
    }
    return _save_rap(root, annotation)


def _save_rap(root: Path, annotation: dict[str, Any]) -> Path:
    (root / "RAP_annotation").mkdir(exist_ok=True)
    path = root / "RAP_annotation" / "RAP_annotation.mat"
    scipy.io.savemat(path, {"RAP_annotation": annotation})
    for name in _rap_names():
        _picture(root / "RAP_dataset" / name)
    return root


def test_rap1_holds_tracklets_out(tmp_path: Path) -> None:
    root = _rap1(tmp_path)
    train, val, test = (open_dataset(f"rap:{root}", s) for s in ("train", "val", "test"))
    assert (len(train) + len(val), len(test)) == (48, 12)
    assert 2 <= len(val) <= 8
    assert not set(train.persons.tolist()) & set(val.persons.tolist())
    assert train.name == "rap1"
    assert train.labels[0].tolist() == [0, 1] * 25 + [0]
    assert len(train.schema) == 51
    assert test.ids.tolist() == list(range(49, 61))
    second = open_dataset(f"rap@2:{root}", "test")
    assert second.ids.tolist() == list(range(48, 60))
    assert second.name == "rap1@2"
    assert train.paths[0].name == _rap_names()[int(train.ids[0]) - 1]


def test_rap2_has_unknown_labels_and_persons(tmp_path: Path) -> None:
    root = _rap2(tmp_path)
    data = open_dataset(f"rap:{root}", "val")
    assert (data.name, len(data), len(data.schema)) == ("rap2", 12, 54)
    assert data.ids.tolist() == list(range(37, 49))
    expected = {0: 0, 1: 1, 2: -1}
    assert data.labels[0].tolist() == [expected[column % 3] for column in range(2, 56)]
    known = np.arange(36, 48)
    assert data.persons[:4].tolist() == (known % 7)[:4].tolist()
    assert len(set(data.persons[4:].tolist())) == 4  # tracklets of two
    assert [a.name for a in data.schema.attributes if a.group == "gender"] == ["female"]


@pytest.mark.parametrize("make", [_rap1, _rap2])
def test_rap_faults(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    with pytest.raises(InputError, match=r"RAP_annotation\.mat is missing"):
        open_dataset(f"rap:{tmp_path}", "train")
    root = make(tmp_path)
    with pytest.raises(UsageError, match="no split 'dev'"):
        open_dataset(f"rap:{root}", "dev")
    with pytest.raises(UsageError, match="no variant '6'; it has 1, 2, 3, 4, 5"):
        open_dataset(f"rap@6:{root}", "train")
    (root / "RAP_dataset" / _rap_names()[50]).write_bytes(b"")
    with pytest.raises(InputError, match="1 of 12 images cannot be read: RAP_dataset/CAM01"):
        open_dataset(f"rap:{root}", "test")
    path = root / "RAP_annotation" / "RAP_annotation.mat"
    scipy.io.savemat(path, {"RAP_annotation": {"label": np.zeros(3)}})
    with pytest.raises(InputError, match="not RAP's annotation file"):
        open_dataset(f"rap:{root}", "train")


# Market-1501


def _market_part(identities: list[int], offset: int) -> dict[str, Any]:
    count = len(identities)
    fields: dict[str, Any] = {"image_index": _cell([f"{i:04d}" for i in identities])}
    for k, attribute in enumerate(MARKET_SCHEMA.attributes):
        field = attribute.source.partition("=")[0]
        fields[field] = (1 + (np.arange(count) + k + offset) % 2)[None].astype(np.uint8)
    fields["age"] = (1 + np.arange(count) % 4)[None].astype(np.uint8)
    return fields


def _market(root: Path) -> Path:
    train, test = list(range(2, 42)), list(range(43, 51))
    (root / "attribute").mkdir(exist_ok=True)
    scipy.io.savemat(
        root / "attribute" / "market_attribute.mat",
        {"market_attribute": {"train": _market_part(train, 0), "test": _market_part(test, 1)}},
    )
    for part, identities in (("train", train), ("test", [*test, 0, 42])):
        for identity in identities:
            for k in range(3):
                name = f"{identity:04d}_c1s1_{k:06d}_01.jpg"
                _picture(root / f"bounding_box_{part}" / name)
    _picture(root / "bounding_box_test" / "-1_c1s1_000401_03.jpg")
    return root


def test_market(tmp_path: Path) -> None:
    root = _market(tmp_path)
    train, val, test = (open_dataset(f"market:{root}", s) for s in ("train", "val", "test"))
    assert len(train) + len(val) == 120
    assert len(val) == 12
    assert len(test) == 24  # without distractors, junk and persons that are not annotated
    assert not set(train.persons.tolist()) & set(val.persons.tolist())
    assert len(train.schema) == 30
    first = test.labels[0].tolist()
    assert int(test.persons[0]) == 43
    assert first[:9] == [(k + 1) % 2 for k in range(9)]
    assert first[9:13] == [1, 0, 0, 0]
    fifth = test.labels[test.persons == 48]
    assert fifth[:, 9:13].tolist() == [[0, 1, 0, 0]] * 3
    assert train.schema.exclusive[0] == ("age_young", "age_teenager", "age_adult", "age_old")


def test_market_faults(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"market_attribute\.mat is missing"):
        open_dataset(f"market:{tmp_path}", "test")
    root = _market(tmp_path)
    with pytest.raises(UsageError, match="no split 'query'"):
        open_dataset(f"market:{root}", "query")
    for path in (root / "bounding_box_test").glob("0044_*"):
        path.unlink()
    wanted = re.escape("1 of 22 images are missing: bounding_box_test/0044_*.jpg")
    with pytest.raises(InputError, match=wanted):
        open_dataset(f"market:{root}", "test")
    assert len(open_dataset(f"market:{root}", "test", allow_missing=True)) == 21
    parts = {"train": _market_part([2, 3], 0), "test": _market_part([43, 45], 0)}
    parts["test"]["age"] = np.array([[3, 9]], np.uint8)
    parts["test"]["hat"] = np.array([[0, 1]], np.uint8)
    path = root / "attribute" / "market_attribute.mat"
    scipy.io.savemat(path, {"market_attribute": parts})
    with pytest.raises(InputError, match=r"6 of 6 samples have labels off the schema") as caught:
        open_dataset(f"market:{root}", "test")
    assert "(hat is 0, none of 2, 1)" in str(caught.value)
    assert "(age_young is 9, none of 2, 1)" in str(caught.value)
    del parts["test"]["upgreen"]
    scipy.io.savemat(path, {"market_attribute": parts})
    with pytest.raises(InputError, match=r"not Market-1501's attribute file.*upgreen"):
        open_dataset(f"market:{root}", "test")
    scipy.io.savemat(path, {"market_attribute": {"train": _market_part([2], 0)}})
    with pytest.raises(InputError, match="not Market-1501's attribute file"):
        open_dataset(f"market:{root}", "test")


def test_market_without_images(tmp_path: Path) -> None:
    shutil.rmtree(_market(tmp_path) / "bounding_box_train")
    with pytest.raises(InputError, match="bounding_box_train is missing"):
        open_dataset(f"market:{tmp_path}", "train")


@pytest.mark.parametrize(
    ("schema", "size"),
    [(WIDER_SCHEMA, 14), (PA100K_SCHEMA, 26), (RAP1_SCHEMA, 51), (RAP2_SCHEMA, 54),
     (MARKET_SCHEMA, 30)],
)  # fmt: skip
def test_published_schemas_have_their_sizes_and_readable_names(
    schema: AttributeSchema, size: int
) -> None:
    assert len(schema) == size
    for attribute in schema.attributes:
        assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", attribute.name)
        assert attribute.source
        assert attribute.sensitive == (attribute.group in ("age", "gender"))
