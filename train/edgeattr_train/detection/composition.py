"""Compose training pictures: people pasted onto scenes, mosaics, a camera's faults."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import read_image
from edgeattr_train.detection.distractors import distractor
from edgeattr_train.detection.scenes import Scene, read_scenes

Picture = npt.NDArray[Any]  # uint8 [height, width, 3], blue-green-red; cut-outs have an opacity too
Boxes = npt.NDArray[np.float32]  # [n, 4], left, top, right, bottom
Rng = np.random.Generator
_LEAST_SIDE = 6  # pixels: narrower boxes are ignored
_LEAST_VISIBLE = 0.3  # share of a person: less is ignored,
_LEAST_CLOSE, _CLOSE = 0.1, 0.4  # or this, of whoever is as high as that share of the picture
_KINDS = {"paste": 0.28, "street": 0.15, "mosaic": 0.18, "real": 0.14, "close": 0.25}
_HEIGHTS = (22.0, 230.0)  # pixels of a pasted person
_CROP_TALL, _CROP_SHARE = 170.0, 0.45  # people below that height who are no masked photos
_GREY = 114
_GROUPED = 0.55  # share of people who stand beside the one before
_THINGS = 0.4  # share of pictures with something that is no person


@dataclass(kw_only=True)
class _Canvas:
    """A picture under construction; of every person the part that is still visible is known."""

    picture: Picture
    boxes: Boxes
    ignore: Boxes


class _Ground:
    """Where things may stand in a picture, and how high they are there.

    Sizes grow to the bottom of the picture.
    """

    def __init__(self, rng: Rng, height: int) -> None:
        self._height = height
        self._base = float(np.exp(rng.uniform(*np.log(_HEIGHTS))))
        self._tilt = rng.uniform(0, 1.5)  # how much nearer the bottom of the picture is

    def places(self, rng: Rng, count: int) -> Iterator[tuple[float, float]]:
        """Rows of feet, from the top down, and the height of who stands there, in pixels."""
        for share in np.sort(rng.uniform(0.25, 1.15, count)):
            tall = self._base * (1 + self._tilt * (share - 0.6)) * float(rng.uniform(0.85, 1.15))
            yield float(share * self._height), min(max(tall, 14.0), 1.5 * self._height)


class Composer:
    """Make training pictures from a folder of `scenes.prepare`.

    Args:
        folder: with scenes.jsonl, scenes, cutouts.
        part: "train", or "val" for every tenth scene and cut-out, which training never sees.
    """

    def __init__(self, folder: Path, part: str = "train") -> None:
        def chosen(items: Sequence[object]) -> list[int]:
            return [i for i in range(len(items)) if (i % 10 == 9) == (part == "val")]

        scenes = read_scenes(folder)
        self.scenes = [scenes[i] for i in chosen(scenes)]
        self._pictures = [read_image(folder / scene.file) for scene in self.scenes]
        groups: dict[str, list[int]] = {}
        for index, scene in enumerate(self.scenes):
            groups.setdefault(scene.group, []).append(index)
        self._photos = groups["photo"]
        self._backgrounds = groups.get("background", self._photos)
        self._videos = [
            index for name, index in groups.items() if name not in ("photo", "background")
        ]
        self._cutouts: dict[str, list[Picture]] = {}
        for kind in ("mask", "crop"):
            paths = sorted((folder / "cutouts").glob(f"{kind}-*.png"))
            self._cutouts[kind] = [
                np.asarray(cv2.imread(str(paths[i]), cv2.IMREAD_UNCHANGED)) for i in chosen(paths)
            ]

    def __call__(self, rng: Rng, height: int, width: int) -> tuple[Picture, Boxes, Boxes]:
        """A picture [height, width, 3], boxes of its people and boxes to ignore."""
        kind = rng.choice(list(_KINDS), p=list(_KINDS.values()))
        people = min(1 + int(rng.geometric(0.2)), 16)
        if kind == "paste":
            canvas = self._single(rng, height, width, (0.0, 0.35, 0.65))
        elif kind == "real":
            canvas, people = self._single(rng, height, width, (0.1, 0.0, 0.9)), 0
        elif kind == "close":
            canvas, people = self._close(rng, height, width), 0
        elif kind == "street":
            canvas = self._mosaic(rng, height, width, (0.1, 0.75, 0.15))
        else:
            canvas = self._mosaic(rng, height, width, (0.65, 0.05, 0.3))
            people = int(rng.integers(0, 4))
        things = int(rng.geometric(0.4)) if rng.random() < _THINGS else 0
        if people or things:
            self._paste(rng, canvas, people, things)
        picture, boxes, ignore = canvas.picture, canvas.boxes, canvas.ignore
        if rng.random() < 0.5:
            picture = np.ascontiguousarray(picture[:, ::-1])
            for which in (boxes, ignore):
                which[:, [0, 2]] = width - which[:, [2, 0]]
        small = (boxes[:, 2:] - boxes[:, :2]).min(1, initial=1e9) < _LEAST_SIDE
        return degraded(rng, picture), boxes[~small], np.concatenate((ignore, boxes[small]))

    def _scene(self, index: int) -> tuple[Picture, Scene]:
        return self._pictures[index], self.scenes[index]

    def _pick(self, rng: Rng, shares: tuple[float, float, float]) -> int:
        """Index of a scene: a photo, a background or a video's frame, by these shares."""
        kind = rng.choice(3, p=shares)
        video = self._videos[rng.integers(len(self._videos))]
        pool = (self._photos, self._backgrounds, video)[kind]
        return pool[rng.integers(len(pool))]

    def _single(
        self, rng: Rng, height: int, width: int, shares: tuple[float, float, float]
    ) -> _Canvas:
        """One scene, cut at random so that it fills the canvas, or whole."""
        picture, scene = self._scene(self._pick(rng, shares))
        sides = height / picture.shape[0], width / picture.shape[1]
        zoom = min(sides)
        if rng.random() < 0.7:
            zoom = max(sides) * float(np.exp(rng.uniform(-0.1, 0.6)))
        return _placed(rng, picture, scene, height, width, zoom)

    def _close(self, rng: Rng, height: int, width: int) -> _Canvas:
        """A part of a photo, much enlarged: people whom the picture cuts off, or none."""
        picture, scene = self._scene(self._photos[rng.integers(len(self._photos))])
        sides = height / picture.shape[0], width / picture.shape[1]
        return _placed(
            rng, picture, scene, height, width, max(sides) * float(np.exp(rng.uniform(0, 0.9)))
        )

    def _mosaic(
        self, rng: Rng, height: int, width: int, shares: tuple[float, float, float]
    ) -> _Canvas:
        """Rows of scenes, each as high as its row, until the row is full."""
        canvas = _empty(rng, height, width)
        cuts = np.sort(rng.uniform(0.3, 0.7, rng.choice([0, 1, 1, 2])))
        rows = np.r_[0, (cuts * height).astype(int), height]
        for top, bottom in itertools.pairwise(rows):
            if bottom - top < 48:
                continue
            left = 0
            while left < width:
                picture, scene = self._scene(self._pick(rng, shares))
                zoom = (bottom - top) / picture.shape[0] * float(rng.uniform(0.9, 1.4))
                step = min(
                    max(int(picture.shape[1] * zoom * rng.uniform(0.6, 1)), 32), width - left
                )
                tile = _placed(rng, picture, scene, bottom - top, step, zoom)
                canvas.picture[top:bottom, left : left + step] = tile.picture
                shift = np.array([left, top, left, top], np.float32)
                canvas.boxes = np.concatenate((canvas.boxes, tile.boxes + shift))
                canvas.ignore = np.concatenate((canvas.ignore, tile.ignore + shift))
                left += step
        return canvas

    def _paste(self, rng: Rng, canvas: _Canvas, people: int, things: int) -> None:
        """Paste things that are no people, then people, each far ones first."""
        height, width = canvas.picture.shape[:2]
        owner = np.full((height, width), -1, np.int32)
        for index, box in enumerate(canvas.boxes.astype(int)):
            owner[box[1] : box[3], box[0] : box[2]] = index
        whole = [float(max((owner == i).sum(), 1)) for i in range(len(canvas.boxes))]
        boxes = list(canvas.boxes)
        ground = _Ground(rng, height)
        for foot, tall in ground.places(rng, things):
            cut = _resized(rng, self._thing(rng), tall * float(rng.uniform(0.6, 1.4)))
            left = int(rng.uniform(-0.1, 1) * width)
            _blend(rng, canvas.picture, cut, left, int(foot - cut.shape[0]), owner, -1)
        cluster = rng.uniform(0, width)
        for foot, tall in ground.places(rng, people):
            middle = rng.uniform(-0.02, 1.02) * width
            if rng.random() < _GROUPED:  # people walk in groups and cover each other
                middle = cluster + rng.normal(0, rng.uniform(0.15, 0.5)) * tall
            cluster = middle
            cut = _resized(rng, self._cutout(rng, tall), tall)
            left, top = int(middle - cut.shape[1] / 2), int(foot - cut.shape[0])
            area = _blend(rng, canvas.picture, cut, left, top, owner, len(boxes))
            if area is None:
                continue
            boxes.append(area[0])
            whole.append(area[1])
            if rng.random() < 0.12:
                _occlude(rng, canvas.picture, owner, area[0])
        visible = np.bincount(owner[owner >= 0], minlength=len(boxes)) / np.array(whole)
        stacked = np.array(boxes, np.float32).reshape(-1, 4)
        seen = visible >= _LEAST_VISIBLE
        canvas.boxes = stacked[seen]
        canvas.ignore = np.concatenate((canvas.ignore, stacked[~seen]))

    def _thing(self, rng: Rng) -> Picture:
        scene = self._pictures[self._backgrounds[rng.integers(len(self._backgrounds))]]
        masks = self._cutouts["mask"]
        return distractor(rng, scene, masks[rng.integers(len(masks))])

    def _cutout(self, rng: Rng, tall: float) -> Picture:
        surveillance = tall < _CROP_TALL and rng.random() < _CROP_SHARE
        pool = self._cutouts["crop" if surveillance else "mask"]
        return pool[rng.integers(len(pool))]


