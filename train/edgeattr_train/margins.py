"""How far from its threshold an answer must lie: selective prediction at a stated error rate.

The answers of one attribute on one side, its yeses or its noes, are ranked by how sure they are;
the surest are given, the rest is unknown. The k surest are as many as keep

    (errors among the k) - bound * k + (1 - bound) <= 0

The last term is one more answer that is wrong: with it the expected number of errors among the
answers to a new person exceeds no ``bound``-th of them, for persons that are exchangeable with
those of the fit (conformal risk control: Angelopoulos et al., ICLR 2024; selective prediction:
Geifman and El-Yaniv, NIPS 2017). It is the whole rate that is held, in expectation: a single
attribute may exceed it on other persons by chance. The theorem asks for a loss that only grows with
the answers given; this one may dip, so what is held is checked on persons not fitted
(:mod:`edgeattr_train.selective`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeattr.core.posterior import NEVER

_Floats = npt.NDArray[np.float64]
_Labels = npt.NDArray[np.int8]
_Mask = npt.NDArray[np.bool_]


def fit_margins(
    log_odds: _Floats, limits: _Floats, labels: _Labels, bound: float
) -> tuple[_Floats, _Floats]:
    """Margins beyond the thresholds at which yes and no may be said.

    An attribute with too few answers on one side to prove anything, (1 - bound) / bound, shares
    its margin's probability with all others of that kind; so does one that would need to be surer
    than that by its own answers, though no more than a share ``bound`` of these are wrong there.

    Args:
        log_odds: [P, C], one row a person: rows must not share a person.
        limits: [C], the thresholds' log-odds.
        labels: [P, C], 1 yes, 0 no, -1 unknown: counted nowhere.
        bound: the error rate, above 0 and below 1.

    Returns:
        For yes and for no, [C] each, 0 or more; :data:`edgeattr.core.posterior.NEVER` where the
        bound cannot be held at all.
    """
    yes = _side(log_odds, limits, labels > 0, labels >= 0, bound)
    no = _side(-log_odds, -limits, labels == 0, labels >= 0, bound)
    return yes, no


def _side(log_odds: _Floats, limits: _Floats, right: _Mask, known: _Mask, bound: float) -> _Floats:
    """Margins of one side, [C], where an answer is given above the limit."""
    given = known & (log_odds > limits)
    levels = np.array(
        [
            _lowest(log_odds[given[:, c], c], ~right[given[:, c], c], bound)
            for c in range(len(limits))
        ]
    )
    alone = levels < np.inf
    together = given & ~alone
    shared = _lowest(log_odds[together], ~right[together], bound)
    said = given & (log_odds > shared)
    errors = (said & ~right).sum(0) / np.maximum(said.sum(0), 1)
    levels[~alone | ((levels > shared) & (errors <= bound))] = shared
    return np.clip(levels - limits, 0.0, NEVER)


def _lowest(sureness: _Floats, wrong: _Mask, bound: float) -> float:
    """The lowest sureness down to which answers may be given, -inf for all, inf for none."""
    order = np.argsort(-sureness, kind="stable")
    ranked, excess = sureness[order], np.cumsum(wrong[order] - bound) + (1 - bound)
    last_of_tie = np.append(np.diff(ranked) != 0, True)[: len(ranked)]
    held = np.flatnonzero((excess <= 0) & last_of_tie)
    if not len(held):
        return np.inf
    if held[-1] == len(ranked) - 1:
        return -np.inf
    return float((ranked[held[-1]] + ranked[held[-1] + 1]) / 2)
