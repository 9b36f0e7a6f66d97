from pathlib import Path

import numpy as np
import pytest

from edgeattr.errors import InputError, UsageError
from edgeattr_train.datasets import open_dataset
from edgeattr_train.loader import batches, training_order
from edgeattr_train.transforms import Augmentation, augment


def test_tiny_peta(tiny_peta: Path) -> None:
    train = open_dataset(f"peta:{tiny_peta}", "train")
    val = open_dataset(f"peta:{tiny_peta}", "val")
    assert (len(train), len(val)) == (130, 70)
    assert not set(train.ids) & set(val.ids)
    assert train.labels.shape == (130, 35)
    assert [int(path.stem) for path in train.paths] == train.ids.tolist()
    assert len(train.first(7)) == 7


@pytest.mark.parametrize(
    ("spec", "message"),
    [("peta", "NAME:DIR"), ("peta:", "NAME:DIR"), ("coco:/x", "one of peta"), (":/x", "NAME:DIR")],
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


def test_augmentation_off_is_the_identity() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 32, 3), dtype=np.uint8)
    still = Augmentation(flip=0, shift=0, scale=0, brightness=0, colour=0, degrade=0, erase=0)
    assert np.array_equal(augment(image, still, np.random.default_rng(0)), image)
    mirrored = Augmentation(flip=1, shift=0, scale=0, brightness=0, colour=0, degrade=0, erase=0)
    assert np.array_equal(augment(image, mirrored, np.random.default_rng(0)), image[:, ::-1])
