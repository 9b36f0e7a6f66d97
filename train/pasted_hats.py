"""Hats pasted onto people who wear none: what the pictures of PETA and CUHK03 hardly show.

    python train/pasted_hats.py --masks CCP --people peta@wide:PETA --people CUHK03/images \
        --locator person-reidentification-retail-0286.xml --out hats

Clothing Co-Parsing's masks cut out hats, and hair as well, so that a seam alone says nothing. Heads
are found by a logistic regression on one map of a re-identification network, learnt from the masks.
Writes OUT/*.png and OUT/origins.csv (``path,origin,hat``), which ``train/soft_labels.py`` reads.
Needs the extras train and openvino.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image, read_image, resize_crop
from edgeattr_train.data.datasets import open_dataset

Array = npt.NDArray[np.float32]

SIZE = (256, 128)  # height and width of the crops that the locator sees
MAP = "939"  # the operation at stride 8
MARGIN = 0.04  # around a person's box, as a share of its height
LEAST_CELL = 0.4  # share of a cell that must be head to be an example of one
TOP = 0.15  # share of the head that lies above what counts as its top
LEAST_SURE = 0.6  # probability of the best cell, below which nothing is pasted
SCALES = (0.95, 1.4)  # of the size of what is pasted: cameras look down on heads
GAIN = 0.45  # largest change of its brightness
TINT = 0.15  # and of each channel beside
HAIR_SHARE = 0.25  # of the pictures get hair, not a hat


class Photo(NamedTuple):
    """A photo of Clothing Co-Parsing, cut to its person."""

    image: Image  # uint8 [h, w, 3]
    mask: Image  # uint8 [h, w], 0 background, else the class


class Piece(NamedTuple):
    """What is pasted: pixels, how much of each counts, and where it belongs."""

    pixels: Image  # uint8 [h, w, 3]
    share: Array  # [h, w], 0..1
    offset: tuple[float, float]  # of its middle and top from the head's, in heights of the person
    height: float  # in heights of the person


def main() -> None:
    """Learn to find heads, cut pieces, paste them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--masks", type=Path, required=True, help="Clothing Co-Parsing's folder")
    parser.add_argument("--people", action="append", required=True, metavar="peta@wide:DIR|DIR")
    parser.add_argument("--locator", type=Path, required=True, help="an IR of the zoo's OSNet")
    parser.add_argument("--count", type=int, default=2500, help="pictures of each --people")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    classes = (options.masks / "classes.txt").read_text().split()
    photos = list(_photos(options.masks))
    locator = Locator(options.locator)
    locator.learn(photos, [classes.index("hair"), classes.index("hat")])
    hats = list(_pieces(photos, classes.index("hat"), locator))
    hair = list(_pieces(photos, classes.index("hair"), locator))
    print(f"{len(hats)} hats and {len(hair)} heads of hair off {len(photos)} photos")
    rng = np.random.default_rng(0)
    options.out.mkdir(parents=True)
    rows: list[tuple[str, Path, int]] = []
    for people in options.people:
        wanted = len(rows) + options.count
        for origin in rng.permutation(np.array(_bare_heads(people), dtype=object)):
            if len(rows) == wanted:
                break
            is_hat = bool(rng.random() >= HAIR_SHARE)
            choice = hats if is_hat else hair
            pasted = _paste(read_image(origin), choice[rng.integers(len(choice))], locator, rng)
            if pasted is not None:
                name = f"{len(rows):05d}.png"
                cv2.imwrite(str(options.out / name), pasted)
                rows.append((name, Path(origin).resolve(), int(is_hat)))
    with (options.out / "origins.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("path", "origin", "hat"), *rows])
    print(f"wrote {options.out}: {len(rows)} pictures")


def _bare_heads(people: str) -> list[Path]:
    """Pictures of people without a hat; of a folder, all."""
    if ":" not in people:
        return sorted(Path(people).glob("*.jpg"))
    data = open_dataset(people, "train")
    bare = data.labels[:, data.schema.index("hat")] == 0
    return [path for path, without in zip(data.paths, bare, strict=True) if without]


def _photos(folder: Path) -> Iterator[Photo]:
    for row in csv.DictReader((folder / "labels.csv").open(encoding="utf-8")):
        if edges := row["person_box_ltrb"].split():
            left, top, right, bottom = map(float, edges)
            margin = MARGIN * (bottom - top)
            rows = slice(max(0, int(top - margin)), int(bottom + margin))
            columns = slice(max(0, int(left - margin)), int(right + margin))
            mask = cv2.imread(
                str(folder / "masks" / f"{Path(row['path']).stem}.png"), cv2.IMREAD_UNCHANGED
            )
            assert mask is not None
            image = read_image(folder / row["path"])[rows, columns]
            yield Photo(image, mask[rows, columns].astype(np.uint8))


class Locator:
    """Finds the head in a crop of one person."""

    def __init__(self, network: Path) -> None:
        import openvino

        core = openvino.Core()
        model = core.read_model(network)
        [operation] = [o for o in model.get_ordered_ops() if o.get_friendly_name() == MAP]
        model.add_outputs([operation.output(0)])
        model.reshape([1, 3, *SIZE])
        self._network = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1})

    def learn(self, photos: list[Photo], classes: list[int]) -> None:
        """Learn from masks which cells of the map are head."""
        from sklearn.linear_model import LogisticRegression

        rng = np.random.default_rng(0)
        cells, heads = [], []
        for photo in photos:
            found = self._map(photo.image)
            head = np.isin(photo.mask, classes).astype(np.float32)
            share = cv2.resize(head, found.shape[1::-1], interpolation=cv2.INTER_AREA)
            share[len(share) // 3 :] = 0  # hair that hangs down is no head
            chosen = (share > LEAST_CELL) | (rng.random(share.shape) < 0.1)
            cells.append(found[chosen])
            heads.append(share[chosen] > LEAST_CELL)
        self._classifier = LogisticRegression(C=0.01, max_iter=300)
        self._classifier.fit(np.concatenate(cells), np.concatenate(heads))

    def find(self, image: Image) -> tuple[float, float] | None:
        """Middle and top of the head, x and y in pixels; None: not sure."""
        found = self._map(image)
        rows = len(found) // 3
        sure = self._classifier.predict_proba(found[:rows].reshape(-1, found.shape[2]))[:, 1]
        sure = sure.reshape(rows, -1)
        if sure.max() < LEAST_SURE:
            return None
        weights = np.where(sure > sure.max() / 2, sure, 0)
        weights /= weights.sum()
        x = (weights.sum(0) * (np.arange(weights.shape[1]) + 0.5)).sum() / weights.shape[1]
        below = np.concatenate([[0], weights.sum(1).cumsum()])
        y = np.interp(TOP, below, np.arange(rows + 1)) / len(found)
        return x * image.shape[1], y * image.shape[0]

    def _map(self, image: Image) -> Array:
        crop = resize_crop(image, *SIZE).transpose(2, 0, 1)[None].astype(np.float32)
        found: Array = self._network(crop)[1][0].transpose(1, 2, 0)
        return found


def _pieces(photos: list[Photo], wanted: int, locator: Locator) -> Iterator[Piece]:
    for photo in photos:
        mask = (photo.mask == wanted).astype(np.uint8)
        head = locator.find(photo.image)
        if mask.sum() < 30 or head is None:
            continue
        x, y, width, height = cv2.boundingRect(mask)
        tall = photo.image.shape[0]
        offset = (x + width / 2 - head[0]) / tall, (y - head[1]) / tall
        if max(map(abs, offset)) < 0.15:
            part = slice(y, y + height), slice(x, x + width)
            yield Piece(photo.image[part], mask[part].astype(np.float32), offset, height / tall)


def _paste(image: Image, piece: Piece, locator: Locator, rng: np.random.Generator) -> Image | None:
    """The picture with the piece on its head; None: no head found."""
    head = locator.find(image)
    if head is None:
        return None
    tall, wide = image.shape[:2]
    scale = rng.uniform(*SCALES) * piece.height * tall / piece.pixels.shape[0]
    x = head[0] + (piece.offset[0] + rng.normal(0, 0.008)) * tall
    y = head[1] + (piece.offset[1] + rng.normal(0, 0.008)) * tall
    flip = 1 if rng.random() < 0.5 else -1
    width = piece.pixels.shape[1]
    matrix = np.array([[flip * scale, 0, x - flip * scale * width / 2], [0, scale, y]])
    gains = rng.uniform(1 - GAIN, 1 + GAIN) * rng.uniform(1 - TINT, 1 + TINT, 3)
    pixels = cv2.warpAffine(_smoothed(piece.pixels, scale), matrix, (wide, tall)) * gains
    share = cv2.warpAffine(_smoothed(piece.share, scale), matrix, (wide, tall))
    share = cv2.GaussianBlur(share, (0, 0), max(0.4, 0.004 * tall))[..., None]
    mixed: Image = np.clip(image * (1 - share) + pixels * share, 0, 255).astype(np.uint8)
    return mixed


def _smoothed(values: npt.NDArray[np.generic], scale: float) -> npt.NDArray[np.generic]:
    """Blurred as far as making it ``scale`` times as large would alias."""
    return values if scale >= 1 else cv2.GaussianBlur(values, (0, 0), 0.5 / scale)


if __name__ == "__main__":
    main()
