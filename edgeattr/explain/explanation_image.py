"""One picture for one person: the crop, and for each attribute its masks at every scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image
from edgeattr.core.prediction import AttributeAnswer
from edgeattr.explain.attention_maps import Explanation
from edgeattr.explain.heatmap import TICKS, colour_bar, overlay

__all__ = ["draw_explanation"]

_Colour = tuple[int, int, int]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GROUND, _INK, _MUTED = (255, 255, 255), (30, 30, 30), (110, 110, 110)
_ANSWERS: Mapping[str, _Colour] = {  # told apart by colour-blind eyes too, and in words beside
    "yes": (115, 130, 0),
    "no": (0, 94, 213),
    "unknown": (110, 110, 110),
}
_TALLEST = 224  # pixels of a picture in a tile
_WIDEST = 168
_GAP, _TILE_GAP, _EDGE = 6, 28, 20  # pixels between pictures, between tiles, around all
_TITLE, _CAPTION = 46, 18  # pixels above and below the pictures of a tile
_LONGEST = 200  # signs of a word or title that are looked at, its last ones
_LINE = 760  # pixels of a line of small print, at most
_ACROSS = 3  # tiles beside each other
_BAR = (14, 260)  # height and width of the colour bar, pixels
_SCALE = "attention, times an even share"
_MEANING = (
    "A mask shows where features for an answer were taken from, not whether they spoke for or "
    "against it. Beside the masked scores a third one, of the whole crop, counts as much as each."
)


def draw_explanation(
    explanation: Explanation,
    title: str,
    notes: Sequence[str] = (),
    *,
    answers: Mapping[str, AttributeAnswer] | None = None,
    every: bool = False,
) -> Image:
    """Draw an explanation: a tile for each attribute that is answered yes.

    Args:
        explanation: of one crop.
        title: first line, such as the file's name.
        notes: further lines in small print.
        answers: of the person, where more was seen than this crop: they are shown, and this crop's
            probabilities beside them.
        every: draw a tile for every reported attribute, the likeliest first.

    Returns:
        uint8 [h, w, 3], BGR.
    """
    said = answers or explanation.prediction.attributes
    names = [name for name in explanation.masks if every or said[name].answer == "yes"]
    names.sort(key=lambda name: -said[name].p)
    own = explanation.prediction.attributes if answers else None
    tiles = [_tile(explanation, name, said[name], own[name] if own else None) for name in names]
    if not tiles:
        tiles = [_words("no attribute is answered yes")]
    body = _stacked(tiles)
    head = _head(explanation, title, notes, body.shape[1])
    return _padded(np.concatenate([head, body]))


def _head(explanation: Explanation, title: str, notes: Sequence[str], width: int) -> Image:
    """The crop, what it is, and what the colours mean."""
    crop = _fitted(explanation.crop, explanation.crop)
    left, step = crop.shape[1] + _TILE_GAP, 20
    lines = _wrapped([*notes, _MEANING], min(width - left, _LINE))
    height = max(crop.shape[0], 104 + step * len(lines)) + _TILE_GAP
    head = _blank(height, width)
    head[: crop.shape[0], : crop.shape[1]] = crop
    _write(head, _shortened(title, width - left, 0.62), (left, 20), 0.62, _INK)
    for number, line in enumerate(lines):
        _write(head, line, (left, 46 + step * number), 0.43, _MUTED)
    _draw_bar(head, left, 64 + step * len(lines))
    return head


def _draw_bar(head: Image, left: int, top: int) -> None:
    height, width = _BAR
    bar, places = colour_bar(height, min(width, head.shape[1] - left))
    _write(head, _SCALE, (left, top - 6 + 2), 0.43, _MUTED)
    head[top + 6 : top + 6 + height, left : left + bar.shape[1]] = bar
    for tick, place in zip(TICKS, places, strict=True):
        text = str(tick) if tick != TICKS[-1] else f"{tick}+"
        size = _wide(text, 0.38)
        x = min(max(left, left + round(place) - size // 2), head.shape[1] - size)
        _write(head, text, (x, top + height + 20), 0.38, _MUTED)


def _tile(
    explanation: Explanation, name: str, said: AttributeAnswer, own: AttributeAnswer | None
) -> Image:
    """One attribute: its name, p and answer; the crop under each scale's mask and their mean."""
    masks = list(explanation.upsampled(name))
    labels = [f"stride {grid.stride}: {grid.rows}x{grid.columns}" for grid in explanation.grids]
    if len(masks) > 1:
        masks.append(np.mean(masks, axis=0, dtype=np.float32))
        labels.append("mean")
    crop = _fitted(explanation.crop, explanation.crop)
    pictures = [overlay(crop, _shrunk(mask, crop)) for mask in masks]
    height, width = pictures[0].shape[:2]
    tile = _blank(_TITLE + height + _CAPTION, len(pictures) * (width + _GAP) - _GAP)
    _write(tile, name.replace("_", " "), (0, 16), 0.55, _INK, thickness=2)
    detail = f"{said.answer}, p {said.p:.3f}" + (f" (this crop {own.p:.3f})" if own else "")
    _write(tile, detail, (0, 37), 0.46, _ANSWERS[said.answer])
    for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        x = number * (width + _GAP)
        tile[_TITLE : _TITLE + height, x : x + width] = picture
        _write(tile, label, (x, _TITLE + height + 13), 0.36, _MUTED)
    return tile


