"""Prepare training material: pictures with boxes (scenes) and people with their outline (cut-outs).

    prepare(ccp=DIR, videos=DIR, cuhk03=DIR, peta=DIR, teacher=yolox_nano.onnx, out=DIR)

writes `out/scenes/*.jpg` with `out/scenes.jsonl` (boxes of people, boxes to ignore) and
`out/cutouts/*.png` (blue, green, red, opacity). Boxes of pictures without annotation come from a
teacher that looks at each picture at two sizes, mirrored as well.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import read_image
from edgeattr.video.sources.file import VideoFileSource
from edgeattr_train.data.clothing_parsing import cut_out
from edgeattr_train.data.peta import open_peta
from edgeattr_train.detection.distractors import soft_edges
from edgeattr_train.detection.teacher import Teacher

Boxes = list[list[float]]  # left, top, right, bottom in pixels
_CERTAIN, _POSSIBLE = 0.40, 0.12  # mean teacher score of a person; below it, of a box to ignore
_MAX_SIDE = 768  # pixels of a stored scene
_CUTOUT_HEIGHT = 320  # pixels of a stored cut-out at most
_CROP_HEIGHT, _LEAST_WIDTH = 256, 14  # pixels of a cut-out without a mask: at most, at least
_PHOTOS, _PETA_CROPS = 1700, 4000


@dataclass(kw_only=True)
class Scene:
    file: str  # relative to the folder of scenes.jsonl
    group: str  # source: a video's name, or "photo", "background"
    boxes: Boxes = field(default_factory=list)  # people
    ignore: Boxes = field(default_factory=list)  # neither people nor background


def read_scenes(folder: Path) -> list[Scene]:
    """Read `scenes.jsonl`."""
    lines = (folder / "scenes.jsonl").read_text().splitlines()
    return [Scene(**json.loads(line)) for line in lines]


def prepare(*, ccp: Path, videos: Path, cuhk03: Path, peta: Path, teacher: Path, out: Path) -> None:
    """Write scenes and cut-outs below `out`; see the module's docstring."""
    (out / "scenes").mkdir(parents=True, exist_ok=True)
    (out / "cutouts").mkdir(exist_ok=True)
    look = Teacher(teacher)
    cutouts(ccp, out / "cutouts")
    shown = np.array(open_peta(peta, "train").paths)
    some = np.random.default_rng(0).permutation(shown)[:_PETA_CROPS]
    every_eighth = sorted((cuhk03 / "images").glob("*.jpg"))[::8]
    write_crops([*some, *every_eighth], Teacher(teacher, sizes=(320, 416)), out / "cutouts")
    with (out / "scenes.jsonl").open("w") as lines:
        for picture, scene in _all_scenes(ccp, videos, look):
            cv2.imwrite(str(out / scene.file), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
            lines.write(json.dumps(asdict(scene)) + "\n")


def _all_scenes(ccp: Path, videos: Path, look: Teacher) -> Iterator[tuple[npt.NDArray[Any], Scene]]:
    for path in sorted(videos.iterdir()):
        empty = path.stem in {"car-detection", "bottle-detection"}  # nobody walks in them
        for index, picture in enumerate(_frames(path)):
            scene = Scene(file=f"scenes/{path.stem}-{index:04d}.jpg", group=path.stem)
            if not empty:
                scene.boxes, scene.ignore = labelled(look(picture))
            yield picture, scene
    rng = np.random.default_rng(0)
    paths = sorted((ccp / "images").glob("*.jpg"))
    for index in rng.permutation(len(paths))[:_PHOTOS]:
        path = paths[index]
        picture = read_image(path)
        boxes, ignore = labelled(look(picture))
        yield (
            picture,
            Scene(file=f"scenes/photo-{path.name}", group="photo", boxes=boxes, ignore=ignore),
        )
    for path in sorted((ccp / "masks").glob("*.png"))[::2]:
        picture = read_image(ccp / "images" / f"{path.stem}.jpg")
        mask = _mask(path)
        picture = without_person(picture, mask)
        boxes, ignore = labelled(look(picture))
        yield (
            picture,
            Scene(
                file=f"scenes/background-{path.stem}.jpg",
                group="background",
                boxes=boxes,
                ignore=ignore,
            ),
        )


def labelled(found: npt.NDArray[np.float32]) -> tuple[Boxes, Boxes]:
    """Split the teacher's boxes [n, 5] (left, top, right, bottom, mean score) by certainty."""
    certain = found[:, 4] >= _CERTAIN
    possible = ~certain & (found[:, 4] >= _POSSIBLE)
    return found[certain, :4].round(1).tolist(), found[possible, :4].round(1).tolist()


def _frames(path: Path) -> Iterator[npt.NDArray[Any]]:
    """About 110 frames of a video, evenly, shrunk to `_MAX_SIDE`."""
    with VideoFileSource(str(path)) as source:
        pictures = [frame.image for frame in source.frames()]
    step = max(len(pictures) / 110, 2 if len(pictures) > 30 else 1)
    for index in np.arange(0, len(pictures), step).astype(int):
        picture = pictures[index]
        scale = min(_MAX_SIDE / max(picture.shape[:2]), 1.0)
        yield cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _mask(path: Path) -> npt.NDArray[Any]:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))


