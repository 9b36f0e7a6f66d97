"""A folder of explanations: for each image a page to look at, and the masks for programs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from edgeattr.core.errors import OutputError
from edgeattr.core.files import make_folder, write_atomically
from edgeattr.explain.attention_maps import Explanation
from edgeattr.explain.explanation_page import explanation_page

_FORMAT = 1  # of the JSON
_LONGEST = 160  # bytes of a name: 255 are allowed, and more is added to it


class ExplanationFiles:
    """Writes ``NAME.explain.json`` and ``NAME.explain.html`` for images, each whole or not at all.

    NAME is the image's, without its suffix. Where another image of that name has its files here
    already, eight digits that stand for the image's path are added: ``NAME-1a2b3c4d``. The same
    image replaces its own.

    Args:
        folder: made if it does not exist.
        model: what explains; goes into each file.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(self, folder: Path, model: str) -> None:
        self._folder, self._model = folder, model
        make_folder(folder)

    def write(self, image: Path, explanation: Explanation, *, all_attributes: bool = False) -> Path:
        """Write both files of an image.

        Args:
            image: where it came from.
            explanation: of it.
            all_attributes: show every reported attribute, not only those that are answered yes.

        Returns:
            The page.

        Raises:
            OutputError: the disk is full, or the folder went away.
        """
        source = str(image.absolute())
        name = self._name(image, source)
        record = {"format": _FORMAT, "image": source, "model": self._model}
        record |= explanation.to_json()
        page = explanation_page(
            explanation, image.name, [self._model], all_attributes=all_attributes
        )
        place = self._folder / f"{name}.explain.html"
        try:  # the first one says whose the name is
            write_atomically(self._folder / f"{name}.explain.json", json.dumps(record) + "\n")
            write_atomically(place, page)
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


def _owner(path: Path) -> str | None:
    """The image whose files these are; None if there are none, "" if it cannot be read."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["image"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return ""
