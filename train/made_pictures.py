"""Training pictures made from others: hats, clothes in other colours, suits in the dark, nobody.

    python train/made_pictures.py --masks CCP --people peta@wide:PETA \
        --locator person-reidentification-retail-0286.xml --out made

Clothing Co-Parsing's masks cut out hats, and hair as well, so that a seam alone says nothing. Heads
are found by a logistic regression on one map of a re-identification network, learnt from the masks.
Every second masked photo has its upper or lower garment painted in other colours; the others are
left for `benchmarks/colours.py`. Photos of suits and ties come again, lighter and darker. Writes
OUT/*.png and OUT/origins.csv (``path,origin,yes,no,unknown``), which ``train/soft_labels.py``
reads. With --nobody VIDEO, which shows nobody, what the person detector takes for people there
comes as well, and parts of it and of the photos where it finds no one. Needs the extras train and
openvino.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image, read_image, resize_crop
from edgeattr.core.schema import AttributeSchema
from edgeattr.video.detectors import open_detector
from edgeattr.video.sources.file import VideoFileSource
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.data.clothing_parsing import FORMAL, UPPER_GARMENTS, Photo, painted, photos
from edgeattr_train.data.datasets import open_dataset

Array = npt.NDArray[np.float32]

SIZE = (256, 128)  # height and width of the crops that the locator sees
MAP = "939"  # the operation at stride 8
LEAST_CELL = 0.4  # share of a cell that must be head to be an example of one
TOP = 0.15  # share of the head that lies above what counts as its top
LEAST_SURE = 0.6  # probability of the best cell, below which nothing is pasted
SCALES = (0.95, 1.4)  # of the size of what is pasted: cameras look down on heads
GAIN = 0.45  # largest change of its brightness
TINT = 0.15  # and of each channel beside
HAIR_SHARE = 0.25  # of the pictures get hair, not a hat
HEAD = ("hair_", "bald", "kerchief")  # beside *_hair: what another head leaves unknown
EACH = 2  # every so-manieth photo with a mask is painted
COLOURS_EACH = 5  # colours of each garment
PAINTED_HATS = 0.4  # share of the hats that are painted, as helmets are
SUITS_EACH = 3  # pictures of each photo of a suit or a tie
SUIT_GAINS = (0.3, 1.2)  # of their brightness
FRAMES_EACH = 4  # every so-manieth frame of videos without anybody is looked at
TRIES = 25  # at finding a part without anybody
SOMEBODY = 0.1  # score of the person detector at which nothing is taken for empty
MISTAKEN = 0.3  # score of what it takes for people where nobody is
LEAST_GARMENT = 0.03  # share of the crop
GARMENTS = {
    "upper_body": UPPER_GARMENTS,
    "lower_body": {"jeans", "leggings", "pants", "shorts", "skirt", "tights"},
}  # fmt: skip
PAINTS = {  # lightness 0..100, a and b of CIELAB
    "black": (15, 0, 0), "white": (90, 0, 0), "grey": (50, 0, 0), "red": (42, 56, 36),
    "blue": (36, 8, -42), "green": (44, -34, 28), "yellow": (80, 2, 64), "brown": (34, 15, 24),
    "purple": (34, 34, -34), "pink": (72, 34, 2), "orange": (64, 42, 58),
}  # fmt: skip


class Made(NamedTuple):
    """A picture, where it comes from, and what that changed."""

    image: Image  # uint8 [h, w, 3]
    origin: Path | None  # None: it shows nobody
    yes: list[str]
    no: list[str]
    unknown: list[str]


class Piece(NamedTuple):
    """What is pasted: pixels, how much of each counts, and where it belongs."""

    pixels: Image  # uint8 [h, w, 3]
    share: Array  # [h, w], 0..1
    offset: tuple[float, float]  # of its middle and top from the head's, in heights of the person
    height: float  # in heights of the person


def main() -> None:
    """Paste hats and hair, paint clothes, write what is so of each picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--masks", type=Path, required=True, help="Clothing Co-Parsing's folder")
    parser.add_argument("--people", required=True, metavar="peta@wide:DIR")
    parser.add_argument("--locator", type=Path, required=True, help="an IR of the zoo's OSNet")
    parser.add_argument("--count", type=int, default=3500, help="of --people with another head")
    parser.add_argument("--nobody", type=Path, action="append", default=[], metavar="VIDEO")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    data = open_dataset(options.people, "train")
    masked = list(photos(options.masks, with_masks=True))
    options.out.mkdir(parents=True)
    rng = np.random.default_rng(0)
    with (options.out / "origins.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(("path", "origin", "yes", "no", "unknown"))
        for number, made in enumerate(
            itertools.chain(
                itertools.islice(_with_hats(masked, data, options.locator, rng), options.count),
                _with_colours(masked[::EACH], data.schema, rng),
                _suits(options.masks, rng),
                _nobody(options.masks, options.nobody, rng),
            )
        ):
            name = f"{number:05d}.png"
            cv2.imwrite(str(options.out / name), made.image)
            facts = (" ".join(names) for names in (made.yes, made.no, made.unknown))
            table.writerow((name, made.origin.resolve() if made.origin else "", *facts))
    print(f"wrote {options.out}: {number + 1} pictures")


def _with_hats(
    masked: list[Photo], data: AttributeDataset, network: Path, rng: np.random.Generator
) -> Iterator[Made]:
    """People without a hat, most of them with one."""
    locator = Locator(network)
    locator.learn(masked)
    hats = list(_pieces(masked, "hat", locator))
    hair = list(_pieces(masked, "hair", locator))
    print(f"{len(hats)} hats and {len(hair)} heads of hair off {len(masked)} photos")
    names = data.schema.names
    of_head = [name for name in names if name.startswith(HEAD) or name.endswith("_hair")]
    for place in rng.permutation(np.flatnonzero(data.labels[:, data.schema.index("hat")] == 0)):
        is_hat = bool(rng.random() >= HAIR_SHARE)
        choice = hats if is_hat else hair
        piece = choice[rng.integers(len(choice))]
        if is_hat and rng.random() < PAINTED_HATS:
            paint = _varied(str(rng.choice(list(PAINTS))), rng)
            piece = piece._replace(pixels=painted(piece.pixels, piece.share > 0, paint))
        image = _pasted(read_image(data.paths[place]), piece, locator, rng)
        if image is not None:
            facts = (["hat"], ["no_accessory"]) if is_hat else ([], [])
            yield Made(image, data.paths[place], *facts, of_head)


def _with_colours(
    masked: list[Photo], schema: AttributeSchema, rng: np.random.Generator
) -> Iterator[Made]:
    """The same person with an upper or lower garment in other colours."""
    for photo, (thing, garments) in itertools.product(masked, GARMENTS.items()):
        worn = photo.tags & garments
        if len(worn) != 1 or "dress" in photo.tags:
            continue
        where, image = photo.mask(*worn), photo.read()
        if where.mean() < LEAST_GARMENT:
            continue
        colours = [schema.names[place] for place in schema.colours[thing]]
        known = [name for name in colours if name.removeprefix(f"{thing}_") in PAINTS]
        for name in rng.choice(known, COLOURS_EACH, replace=False):
            paint = _varied(str(name).removeprefix(f"{thing}_"), rng)
            others = [other for other in colours if other != name]
            yield Made(painted(image, where, paint), photo.path, [str(name)], others, [])


def _suits(folder: Path, rng: np.random.Generator) -> Iterator[Made]:
    """People in a suit or a tie, in other light."""
    for photo in photos(folder):
        if not photo.tags & FORMAL:
            continue
        jacket = ["suit_jacket"] if photo.tags & {"suit", "blazer"} else []
        for _ in range(SUITS_EACH):
            image = cv2.convertScaleAbs(photo.read(), alpha=rng.uniform(*SUIT_GAINS))
            facts = ["formal_upper", *jacket], ["casual_upper"], []
            yield Made(image.astype(np.uint8, copy=False), photo.path, *facts)


def _nobody(folder: Path, videos: list[Path], rng: np.random.Generator) -> Iterator[Made]:
    """Parts of pictures that show nobody; of the videos also what a detector takes for people."""
    with open_detector("person", min_score=SOMEBODY) as detector:
        for photo in photos(folder) if videos else ():
            image = read_image(photo.path)
            x, y, width, height = photo.box if photo.box[2] else (0, 0, *image.shape[1::-1])
            found = detector.detect(image).boxes
            yield from _empty_part(image, np.vstack([found, (x, y, x + width, y + height)]), rng)
        for video in videos:
            with VideoFileSource(str(video)) as source:
                for frame in itertools.islice(source.frames(), 0, None, FRAMES_EACH):
                    people = detector.detect(frame.image)
                    mistaken = people.boxes[people.scores >= MISTAKEN].astype(int)
                    for left, top, right, bottom in mistaken:
                        yield Made(frame.image[top:bottom, left:right], None, [], [], [])
                    yield from _empty_part(frame.image, people.boxes, rng)


def _empty_part(image: Image, boxes: Array, rng: np.random.Generator) -> Iterator[Made]:
    """A random part that touches none of the boxes, if one is soon found."""
    tall, wide = image.shape[:2]
    for _ in range(TRIES):
        height = int(rng.uniform(0.1, 0.8) * tall)
        width = int(np.clip(height * np.exp(rng.normal(-0.8, 0.35)), 8, wide))
        x, y = int(rng.integers(wide - width + 1)), int(rng.integers(tall - height + 1))
        apart = (boxes[:, 0] >= x + width) | (boxes[:, 2] <= x)
        apart |= (boxes[:, 1] >= y + height) | (boxes[:, 3] <= y)
        if apart.all():
            yield Made(image[y : y + height, x : x + width], None, [], [], [])
            return


def _varied(name: str, rng: np.random.Generator) -> tuple[float, float, float]:
    """A paint of this name: lightness, a and b."""
    paint = np.array(PAINTS[name])
    lightness, a, b = paint + rng.normal(0, (8, 7, 7)) * (1, *(paint[1:] != 0))
    return float(lightness), float(a), float(b)


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

    def learn(self, masked: list[Photo]) -> None:
        """Learn from masks which cells of the map are head."""
        from sklearn.linear_model import LogisticRegression

        rng = np.random.default_rng(0)
        cells, heads = [], []
        for photo in masked:
            found = self._map(photo.read())
            head = photo.mask("hair", "hat").astype(np.float32)
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


def _pieces(masked: list[Photo], wanted: str, locator: Locator) -> Iterator[Piece]:
    for photo in masked:
        mask, image = photo.mask(wanted).astype(np.uint8), photo.read()
        head = locator.find(image)
        if mask.sum() < 30 or head is None:
            continue
        x, y, width, height = cv2.boundingRect(mask)
        tall = image.shape[0]
        offset = (x + width / 2 - head[0]) / tall, (y - head[1]) / tall
        if max(map(abs, offset)) < 0.15:
            part = slice(y, y + height), slice(x, x + width)
            yield Piece(image[part], mask[part].astype(np.float32), offset, height / tall)


def _pasted(image: Image, piece: Piece, locator: Locator, rng: np.random.Generator) -> Image | None:
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
