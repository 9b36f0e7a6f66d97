"""A folder of explanations: for each image a sheet to look at, and the masks for programs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2

from edgeattr.core.crops import Image
from edgeattr.core.errors import OutputError
from edgeattr.core.files import make_folder, write_atomically
from edgeattr.explain.attention_maps import Explanation
from edgeattr.explain.explanation_image import draw_explanation

__all__ = ["ExplanationFiles", "png_from_image"]

_FORMAT = 1  # of the JSON
_LONGEST = 160  # bytes of a name: 255 are allowed, and more is added to it
_COMPRESSION = 1  # of PNG, 0..9: 4 saves five per cent more, 6 eight in three times the time


class ExplanationFiles:
    """Writes ``NAME.explain.json`` and ``NAME.explain.png`` for images, each whole or not at all.

    NAME is the image's, without its suffix. Where another image of that name has its files here
    already, eight digits that stand for the image's path are added: ``NAME-1a2b3c4d``. The same
    image replaces its own.

    Args:
        folder: made where it is not there.
        model: what explains; goes into each file.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(self, folder: Path, model: str) -> None:
        self._folder, self._model = folder, model
        make_folder(folder)

    def write(self, image: Path, explanation: Explanation, *, every: bool = False) -> Path:
        """Write both files of an image.

        Args:
            image: where it came from.
            explanation: of it.
            every: draw every reported attribute, not only those that are answered yes.

        Returns:
            The sheet.

        Raises:
            OutputError: the disk is full, or the folder went away.
        """
        source = str(image.absolute())
        name = self._name(image, source)
        record = {"format": _FORMAT, "image": source, "model": self._model}
        record |= explanation.to_json()
        sheet = draw_explanation(explanation, image.name, [self._model], every=every)
        place = self._folder / f"{name}.explain.png"
        try:  # the first one says whose the name is
            write_atomically(self._folder / f"{name}.explain.json", json.dumps(record) + "\n")
            write_atomically(place, png_from_image(sheet))
        except OSError as error:
            raise OutputError(f"{place}: cannot be written ({error.strerror})") from error
        return place

    def _name(self, image: Path, source: str) -> str:
        """What the image's files are called, before ``.explain``."""
        encoded = source.encode("utf-8", "surrogateescape")
        stem = image.stem.encode("utf-8", "surrogateescape")[:_LONGEST].decode("utf-8", "ignore")
        owner = _owner(self._folder / f"{stem}.explain.json")
        if owner in (None, source):
            return stem
        return f"{stem}-{hashlib.sha256(encoded).hexdigest()[:8]}"


def png_from_image(sheet: Image) -> bytes:
    """A sheet as PNG.

    Raises:
        OutputError: it cannot be encoded.
    """
    ok, content = cv2.imencode(".png", sheet, [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION])
    if not ok:
        raise OutputError(f"a sheet of {sheet.shape[1]}x{sheet.shape[0]} cannot be written as PNG")
    return content.tobytes()


def _owner(path: Path) -> str | None:
    """The image whose files these are; None where there are none, "" where it cannot be told."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["image"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return ""
