"""Images of one person taken as a track: what fusion is fitted and judged on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgeattr.core.decision import Decision
from edgeattr.core.posterior import TrackFusion, normalise_exclusive
from edgeattr_train.data.annotations import AttributeDataset

_Floats = npt.NDArray[np.float64]
_Labels = npt.NDArray[np.int8]
_Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Tracks:
    """P persons with N crops in all."""

    decision: Decision
    log_odds: _Floats  # [N, C], calibrated
    quality: _Floats  # [N], 0..1
    rows: tuple[_Rows, ...]  # P: each person's crops, in the order of time where it is known
    labels: _Labels  # [P, C]: 1 yes, 0 no, -1 unknown, or the person's crops are labelled unlike

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> _Rows:
        """Crops of each person, [P]."""
        return np.array([len(rows) for rows in self.rows], np.int64)

    def take(self, persons: npt.ArrayLike) -> Tracks:
        """Some of the persons, by position or mask."""
        chosen = np.arange(len(self))[np.asarray(persons)]
        rows = tuple(self.rows[place] for place in chosen)
        return replace(self, rows=rows, labels=self.labels[chosen])

    def singles(self) -> Tracks:
        """Each crop as a track of its own; a person's crops stand together."""
        rows = tuple(np.array([row]) for track in self.rows for row in track)
        return replace(self, rows=rows, labels=np.repeat(self.labels, self.lengths, 0))

    def first(self, count: int) -> Tracks:
        """Each track cut off after so many crops."""
        return replace(self, rows=tuple(rows[:count] for rows in self.rows))

    def fused(self, fusion: TrackFusion) -> _Floats:
        """Log-odds of each person, each attribute for itself, [P, C]."""
        order = np.concatenate(self.rows)
        starts = np.cumsum(self.lengths) - self.lengths
        weight = fusion.weight(self.quality[order])
        own = self.log_odds[order] - fusion.priors(self.log_odds.shape[1])
        evidence = np.add.reduceat(weight[:, None] * own, starts, axis=0)
        return fusion.fuse(evidence, np.add.reduceat(weight, starts))

    def posterior(self, fusion: TrackFusion) -> _Floats:
        """The same with exclusive sets normalised, [P, C]."""
        sets = self.decision.schema.exclusive_indices()
        return normalise_exclusive(self.fused(fusion), sets, fusion.none_of)

    def halves(self, repeats: int, seed: int = 0) -> Iterator[tuple[_Rows, _Rows]]:
        """Persons to fit on and persons to judge on, 2 * repeats times: each half plays both."""
        rng = np.random.default_rng(seed)
        for _ in range(repeats):
            order = rng.permutation(len(self))
            middle = len(order) // 2
            yield order[:middle], order[middle:]
            yield order[middle:], order[:middle]


def tracks_of(
    logits: npt.ArrayLike,
    labels: npt.ArrayLike,
    persons: npt.ArrayLike,
    decision: Decision,
    *,
    quality: npt.ArrayLike | None = None,
    order: npt.ArrayLike | None = None,
) -> Tracks:
    """Group images by person.

    Args:
        logits: [N, C], as the model gives them, on images that it was not trained on.
        labels: [N, C], 1 yes, 0 no, -1 unknown.
        persons: [N], equal where the person is the same.
        decision: calibrates the logits.
        quality: [N], 0..1, of each image; 1 where absent.
        order: [N], by which a person's images are sorted; as they come where absent.
    """
    z, y, who = np.asarray(logits, np.float64), np.asarray(labels), np.asarray(persons)
    trust = np.ones(len(z)) if quality is None else np.asarray(quality, np.float64)
    time = np.arange(len(z)) if order is None else np.asarray(order)
    by_time = np.argsort(time, kind="stable")
    places = np.unique(who[by_time], return_inverse=True)[1].ravel()
    by_person = by_time[np.argsort(places, kind="stable")]
    rows = tuple(np.split(by_person, np.cumsum(np.bincount(places))[:-1]))
    return Tracks(
        decision=decision,
        log_odds=decision.log_odds(z),
        quality=trust,
        rows=rows,
        labels=np.stack([_agreed(y[track]) for track in rows]),
    )


def crop_qualities(data: AttributeDataset) -> _Floats:
    """Quality of each image of a data set, [N], as the schedule of a video judges crops."""
    from edgeattr.video.schedule import assess_whole_crop

    return np.array([assess_whole_crop(data.read(index)).quality for index in range(len(data))])


def _agreed(labels: npt.NDArray[np.integer]) -> _Labels:
    """What a person's known labels agree on, [n, C] -> [C]; else -1."""
    highest = labels.max(0)
    lowest = np.where(labels < 0, 1, labels).min(0)
    return np.where((highest >= 0) & (highest == lowest), highest, -1).astype(np.int8)
