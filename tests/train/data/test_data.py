import dataclasses
import hashlib
import logging
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeattr.core.crops import read_image, resize_crop
from edgeattr.core.errors import InputError, UsageError
from edgeattr_train.data.annotations import AttributeDataset, stable_ids
from edgeattr_train.data.datasets import open_dataset
from edgeattr_train.loader import CropCache, batches, training_order
from edgeattr_train.transforms import Augmentation


def test_tiny_peta(tiny_peta: Path) -> None:
    train = open_dataset(f"peta:{tiny_peta}", "train")
    val = open_dataset(f"peta:{tiny_peta}", "val")
    assert (len(train), len(val)) == (130, 70)
    assert not set(train.ids) & set(val.ids)
    assert train.labels.shape == (130, 35)
    assert train.labels.dtype == np.int8
    assert train.boxes is None
    assert np.array_equal(train.read(3), read_image(train.paths[3]))
    assert [int(path.stem) for path in train.paths] == train.ids.tolist()
    assert len(train.first(7)) == 7


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("peta", "NAME:DIR"),
        ("peta:", "NAME:DIR"),
        ("coco:/x", "one of csv, market, pa100k, peta, rap, wider"),
        (":/x", "NAME:DIR"),
        ("peta@:/x", "NAME@VARIANT:DIR"),
        ("pa100k@2:/x", "pa100k has no variants"),
    ],
)
def test_bad_specs(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_dataset(spec, "train")


def test_bad_directories(tiny_peta: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"PETA\.mat is missing"):
        open_dataset(f"peta:{tmp_path}", "train")
    with pytest.raises(UsageError, match="no split 'tets'"):
        open_dataset(f"peta:{tiny_peta}", "tets")
    (tmp_path / "PETA.mat").write_bytes((tiny_peta / "PETA.mat").read_bytes()[:2000])
    with pytest.raises(InputError, match="not PETA's annotation file"):
        open_dataset(f"peta:{tmp_path}", "train")
    (tmp_path / "PETA.mat").write_bytes((tiny_peta / "PETA.mat").read_bytes())
    with pytest.raises(InputError, match="images is missing"):
        open_dataset(f"peta:{tmp_path}", "train")
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match=r"130 of 130 images are missing.*\.\.\."):
        open_dataset(f"peta:{tmp_path}", "train")
    with pytest.raises(InputError, match=r"130 of 130 images are missing.*\.\.\.$"):
        open_dataset(f"peta:{tmp_path}", "train", allow_missing=True)


def _copy(source: Path, target: Path) -> Path:
    """The data set again, to damage: links to its files."""
    (target / "images").mkdir(parents=True)
    for path in (source / "PETA.mat", *(source / "images").iterdir()):
        os.link(path, target / path.relative_to(source))
    return target


def test_missing_and_unreadable_images(
    tiny_peta: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _copy(tiny_peta, tmp_path / "damaged")
    whole = open_dataset(f"peta:{folder}", "train")
    names = [path.name for path in whole.paths]
    (folder / "images" / names[0]).unlink()
    for name, content in ((names[3], b""), (names[7], b"no image at all")):
        (folder / "images" / name).unlink()
        (folder / "images" / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_dataset(f"peta:{folder}", "train")
    assert f"1 of 130 images are missing: images/{names[0]}; " in str(caught.value)
    wanted = f"2 of 130 images cannot be read: images/{names[3]}, images/{names[7]}; "
    assert wanted in str(caught.value)
    assert "--allow-missing" in str(caught.value)
    with caplog.at_level(logging.WARNING, "edgeattr.train"):
        rest = open_dataset(f"peta:{folder}", "train", allow_missing=True)
    assert "peta train: 3 of 130 samples are left out" in caplog.text
    assert rest.ids.tolist() == [i for k, i in enumerate(whole.ids) if k not in (0, 3, 7)]
    assert len(rest.labels) == len(rest.persons) == len(rest.paths) == 127


def test_a_cut_image_is_named_by_the_loader(tiny_peta: Path, tmp_path: Path) -> None:
    folder = _copy(tiny_peta, tmp_path / "cut")
    data = open_dataset(f"peta:{folder}", "train")
    victim = data.paths[40]
    content = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(content[:200])
    data = open_dataset(f"peta:{folder}", "train")  # its header is sound
    with pytest.raises(InputError, match=rf"{victim.name}: not an image"):
        list(batches(data, np.arange(130), (64, 32), 32))


def test_real_peta(shared: Path) -> None:
    train = open_dataset(f"peta:{shared / 'peta'}", "train")
    val = open_dataset(f"peta:{shared / 'peta'}", "val")
    assert (len(train), len(val)) == (9500, 1900)
    share = dict(zip(train.schema.names, train.labels.mean(0), strict=True))
    assert 0.5 < share["male"] < 0.6
    assert 0.15 < share["backpack"] < 0.25
    with pytest.raises(InputError, match="7600 of 7600 images are missing"):
        open_dataset(f"peta:{shared / 'peta'}", "test")


def test_batches_cover_the_order_and_repeat_by_seed(tiny_peta: Path) -> None:
    data = open_dataset(f"peta:{tiny_peta}", "train")
    order = training_order(len(data), seed=1, epoch=2)
    assert sorted(order) == list(range(130))
    assert not np.array_equal(order, training_order(len(data), seed=1, epoch=3))

    def run() -> list[np.ndarray]:
        made = batches(data, order, (64, 32), 32, augmentation=Augmentation(), seed=(1, 2))
        return [batch.crops.numpy() for batch in made]

    first, second = run(), run()
    assert [len(part) for part in first] == [32, 32, 32, 32, 2]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    plain = next(batches(data, order, (64, 32), 130))
    assert np.array_equal(plain.ids, data.ids[order])
    assert not np.array_equal(plain.crops.numpy()[:32], first[0])


def _boxed(tmp_path: Path, box: tuple[int, int, int, int]) -> AttributeDataset:
    image = np.arange(60 * 40 * 3, dtype=np.uint8).reshape(60, 40, 3)
    cv2.imwrite(str(tmp_path / "street.png"), image)
    (tmp_path / "schema.toml").write_text('[[attributes]]\nname = "hat"\n')
    row = ",".join(map(str, box))
    (tmp_path / "train.csv").write_text(f"path,hat,x,y,w,h\nstreet.png,1,{row}\n")
    return open_dataset(f"csv:{tmp_path}", "train")


def test_boxes_are_cut_out_and_clipped(tmp_path: Path) -> None:
    data = _boxed(tmp_path, (30, 5, 20, 10))
    image = read_image(tmp_path / "street.png")
    assert np.array_equal(data.read(0), image[5:15, 30:40])
    left = dataclasses.replace(data, boxes=np.array([[-5, -5, 8, 9]], np.int32))
    assert np.array_equal(left.read(0), image[:4, :3])
    batch = next(batches(data, np.array([0]), (32, 16), 1))
    assert np.array_equal(batch.crops.numpy()[0], resize_crop(image[5:15, 30:40], 32, 16))
    taken = data.take(np.array([0, 0]))
    assert taken.boxes.tolist() == [[30, 5, 20, 10]] * 2
    outside = dataclasses.replace(data, boxes=np.array([[40, 0, 9, 9]], np.int32))
    with pytest.raises(InputError, match=r"street\.png: box 40,0 of 9x9 lies outside.*40x60"):
        outside.read(0)


def test_unknown_labels_reach_the_batch_as_minus_one(tmp_path: Path) -> None:
    data = _boxed(tmp_path, (0, 0, 10, 10))
    data = dataclasses.replace(data, labels=np.array([[-1]], np.int8))
    batch = next(batches(data, np.array([0]), (32, 16), 1))
    assert batch.labels.numpy().tolist() == [[-1.0]]
    assert batch.labels.numpy().dtype == np.float32


def test_the_cache_changes_no_pixel_and_keeps_its_limit(tiny_peta: Path) -> None:
    data = open_dataset(f"peta:{tiny_peta}", "train")
    order = training_order(len(data), seed=0, epoch=0)
    cache = CropCache(50 * 64 * 32 * 3 + 100)

    def run(kept: CropCache | None, threads: int) -> np.ndarray:
        made = batches(
            data, order, (64, 32), 32, augmentation=Augmentation(), cache=kept, threads=threads
        )
        return np.concatenate([batch.crops.numpy() for batch in made])

    plain, first, second = run(None, 1), run(cache, 2), run(cache, 5)
    assert np.array_equal(plain, first)
    assert np.array_equal(plain, second)
    assert len(cache) == 50
    assert len(CropCache(0)) == 0


def test_a_second_size_is_not_taken_from_the_cache(tiny_peta: Path) -> None:
    data = open_dataset(f"peta:{tiny_peta}", "val").first(3)
    cache = CropCache(1 << 20)
    for size in ((64, 32), (96, 48)):
        batch = next(batches(data, np.arange(3), size, 3, cache=cache))
        assert tuple(batch.crops.shape) == (3, *size, 3)
    assert len(cache) == 6


def test_opencv_gets_its_threads_back(tiny_peta: Path) -> None:
    data = open_dataset(f"peta:{tiny_peta}", "val")
    before = cv2.getNumThreads()
    outer = batches(data, np.arange(70), (64, 32), 8)
    next(outer)
    assert cv2.getNumThreads() == 1
    next(batches(data, np.arange(70), (64, 32), 8)).crops.sum()
    assert cv2.getNumThreads() == 1
    outer.close()  # type: ignore[attr-defined]
    assert cv2.getNumThreads() == before


def test_stable_ids_follow_from_the_name_alone() -> None:
    ids = stable_ids(["a.png", "b.png", "a.png"])
    assert ids[0] == ids[2] != ids[1]
    assert ids.dtype == np.int64
    assert (ids >= 0).all()
    assert ids[0] == int(hashlib.sha256(b"a.png").hexdigest()[:16], 16) // 2