def _empty(rng: Rng, height: int, width: int) -> _Canvas:
    colour = rng.integers(0, 255, 3) if rng.random() < 0.5 else (_GREY,) * 3
    picture = np.full((height, width, 3), colour, np.uint8)
    none = np.zeros((0, 4), np.float32)
    return _Canvas(picture=picture, boxes=none, ignore=none.copy())


def _placed(
    rng: Rng, picture: Picture, scene: Scene, height: int, width: int, zoom: float
) -> _Canvas:
    """A scene scaled by `zoom` and cut (or filled up with grey) to height x width."""
    canvas = _empty(rng, height, width)
    way = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=way)
    spare = np.array([width - scaled.shape[1], height - scaled.shape[0]])
    x, y = (int(rng.integers(min(s, 0), max(s, 0) + 1)) for s in spare)
    inner = scaled[max(-y, 0) : height - y if y < 0 else height, max(-x, 0) :][:height, :width]
    top, left = max(y, 0), max(x, 0)
    inner = inner[: height - top, : width - left]
    canvas.picture[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    for name, given in (("boxes", scene.boxes), ("ignore", scene.ignore)):
        boxes = np.array(given, np.float32).reshape(-1, 4) * zoom + np.array(
            [x, y, x, y], np.float32
        )
        limits = np.array([left, top, left + inner.shape[1], top + inner.shape[0]])
        clipped = np.clip(boxes, limits[[0, 1, 0, 1]], limits[[2, 3, 2, 3]])
        area, full = ((b[:, 2:] - b[:, :2]).prod(1) for b in (clipped, boxes))
        share = area / np.maximum(full, 1e-6)
        if name == "boxes":
            tall = (clipped[:, 3] - clipped[:, 1]) >= _CLOSE * height
            shown = (share > _LEAST_VISIBLE) | (tall & (share > _LEAST_CLOSE))
            canvas.boxes, canvas.ignore = clipped[shown], clipped[~shown & (area > 0)]
        else:
            canvas.ignore = np.concatenate((canvas.ignore, clipped[area > 0]))
    return canvas


def _resized(rng: Rng, cut: Picture, tall: float) -> Picture:
    scale = tall / cut.shape[0]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    width = max(round(cut.shape[1] * scale * float(rng.uniform(0.88, 1.12))), 3)
    cut = cv2.resize(cut, (width, max(round(tall), 6)), interpolation=way)
    return cut[:, ::-1] if rng.random() < 0.5 else cut


def _blend(
    rng: Rng,
    picture: Picture,
    cut: Picture,
    left: int,
    top: int,
    owner: npt.NDArray[np.int32],
    index: int,
) -> tuple[Boxes, float] | None:
    """Paste a cut-out, its brightness drawn to that of its surroundings.

    Returns the box within the picture and the pixels of the whole person in it; None if almost
    nothing of the person would be in the picture.
    """
    height, width = picture.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + cut.shape[1], width), min(top + cut.shape[0], height)
    if (x1 - x0) * (y1 - y0) < 0.35 * cut.shape[0] * cut.shape[1] or x1 - x0 < 3:
        return None
    part = cut[y0 - top : y1 - top, x0 - left : x1 - left]
    colour, opacity = part[..., :3].astype(np.float32), part[..., 3].astype(np.float32) / 255
    if rng.random() < 0.5:
        opacity = np.asarray(cv2.GaussianBlur(opacity, (3, 3), 0), np.float32)
    under = picture[y0:y1, x0:x1]
    solid: npt.NDArray[np.bool_] = np.greater(opacity, 0.5)
    if solid.sum() < 12:
        return None
    light, person = under.mean() + 1, colour[solid].mean() + 1
    gain = (light / person) ** rng.uniform(0, 0.7) * np.exp(rng.normal(0, 0.15))
    contrast = rng.uniform(0.6, 1.1)
    colour = ((colour - person) * contrast + person) * np.clip(gain, 0.35, 1.8)
    mixed = under * (1 - opacity[..., None]) + np.clip(colour, 0, 255) * opacity[..., None]
    picture[y0:y1, x0:x1] = mixed.astype(np.uint8)
    owner[y0:y1, x0:x1][solid] = index
    rows, columns = np.nonzero(solid.max(1))[0], np.nonzero(solid.max(0))[0]
    box = [x0 + columns[0], y0 + rows[0], x0 + columns[-1] + 1, y0 + rows[-1] + 1]
    return np.array(box, np.float32), float(solid.sum())