def without_person(picture: npt.NDArray[Any], mask: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Fill the person's pixels up from around them, at a quarter of the resolution, with noise."""
    hole = cv2.dilate((mask > 0).astype(np.uint8), np.ones((25, 25), np.uint8))
    small = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small_hole = cv2.resize(hole, small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    filled = cv2.inpaint(small, small_hole, 5, cv2.INPAINT_TELEA)
    filled = cv2.resize(filled, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).normal(0, 6, picture.shape)
    filled = np.clip(filled + noise, 0, 255).astype(np.uint8)
    soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 3)[..., None]
    return (picture * (1 - soft) + filled * soft).astype(np.uint8)


def cutouts(ccp: Path, out: Path) -> None:
    """Cut every annotated person of Clothing Co-Parsing out along the mask."""
    for path in sorted((ccp / "masks").glob("*.png")):
        whole = cut_out(ccp, path.stem, least_part=0.02)
        height, width = whole.shape[:2]
        if height < 150 or not 0.15 < width / height < 0.8:
            continue
        scale = min(_CUTOUT_HEIGHT / height, 1.0)
        small = cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(out / f"mask-{path.stem}.png"), small)


def write_crops(pictures: Iterable[Path], look: Teacher, out: Path) -> None:
    """Surveillance crops of one person each as cut-outs with soft edges, for want of a mask.

    What the teacher sees of the person is cut out; pictures in which it sees nobody are left.
    """
    for path in pictures:
        person = _person_of(read_image(path), look)
        if person is None:
            continue
        scale = min(_CROP_HEIGHT / person.shape[0], 1.0)
        small = cv2.resize(person, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        opacity = soft_edges(*small.shape[:2])
        name = f"crop-{path.parent.parent.name}-{path.stem}.png"
        cv2.imwrite(str(out / name), np.dstack((small, opacity)))


def _person_of(crop: npt.NDArray[Any], look: Teacher) -> npt.NDArray[Any] | None:
    """The largest person of a crop, who must fill most of its height; the crop stands on grey."""
    height, width = crop.shape[:2]
    canvas = np.full((int(height * 1.2), int(max(width * 1.6, height * 0.6)), 3), 114, np.uint8)
    top, left = ((canvas.shape[axis] - crop.shape[axis]) // 2 for axis in (0, 1))
    canvas[top : top + height, left : left + width] = crop
    found = look(canvas)
    boxes = found[found[:, 4] > _CERTAIN, :4] - [left, top, left, top]
    if not len(boxes):
        return None
    box = boxes[np.argmax((boxes[:, 2:] - boxes[:, :2]).prod(1))]
    x0, y0 = np.maximum(box[:2] - 1, 0).astype(int)
    x1, y1 = np.minimum(box[2:] + 1, [width, height]).astype(int)
    if y1 - y0 < 0.6 * height or not _LEAST_WIDTH <= x1 - x0 <= 0.8 * (y1 - y0):
        return None
    return crop[y0:y1, x0:x1]


def main() -> None:
    """`python -m edgeattr_train.detection.scenes`."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, what in (
        ("ccp", "Clothing Co-Parsing: images, masks"),
        ("videos", "videos and GIFs"),
        ("cuhk03", "images of single people"),
        ("peta", "PETA.mat and images of single people"),
        ("teacher", "YOLOX-nano's ONNX export"),
        ("out", "folder to write"),
    ):
        parser.add_argument(f"--{name}", type=Path, required=True, help=what)
    prepare(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
