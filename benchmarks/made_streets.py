"""Make streets with known tracks, in MOTChallenge's layout: people who cross and hide each other.

    python benchmarks/made_streets.py ../shared --out /tmp/streets
    edgeattr eval person --data mot:/tmp/streets

Walkers come from both sides, alone and in pairs, at different depths; some stop for a while, some
turn back, and posts of the scene hide them. Boxes are true for hidden people too, as in MOT15.
Trackers are chosen by these; `../shared/mot` only measures.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from made_people import Box, Cutout, Place, Walker, cutout, draw, empty_scene, write_made_video

from edgeattr.core.crops import Image

_SIZE = 640, 480
_SECONDS = 10.0
_SCENES = ("people-detection.264", "one-by-one-person-detection.mp4", "car-detection.mp4")
_RATES = (25, 7, 25, 10, 25, 30)  # frames/s, of PETS09 and others among them


def main() -> None:
    """Make them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for index in range(options.count):
        rate = _RATES[index % len(_RATES)]
        _make(options.shared, options.out / f"street{index}", index, rate)


def _make(shared: Path, out: Path, seed: int, rate: int) -> None:
    rng = np.random.default_rng(seed)
    width, height = _SIZE
    scene = empty_scene(shared / "videos" / _SCENES[seed % len(_SCENES)], width, height)
    scene = cv2.convertScaleAbs(scene, alpha=float(rng.uniform(0.7, 1.1)))
    walkers = _walkers(rng, shared)
    posts = _posts(rng) if seed % 2 else []
    lines = []

    def frames():  # type: ignore[no-untyped-def]
        for index in range(int(_SECONDS * rate)):
            seconds = index / rate
            for number, walker in enumerate(walkers, 1):
                if text := _line(walker.box(seconds)):
                    lines.append(f"{index + 1},{number},{text},1,-1,-1,-1\n")
            yield _degraded(rng, draw(scene, walkers, seconds, posts))

    write_made_video(out.with_suffix(".mp4"), frames(), rate)
    out.with_suffix(".gt.txt").write_text("".join(lines))


def _line(box: Box | None) -> str | None:
    """The part of a box inside the picture, if it is more than a third of it."""
    if box is None:
        return None
    left, top, right, bottom = box
    inside = min(right, _SIZE[0]) - max(left, 0)
    if inside < (right - left) / 3:
        return None
    left, right = max(0.0, left), min(float(_SIZE[0]), right)
    return f"{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f}"


def _walkers(rng: np.random.Generator, shared: Path) -> list[Walker]:
    walkers, far = [], float(rng.uniform(60, 130))
    near = far * float(rng.uniform(1.4, 2.4))
    level, colour = float(rng.uniform(0.1, 0.5)), float(rng.uniform(0.2, 1))
    while len(walkers) < int(rng.integers(7, 14)):
        depth, start = float(rng.random()), float(rng.uniform(-5, 0.6 * _SECONDS))
        rightward, pace = rng.random() < 0.5, float(rng.uniform(0.5, 0.9))
        stop = float(rng.uniform(0.2, 0.8)) if rng.random() < 0.25 else None
        back = rng.random() < 0.12
        for companion in range(2 if rng.random() < 0.3 else 1):
            nearer = min(1.0, depth + 0.12 * companion)
            behind = float(rng.uniform(0.2, 0.5)) * companion
            tall = far + (near - far) * nearer
            feet = (0.5 + level * nearer) * _SIZE[1] + 0.12 * tall
            path = _path(tall, feet, start + behind, rightward, pace, stop, back)
            picture = _faded(cutout(shared / "ccp", int(rng.integers(1, 1004))), colour)
            walkers.append(Walker(picture, path))
    return walkers


def _faded(picture: Cutout, colour: float) -> Cutout:
    """With less colour, as people in winter coats."""
    grey = picture[..., :3].mean(2, keepdims=True)
    faded = grey * (1 - colour) + picture[..., :3] * colour
    return np.dstack((faded.astype(np.uint8), picture[..., 3]))


def _path(
    tall: float, feet: float, start: float, rightward: bool, pace: float,
    stop: float | None, back: bool,
) -> Callable[[float], Place | None]:  # fmt: skip
    """Across the picture; a stop lasts three seconds, and who turns does so in the middle."""
    width = _SIZE[0]
    speed, margin = pace * tall, 0.4 * tall

    def at(seconds: float) -> Place | None:
        gone = (seconds - start) * speed
        if gone < 0:
            return None
        if stop is not None and gone > stop * width:
            gone = max(stop * width, gone - 3 * speed)
        if back and gone > 0.5 * width:
            gone = width - gone
        x = gone - margin
        if not -margin <= x <= width + margin:
            return None
        return (x if rightward else width - x), feet, tall

    return at


def _posts(rng: np.random.Generator) -> list[Box]:
    return [
        (left, 0.0, left + float(rng.uniform(12, 45)), float(_SIZE[1]))
        for left in rng.uniform(80, 520, int(rng.integers(1, 3)))
    ]


def _degraded(rng: np.random.Generator, frame: Image) -> Image:
    soft = cv2.GaussianBlur(frame, (0, 0), 1.2)
    noise = cv2.randn(np.empty(frame.shape, np.int16), 0, 5)
    return np.clip(soft + noise, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