def _stacked(tiles: Sequence[Image]) -> Image:
    """Tiles of one size in rows."""
    height, width = tiles[0].shape[:2]
    across = _ACROSS if len(tiles) > 1 else 1
    rows = -(-len(tiles) // across)
    least = _ACROSS * (width + _TILE_GAP) - _TILE_GAP if across == 1 else 0
    body = _blank(
        rows * (height + _TILE_GAP) - _TILE_GAP,
        max(least, across * (width + _TILE_GAP) - _TILE_GAP),
    )
    for number, tile in enumerate(tiles):
        y, x = divmod(number, across)
        top, left = y * (height + _TILE_GAP), x * (width + _TILE_GAP)
        body[top : top + height, left : left + width] = tile
    return body


def _fitted(crop: Image, picture: Image) -> Image:
    """A picture of the crop's size, as large as fits a tile."""
    height, width = crop.shape[:2]
    scale = min(_TALLEST / height, _WIDEST / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=method), np.uint8)


def _shrunk(mask: npt.NDArray[np.float32], crop: Image) -> npt.NDArray[np.float32]:
    """A mask at a picture's size, sums to 1."""
    small = cv2.resize(mask, crop.shape[1::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(small / small.sum(), np.float32)


def _padded(sheet: Image) -> Image:
    return np.asarray(
        cv2.copyMakeBorder(sheet, _EDGE, _EDGE, _EDGE, _EDGE, cv2.BORDER_CONSTANT, value=_GROUND),
        np.uint8,
    )


def _blank(height: int, width: int) -> Image:
    return np.full((height, width, 3), _GROUND, np.uint8)


def _words(text: str) -> Image:
    tile = _blank(40, 380)
    _write(tile, text, (0, 20), 0.5, _MUTED)
    return tile


def _write(
    canvas: Image,
    text: str,
    place: tuple[int, int],
    scale: float,
    colour: _Colour,
    thickness: int = 1,
) -> None:
    """Text whose base line begins at ``place``."""
    cv2.putText(canvas, _plain(text), place, _FONT, scale, colour, thickness, cv2.LINE_AA)


def _shortened(text: str, width: int, scale: float) -> str:
    """The end of a text that is too long, which tells files apart."""
    text = _plain(text)[-_LONGEST:]
    while len(text) > 4 and _wide(text, scale) > width:
        text = "..." + text.removeprefix("...")[1:]
    return text


def _plain(text: str) -> str:
    """What the font lacks is shown as ``?``: OpenCV 5 crashes on half of a surrogate pair."""
    ascii_ = text.encode("ascii", "replace").decode()
    return "".join(sign if sign.isprintable() else "?" for sign in ascii_)


def _wide(text: str, scale: float) -> int:
    """Pixels of a plain text."""
    return int(cv2.getTextSize(text, _FONT, scale, 1)[0][0])


def _wrapped(notes: Sequence[str], width: int) -> list[str]:
    """Notes broken at spaces into lines that fit."""
    lines: list[str] = []
    for note in notes:
        line = ""
        for word in (_shortened(word, width, 0.43) for word in note.split()):
            longer = f"{line} {word}".strip()
            if line and _wide(longer, 0.43) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines
