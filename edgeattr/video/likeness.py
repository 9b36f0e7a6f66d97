"""Whether the crops of a track show one person, by the model's embeddings.

A track that passes somebody else may go on with them. Their crops are alike, and unlike those
before. Embeddings stay in memory, with the person, and no output has them.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

_ONE_PERSON = 0.35  # cosine of a crop with its person's mean, from which it shows them
_ALIKE = 0.5  # of two crops that do not, from which they show the same other one
_LASTING = 0.5  # seconds over which those do: who passes in front shares the box for less
KNOWN = 0.6  # of two people, from which they are one

Embedding = npt.NDArray[np.float32]
"""Of a crop, [D], unit length."""

_Crop = TypeVar("_Crop")


class Likeness(Generic[_Crop]):
    """What one person looks like."""

    def __init__(self) -> None:
        self.crops = 0  # that show them
        self._sum: npt.NDArray[np.floating] = np.zeros(1)
        self._aside: list[_Crop] = []  # crops that do not
        self._last, self._since = np.zeros(1, np.float32), 0.0  # of the last and first of them

    def shows(self, embedding: Embedding) -> bool:
        """Whether a crop shows this person; the first always does."""
        return not self.crops or self._cosine(embedding) >= _ONE_PERSON

    def cosine(self, other: Likeness[_Crop]) -> float:
        """Of both means, from :data:`KNOWN` on of one person; 0 where either has no crop."""
        if not (self.crops and other.crops):
            return 0.0
        return self._cosine(other._sum / np.linalg.norm(other._sum))

    def add(self, embedding: Embedding, quality: float) -> None:
        """Take in a crop that shows this person.

        Args:
            embedding: of the crop.
            quality: of the crop, above 0, to 1: how much it counts.
        """
        self._sum = self._sum + quality * embedding
        self.crops += 1
        self._aside.clear()

    def put_aside(self, crop: _Crop, embedding: Embedding, seconds: float) -> list[_Crop]:
        """Take in a crop that does not show this person.

        Returns:
            The crops of somebody else, in order, once they have been alike for long enough; else
            none.
        """
        if self._aside and float(self._last @ embedding) < _ALIKE:
            self._aside = []
        if not self._aside:
            self._since = seconds
        self._aside.append(crop)
        self._last = embedding
        if seconds - self._since < _LASTING:
            return []
        others, self._aside = self._aside, []
        return others

    def _cosine(self, embedding: npt.NDArray[np.floating]) -> float:
        return float(self._sum @ embedding / np.linalg.norm(self._sum))
