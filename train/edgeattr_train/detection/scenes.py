"""Prepare training material: pictures with boxes (scenes) and people with their outline (cut-outs).

    prepare(ccp=DIR, videos=DIR, cuhk03=DIR, teacher=yolox_nano.onnx, out=DIR)

writes `out/scenes/*.jpg` with `out/scenes.jsonl` (boxes of people, boxes to ignore) and
`out/cutouts/*.png` (blue, green, red, opacity). Boxes of pictures without annotation come from a
teacher that looks at each picture at two sizes, mirrored as well.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import read_image
from edgeattr.video.sources.file import VideoFileSource
from edgeattr_train.data.clothing_parsing import cut_out
from edgeattr_train.detection.teacher import Teacher

Boxes = list[list[float]]  # left, top, right, bottom in pixels
_CERTAIN, _POSSIBLE = 0.40, 0.12  # mean teacher score of a person; below it, of a box to ignore
_MAX_SIDE = 768  # pixels of a stored scene
_CUTOUT_HEIGHT = 320  # pixels of a stored cut-out at most


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


def prepare(
    *, ccp: Path, videos: Path, cuhk03: Path, teacher: Path, out: Path, photos: int = 480
) -> None:
    """Write scenes and cut-outs below `out`; see the module's docstring."""
    (out / "scenes").mkdir(parents=True, exist_ok=True)
    (out / "cutouts").mkdir(exist_ok=True)
    look = Teacher(teacher)
    cutouts(ccp, out / "cutouts")
    crops(cuhk03, out / "cutouts")
    with (out / "scenes.jsonl").open("w") as lines:
        for picture, scene in _all_scenes(ccp, videos, look, photos):
            cv2.imwrite(str(out / scene.file), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
            lines.write(json.dumps(asdict(scene)) + "\n")


def _all_scenes(
    ccp: Path, videos: Path, look: Teacher, photos: int
) -> Iterator[tuple[npt.NDArray[Any], Scene]]:
    for path in sorted(videos.iterdir()):
        empty = path.stem in {"car-detection", "bottle-detection"}  # nobody walks in them
        for index, picture in enumerate(_frames(path)):
            scene = Scene(file=f"scenes/{path.stem}-{index:04d}.jpg", group=path.stem)
            if not empty:
                scene.boxes, scene.ignore = labelled(look(picture))
            yield picture, scene
    rng = np.random.default_rng(0)
    paths = sorted((ccp / "images").glob("*.jpg"))
    for index in rng.permutation(len(paths))[:photos]:
        path = paths[index]
        picture = read_image(path)
        boxes, ignore = labelled(look(picture))
        yield (
            picture,
            Scene(file=f"scenes/photo-{path.name}", group="photo", boxes=boxes, ignore=ignore),
        )
    for path in sorted((ccp / "masks").glob("*.png"))[::4]:
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


def crops(cuhk03: Path, out: Path, each: int = 24) -> None:
    """Every `each`-th surveillance crop as a cut-out with soft edges, for want of a mask."""
    height, width = 128, 64
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    edge = np.maximum(np.abs(x) ** 3 * 1.02, np.abs(y) ** 8)
    opacity = (np.clip((1.0 - edge) * 4, 0, 1) * 255).astype(np.uint8)
    for path in sorted((cuhk03 / "images").glob("*.jpg"))[::each]:
        picture = read_image(path)
        cv2.imwrite(str(out / f"crop-{path.stem}.png"), np.dstack((picture, opacity)))


def main() -> None:
    """`python -m edgeattr_train.detection.scenes`."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, what in (
        ("ccp", "Clothing Co-Parsing: images, masks"),
        ("videos", "videos and GIFs"),
        ("cuhk03", "images of single people"),
        ("teacher", "YOLOX-nano's ONNX export"),
        ("out", "folder to write"),
    ):
        parser.add_argument(f"--{name}", type=Path, required=True, help=what)
    prepare(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
