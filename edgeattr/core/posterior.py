"""The crops of one person become one posterior; its parameters are fitted on validation data.

For each attribute, crop i gives calibrated log-odds l_i and a quality q_i in 0..1. With the weight
w_i = q_i ^ quality_power, and W the sum of the weights,

    posterior = prior + sum of w_i (l_i - prior) / (1 - correlation + correlation * W)

which is Bayes' rule for crops whose errors all correlate alike: with correlation 0 their evidence
adds up, with 1 it is averaged, and one perfect crop (W = 1) is believed as it is. A lone bad crop
(W < 1) is drawn towards the prior, what is known of a person before looking.

At most one attribute of an exclusive set holds. Given that, posteriors with log-odds l_k
make "k and no other" exp(l_k) times as likely as "none of them", so

    p_k = exp(l_k) / (exp(none_of) + sum of exp(l_j) over the set)

where ``none_of`` is fitted: 0 leaves the posteriors as they are, less says that nearly
everybody has one of the set.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.decision import Decision
from edgeattr.core.errors import BundleError
from edgeattr.core.prediction import AttributeAnswer, ColourAnswer

_Floats = npt.NDArray[np.float64]

NEVER = 99.0  # log-odds: a margin that no answer reaches
_BAND = 0.4  # log-odds around the threshold: p between 0.4 and 0.6 for a threshold of 0.5
_SPREAD = 1.0  # log-odds
_LEAST_WEIGHT = 1e-3  # of a crop of no quality at all


@dataclass(frozen=True, kw_only=True)
class TrackFusion:
    """Parameters of a track's posterior; the defaults are for bundles that have none.

    An attribute is answered yes where its log-odds exceed the threshold's by ``yes_margin``, no
    where they fall short of it by ``no_margin``, and is unknown between.
    """

    correlation: float = 1.0  # of the errors of two crops of one person, 0..1
    quality_power: float = 1.0  # weight of a crop = quality ** this, 0 or more
    prior: tuple[float, ...] = ()  # [C], log-odds of a person not looked at yet; empty: 0
    spread: tuple[float, ...] = ()  # [C], log-odds, deviation of a person's crops; empty: 1
    none_of: tuple[float, ...] = ()  # log-odds, one per exclusive set; empty: 0
    yes_margin: tuple[float, ...] = ()  # [C], log-odds, 0 or more; empty: 0.4
    no_margin: tuple[float, ...] = ()  # [C], log-odds, 0 or more; empty: 0.4
    settled_below: float = 0.02  # share of the answers that further crops are expected to change
    bound: float | None = None  # error rate among answers that the margins hold to; None: not known
    facts: Mapping[str, Any] = field(default_factory=dict)  # data set, split, persons, figures

    def weight(self, quality: npt.ArrayLike) -> _Floats:
        """What crops of a quality, 0..1, count."""
        clipped = np.clip(np.asarray(quality, np.float64), 0.0, 1.0)
        return np.asarray(np.maximum(clipped**self.quality_power, _LEAST_WEIGHT))

    def gain(self, total: npt.ArrayLike) -> _Floats:
        """What the summed evidence is multiplied by, for a sum of weights above 0."""
        return np.asarray(1.0 / (1.0 - self.correlation + self.correlation * np.asarray(total)))

    def priors(self, attributes: int) -> _Floats:
        """``prior`` as an array, [C]."""
        return _filled(self.prior, 0.0, attributes)

    def spreads(self, attributes: int) -> _Floats:
        """``spread`` as an array, [C]."""
        return _filled(self.spread, _SPREAD, attributes)

    def margins(self, attributes: int) -> tuple[_Floats, _Floats]:
        """``yes_margin`` and ``no_margin`` as arrays, [C]."""
        return (
            _filled(self.yes_margin, _BAND, attributes),
            _filled(self.no_margin, _BAND, attributes),
        )

    def fuse(self, evidence: _Floats, total: npt.ArrayLike) -> _Floats:
        """The posterior's log-odds, before exclusive sets.

        Args:
            evidence: sum over a track's crops of weight * (log-odds - prior), [..., C].
            total: sum of their weights, [...], above 0.

        Returns:
            [..., C].
        """
        gain = self.gain(total)[..., None]
        return np.asarray(self.priors(evidence.shape[-1]) + evidence * gain)

    def to_json(self) -> dict[str, Any]:
        """What stands in ``bundle.json`` under ``track``."""
        plain = dataclasses.asdict(self)
        return {key: list(v) if isinstance(v, tuple) else v for key, v in plain.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], attributes: int, sets: int) -> TrackFusion:
        """Read what :meth:`to_json` wrote, for a schema of so many attributes and exclusive sets.

        Raises:
            BundleError: a field is unknown, of the wrong length, or out of its range.
        """
        names = {entry.name for entry in dataclasses.fields(cls)}
        if not isinstance(value, Mapping) or set(value) - names:
            raise BundleError(f"track has unknown fields: {sorted(set(value) - names)}")
        lengths = {"none_of": sets, **dict.fromkeys(_PER_ATTRIBUTE, attributes)}
        read: dict[str, Any] = {
            key: _numbers(key, entry, lengths[key]) if key in lengths else entry
            for key, entry in value.items()
        }
        fusion = cls(**read)
        fusion._check()
        return fusion

    def _check(self) -> None:
        """Raise BundleError where a number is out of its range."""
        for name, low, high in (
            ("correlation", 0.0, 1.0),
            ("quality_power", 0.0, 10.0),
            ("settled_below", 0.0, 1.0),
            ("bound", 0.0, 1.0),
        ):
            found = getattr(self, name)
            if name == "bound" and found is None:
                continue
            if isinstance(found, bool) or not isinstance(found, int | float):
                raise BundleError(f"track.{name} is {found!r}; expected a number")
            if not low <= found <= high:
                raise BundleError(f"track.{name} is {found}; expected {low:g} to {high:g}")
        for name in ("spread", "yes_margin", "no_margin"):
            if any(entry < 0 for entry in getattr(self, name)):
                raise BundleError(f"track.{name} has entries below 0")
        if not isinstance(self.facts, Mapping):
            raise BundleError(f"track.facts is {self.facts!r}; expected names with values")


_PER_ATTRIBUTE = ("prior", "spread", "yes_margin", "no_margin")


class TrackPosterior:
    """The posterior of one person, by the formulas above.

    Args:
        decision: calibrates logits, and knows thresholds and exclusive sets.
        fusion: the bundle's ``track``; where it has none, crops are averaged and what lies within
            0.4 log-odds of a threshold is unknown.
    """

    def __init__(self, decision: Decision, fusion: TrackFusion | None = None) -> None:
        self._decision = decision
        self._fusion = fusion = fusion or TrackFusion()
        count = len(decision.schema)
        self._prior, self._spread = fusion.priors(count), fusion.spreads(count)
        self._yes_margin, self._no_margin = fusion.margins(count)
        self._sets = decision.schema.exclusive_indices()
        self._sum = np.zeros(count)  # of weight * (log-odds - prior)
        self._weight = np.zeros(count)  # of the crops in which an attribute can be seen
        self._answers: dict[str, AttributeAnswer] | None = None
        self._changing: float | None = None
        self.crops = 0  # how many were added

    def add(self, logits: npt.ArrayLike, quality: float) -> None:
        """Take in one crop.

        Args:
            logits: [C], as the model gives them; not a number where it cannot be seen.
            quality: of the crop, 0..1.
        """
        evidence = self._decision.log_odds(logits) - self._prior
        seen = ~np.isnan(evidence)
        weight = float(self._fusion.weight(quality)) * seen
        self._sum += weight * np.where(seen, evidence, 0.0)
        self._weight += weight
        self._answers = self._changing = None
        self.crops += 1

    @property
    def log_odds(self) -> _Floats:
        """The posterior, [C], exclusive sets normalised; the prior before the first crop."""
        seen = self._weight > 0
        gain = self._fusion.gain(np.where(seen, self._weight, 1.0))
        fused = self._prior + self._sum * gain  # the sum of what was not to be seen is 0
        return normalise_exclusive(fused, self._sets, self._fusion.none_of)

    def answers(self) -> dict[str, AttributeAnswer]:
        """What is known of the person: yes, no, or unknown. Empty before the first crop.

        What was to be seen in no crop is unknown.
        """
        if not self.crops:
            return {}
        if self._answers is None:
            unseen = self._weight == 0
            margins = (
                np.where(unseen, NEVER, margin).tolist()
                for margin in (self._yes_margin, self._no_margin)
            )
            self._answers = self._decision.answers_at(self.log_odds.tolist(), *margins)
        return dict(self._answers)

    def colours(self) -> dict[str, ColourAnswer]:
        """The colours of the person's clothes, hair and shoes, where the model tells them."""
        return self._decision.colours(self.answers()) if self.crops else {}

    @property
    def settled(self) -> bool:
        """Whether further crops like those so far are expected to change next to no answer."""
        return self.changing < self._fusion.settled_below

    @property
    def changing(self) -> float:
        """Share of the reported answers that many more crops are expected to change, 0..1.

        The mean of a person's crops lies ``spread / sqrt(W)`` from where it would end up, and the
        posterior ``gain * W`` times as far; an answer changes where that passes the nearer of its
        two limits. 1 before the first crop.
        """
        if not self.crops:
            return 1.0
        if self._changing is None:
            limits = self._decision.limits
            fused = self.log_odds
            distance = np.minimum(
                np.abs(fused - (limits + self._yes_margin)),
                np.abs(fused - (limits - self._no_margin)),
            )
            weight = np.maximum(self._weight, 1e-9)  # what was not to be seen does not change
            step = self._spread * self._fusion.gain(weight) * np.sqrt(weight)
            z = distance / np.maximum(step, 1e-9)
            tails = [0.5 * math.erfc(z[index] / math.sqrt(2)) for index in self._decision.reported]
            self._changing = sum(tails) / max(1, len(tails))
        return self._changing


