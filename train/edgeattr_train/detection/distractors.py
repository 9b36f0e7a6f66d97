"""Things that stand where people do and are none: trees, posts, doors, figures without a face.

They teach that a dark upright shape is not enough for a person.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

_Picture = npt.NDArray[Any]  # uint8 [height, width, 3], blue-green-red; a thing has an opacity too
_HEIGHT = 160  # pixels of a thing as it is made


def distractor(rng: np.random.Generator, scene: _Picture, person: _Picture) -> _Picture:
    """A thing, uint8 [160, W, 4]: blue, green, red, opacity.

    Args:
        rng: chooses its outline and what covers it.
        scene: a picture that the cover may be cut from, uint8 [h, w, 3].
        person: a cut-out, uint8 [h, w, 4], whose outline some things have, often upside down.
    """
    kind = rng.random()
    if kind < 0.2:
        return _piece(rng, scene)
    outline = _of_person(rng, person) if kind < 0.5 else _drawn(rng)
    return np.dstack((_cover(rng, scene, *outline.shape), outline))


def _piece(rng: np.random.Generator, scene: _Picture) -> _Picture:
    """A piece of the scene as it is, its edges as those of a person's crop."""
    tall = int(rng.integers(min(60, scene.shape[0] - 1), scene.shape[0]))
    wide = min(int(tall * rng.uniform(0.25, 0.7)), scene.shape[1])
    top, left = (
        int(rng.integers(whole - part + 1))
        for whole, part in zip(scene.shape[:2], (tall, wide), strict=True)
    )
    width = max(round(wide * _HEIGHT / tall), 8)
    piece = cv2.resize(scene[top : top + tall, left : left + wide], (width, _HEIGHT))
    return np.dstack((piece, soft_edges(_HEIGHT, width)))


def soft_edges(height: int, width: int) -> _Picture:
    """The opacity of a crop that stands for a cut-out, uint8 [height, width]."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    edge = np.maximum(np.abs(x) ** 3 * 1.02, np.abs(y) ** 8)
    return np.asarray(np.clip((1.0 - edge) * 4, 0, 1) * 255, np.uint8)


def _of_person(rng: np.random.Generator, person: _Picture) -> _Picture:
    outline = person[..., 3]
    if rng.random() < 0.6:
        outline = outline[::-1]
    width = max(round(outline.shape[1] * _HEIGHT / outline.shape[0] * rng.uniform(0.7, 1.4)), 8)
    return np.asarray(cv2.resize(outline, (width, _HEIGHT), interpolation=cv2.INTER_AREA))


def _drawn(rng: np.random.Generator) -> _Picture:
    """A cone, an ellipse, a post or something with a stem, its edge more or less ragged."""
    width = int(_HEIGHT * rng.uniform(0.12, 0.9))
    share = np.linspace(0, 1, _HEIGHT)  # from the top down
    outlines = (
        0.08 + 0.92 * share ** rng.uniform(0.6, 1.6),  # a cone
        np.sqrt(np.maximum(1 - (2 * share - 1) ** 2, 0)),  # an ellipse
        np.ones(_HEIGHT),  # a post
        np.where(share < rng.uniform(0.4, 0.8), 1.0, rng.uniform(0.1, 0.4)),  # with a stem
        np.where(share < rng.uniform(0.1, 0.25), rng.uniform(0.3, 0.8), 1.0),  # with a head
    )
    half = outlines[rng.integers(len(outlines))]
    ragged = 1 + rng.uniform(0, 0.25) * rng.normal(size=(2, _HEIGHT))
    edges = np.clip(half * ragged, 0, 1) * width / 2
    x = np.arange(width) - (width - 1) / 2
    inside = (x >= -edges[0][:, None]) & (x <= edges[1][:, None])
    return np.where(inside, 255, 0).astype(np.uint8)


def _cover(rng: np.random.Generator, scene: _Picture, height: int, width: int) -> _Picture:
    """A piece of the scene, one colour or grain, mixed, often darker from one side."""
    top, left = (int(rng.integers(max(side // 2, 1))) for side in scene.shape[:2])
    piece = scene[top:, left:][: int(rng.integers(16, 200)), : int(rng.integers(16, 200))]
    colour = rng.integers(0, 256, 3) * rng.uniform(0.05, 1)
    coarse = int(rng.integers(1, 12))
    grain = rng.normal(0, rng.uniform(2, 45), (height // coarse + 1, width // coarse + 1))
    amount = rng.uniform(0, 1)
    mixed = cv2.resize(piece, (width, height)) * amount + colour * (1 - amount)
    mixed = mixed + cv2.resize(grain, (width, height))[..., None]
    shade = np.linspace(rng.uniform(0.4, 1), rng.uniform(0.4, 1), width)[:, None]
    return np.clip(mixed * shade, 0, 255).astype(np.uint8)