def _occlude(rng: Rng, picture: Picture, owner: npt.NDArray[np.int32], box: Boxes) -> None:
    """Cover the lower or a lateral part of a person with another part of the picture."""
    x0, y0, x1, y1 = box.astype(int)
    height, width = picture.shape[:2]
    if rng.random() < 0.6:
        y0 = int(y1 - rng.uniform(0.15, 0.55) * (y1 - y0))
        x0, x1 = max(x0 - 4, 0), min(x1 + int(rng.integers(2, 40)), width)
    else:
        x0 = int(x1 - rng.uniform(0.15, 0.5) * (x1 - x0))
        y0, x1 = max(y0 - 4, 0), min(x1 + 4, width)
    tall, wide = y1 - y0, x1 - x0
    if tall < 2 or wide < 2 or tall >= height or wide >= width:
        return
    from_y, from_x = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    if rng.random() < 0.5:
        patch = picture[from_y : from_y + tall, from_x : from_x + wide].copy()
    else:
        patch = np.full((tall, wide, 3), rng.integers(0, 255, 3), np.uint8)
    if (owner[from_y : from_y + tall, from_x : from_x + wide] >= 0).any():
        patch[...] = picture[from_y, from_x]
    picture[y0:y1, x0:x1] = patch
    owner[y0:y1, x0:x1] = -1


def degraded(rng: Rng, picture: Picture) -> Picture:
    """Light, colour, night, blur, low resolution, noise and compression, each at random."""
    height, width = picture.shape[:2]
    gamma, gain = np.exp(rng.normal(0, 0.22)), np.exp(rng.normal(0, 0.15))
    night = rng.random() < 0.08
    if night:
        gamma, gain = rng.uniform(1.3, 2.2), rng.uniform(0.4, 0.8)
    levels = np.linspace(0, 1, 256) ** gamma * gain * 255 + rng.normal(0, 8)
    cast = np.exp(rng.normal(0, 0.07, 3))
    table = np.clip(levels[:, None] * cast, 0, 255).astype(np.uint8)
    picture = cv2.LUT(picture, table[None])
    if rng.random() < (0.5 if night else 0.12):
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if rng.random() < 0.15:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 1.6))
    if rng.random() < 0.15:
        scale = rng.uniform(0.4, 0.8)
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    if night or rng.random() < 0.15:
        noise = rng.normal(0, rng.uniform(3, 12), (height, width, 1))
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        quality = int(rng.integers(20, 85))
        coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        picture = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return picture