def normalise_exclusive(
    log_odds: npt.ArrayLike, sets: Sequence[Sequence[int]], none_of: Sequence[float] = ()
) -> _Floats:
    """Log-odds given that at most one attribute of each set holds: the module's second formula.

    Args:
        log_odds: [..., C].
        sets: positions of each exclusive set's attributes.
        none_of: log-odds of none of them, one per set; empty: 0.

    Returns:
        [..., C]; the probabilities of a set sum to less than 1. Others are as they were.
    """
    given = np.asarray(log_odds, np.float64)
    result = given.copy()
    for place, members in enumerate(sets):
        none = np.full(given.shape[:-1], none_of[place] if none_of else 0.0)
        for index in members:
            others = [given[..., other] for other in members if other != index]
            result[..., index] -= np.logaddexp.reduce([none, *others], axis=0)
    return result


def _filled(values: tuple[float, ...], otherwise: float, count: int) -> _Floats:
    return np.asarray(values or (otherwise,) * count, np.float64)


def _numbers(name: str, value: Any, length: int) -> tuple[float, ...]:
    """A list of finite numbers of one length, or an empty one."""
    if not isinstance(value, list | tuple) or len(value) not in (0, length):
        raise BundleError(f"track.{name} is not a list of {length} numbers")
    numbers = tuple(map(float, value))
    if not all(map(math.isfinite, numbers)):
        raise BundleError(f"track.{name} has entries that are no numbers")
    return numbers
