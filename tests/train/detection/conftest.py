"""Folders of training scenes, as `scenes.prepare` writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

WriteScenes = Callable[..., Path]


@pytest.fixture
def write_scenes(tmp_path: Path) -> WriteScenes:
    """Photos, backgrounds and frames of a video, and people to paste."""

    def write(
        scene: Callable[[], np.ndarray],
        person: Callable[[], np.ndarray],
        boxes: Sequence[Sequence[int]] = (),
    ) -> Path:
        for folder in ("scenes", "cutouts"):
            (tmp_path / folder).mkdir()
        lines = []
        for number in range(24):
            file, group = f"scenes/{number}.png", ("photo", "video", "background")[number % 3]
            cv2.imwrite(str(tmp_path / file), scene())
            lines.append(json.dumps({"file": file, "group": group, "boxes": boxes}))
        (tmp_path / "scenes.jsonl").write_text("\n".join(lines))
        for number in range(12):
            cutout = person()
            for kind in ("mask", "crop"):
                cv2.imwrite(str(tmp_path / "cutouts" / f"{kind}-{number}.png"), cutout)
        return tmp_path

    return write
