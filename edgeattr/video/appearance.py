"""What a person looks like, for telling people of one stream apart: vectors of unit length.

A vector is the model's embedding of a crop, or its log-odds where it has no embedding; vectors are
compared by their cosine. They stay in memory, with the person, and no output has them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["EMBEDDING", "LOG_ODDS", "Appearance", "AppearanceLimits", "Vector"]

Vector = npt.NDArray[np.float32]
"""Float32 [D], of unit length."""

_LEAST_CROPS = 3  # in a row, unlike as many or more before them, that show somebody else


class AppearanceLimits(NamedTuple):
    """Cosines of two fragments' means."""

    same: float  # from which they are one person, though movement leaves it open
    different: float  # below which they are two, though movement makes them one


# On CUHK03, a crop against the mean of others by the same camera: of the same person it reaches
# (0.70, 0.40) in (83 %, 99 %), of another in (0.3 %, 5 %); by log-odds (0.93, 0.65) in (75 %, 99 %)
# and (3 %, 64 %)
EMBEDDING = AppearanceLimits(same=0.7, different=0.4)
LOG_ODDS = AppearanceLimits(same=0.93, different=0.65)


class Appearance:
    """Mean of what a person's crops look like.

    Crops unlike the mean are set aside; where several in a row are, and are like each other, they
    show somebody else.

    Args:
        limits: for the kind of vectors.
    """

    def __init__(self, limits: AppearanceLimits) -> None:
        self.limits = limits
        self._sum = np.zeros(0, np.float32)
        self._count = 0
        self._unlike: list[Vector] = []  # the latest, in a row
        self._enough = _LEAST_CROPS  # crops, of the person and unlike them, to tell somebody else

    @property
    def is_known(self) -> bool:
        """Whether there are crops enough to know the person by."""
        return self._count >= _LEAST_CROPS - 1

    def cosine(self, other: Appearance) -> float:
        """Of both means, -1..1."""
        return float(_unit(self._sum) @ _unit(other._sum))

    def expect_doubt(self) -> None:
        """The person was out of sight and joined by movement: fewer crops may refute it."""
        self._unlike, self._enough = [], _LEAST_CROPS - 1

    def add(self, vector: Vector) -> bool:
        """Take in a crop.

        Returns:
            Whether it fits those before.
        """
        if self._count >= self._enough and float(_unit(self._sum) @ vector) < self.limits.different:
            self._unlike = [*self._unlike, vector][-_LEAST_CROPS:]
            return False
        self._sum = vector + self._sum if self._count else vector
        self._count += 1
        self._unlike, self._enough = [], _LEAST_CROPS
        return True

    def somebody_else(self) -> Appearance | None:
        """Whom the latest crops show, if that is another person."""
        latest = self._unlike[-self._enough :]
        if len(latest) < self._enough:
            return None
        centre = _unit(np.sum(latest, axis=0))
        if min(float(centre @ vector) for vector in latest) < self.limits.same:
            return None
        other = Appearance(self.limits)
        for vector in latest:
            other.add(vector)
        self.expect_doubt()  # crops of the other may be on their way
        return other


def _unit(vector: Vector) -> Vector:
    return np.asarray(vector / max(1e-9, float(np.linalg.norm(vector))), np.float32)
