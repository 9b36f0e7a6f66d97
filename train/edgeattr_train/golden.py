"""Golden crops: synthetic pictures of people-like figures on which every variant is compared.

They are drawn, not photographed, so that a bundle carries no picture of anyone.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

_COUNT = 6
_SKIN = (140, 170, 210)  # blue-green-red


def golden_crops(height: int, width: int, *, seed: int = 7) -> npt.NDArray[np.uint8]:
    """Draw figures of several colours, sizes and qualities.

    Returns:
        uint8 [6, height, width, 3], BGR.
    """
    rng = np.random.default_rng(seed)
    return np.stack([_figure(height, width, rng) for _ in range(_COUNT)])


def _figure(height: int, width: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    coarse = rng.integers(40, 216, (6, 3, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    upper, lower, hair, shoes = (tuple(map(int, colour)) for colour in rng.integers(0, 256, (4, 3)))

    def at(x: float, y: float) -> tuple[int, int]:
        return round(x * width), round(y * height)

    lean = float(rng.uniform(-0.06, 0.06))
    cv2.rectangle(picture, at(0.34 + lean, 0.5), at(0.48, 0.92), lower, -1)
    cv2.rectangle(picture, at(0.52, 0.5), at(0.66 - lean, 0.92), lower, -1)
    cv2.rectangle(picture, at(0.3, 0.92), at(0.48, 0.97), shoes, -1)
    cv2.rectangle(picture, at(0.52, 0.92), at(0.7, 0.97), shoes, -1)
    cv2.ellipse(picture, (at(0.5, 0.36), at(0.46, 0.4), 0), upper, -1)
    cv2.ellipse(picture, (at(0.5 + lean, 0.13), at(0.24, 0.14), 0), hair, -1)
    cv2.ellipse(picture, (at(0.5 + lean, 0.15), at(0.16, 0.1), 0), _SKIN, -1)
    blur = float(rng.uniform(0.3, 2.0))
    picture = cv2.GaussianBlur(picture, (0, 0), blur)
    # noise in blocks of 2x2, as of an enlarged small crop: a quarter of the bytes in the bundle
    noise = rng.normal(0, rng.uniform(1, 6), (-(-height // 2), -(-width // 2), 3))
    noisy = picture + noise.repeat(2, 0).repeat(2, 1)[:height, :width]
    pixels: npt.NDArray[np.uint8] = np.clip(noisy, 0, 255).astype(np.uint8)
    return pixels
