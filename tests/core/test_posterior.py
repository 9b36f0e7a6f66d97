from typing import Any

import numpy as np
import pytest

from edgeattr.core.errors import BundleError
from edgeattr.core.posterior import TrackFusion, normalise_exclusive


def _fused(fusion: TrackFusion, log_odds: list[float], quality: list[float]) -> float:
    """One attribute's posterior."""
    weight, own = fusion.weight(quality), np.array(log_odds)[:, None]
    evidence = weight @ (own - fusion.priors(1))
    return float(fusion.fuse(evidence, weight.sum())[0])


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.9])
def test_the_posterior_is_bayes_rule_for_crops_whose_errors_correlate(correlation: float) -> None:
    """Scores with mean +-d and covariance s^2 ((1 - r) I + r 11'): the likelihood ratio."""
    shift, variance = 1.2, 2.0
    scores = np.array([0.4, 1.9, -0.7])
    covariance = variance * (correlation + (1 - correlation) * np.eye(3))
    ratio = 2 * shift * np.linalg.solve(covariance, scores).sum()
    alone = (2 * shift / variance * scores).tolist()  # of each by itself
    fusion = TrackFusion(correlation=correlation, prior=(0.6,))
    found = _fused(fusion, [0.6 + value for value in alone], [1, 1, 1])
    assert found == pytest.approx(0.6 + ratio)


def test_a_lone_bad_crop_is_drawn_towards_the_prior_and_outweighed_by_a_good_one() -> None:
    fusion = TrackFusion(correlation=0.4, quality_power=2.0, prior=(-2.0,))
    seen = [_fused(fusion, [4.0], [quality]) for quality in (0.1, 0.3, 0.6, 1.0)]
    assert seen == sorted(seen)
    assert -2.0 < seen[0] < -1.5
    assert _fused(fusion, [4.0, -3.0], [0.2, 1.0]) < -2.0


def test_exclusive_sets_are_conditioned_on_at_most_one() -> None:
    rng = np.random.default_rng(0)
    log_odds = rng.normal(0, 4, (200, 5))
    p = 1 / (1 + np.exp(-normalise_exclusive(log_odds, [(0, 2, 3)])))
    members = log_odds[:, [0, 2, 3]]
    odds = np.exp(members)
    assert p[:, [0, 2, 3]] == pytest.approx(odds / (1 + odds.sum(1, keepdims=True)))
    assert (p[:, [0, 2, 3]].sum(1) <= 1).all()
    assert p[:, [1, 4]] == pytest.approx(1 / (1 + np.exp(-log_odds[:, [1, 4]])))


def test_none_of_them_takes_the_share_that_it_is_given() -> None:
    log_odds = np.array([0.5, -0.2, 3.0])
    for none in (-5.0, 0.0, 2.0):
        found = normalise_exclusive(log_odds, [(0, 1)], (none,))
        p = 1 / (1 + np.exp(-found))
        whole = np.exp(none) + np.exp(0.5) + np.exp(-0.2)
        assert p[:2] == pytest.approx(np.exp([0.5, -0.2]) / whole)
        assert found[2] == 3.0


def test_certainty_does_not_overflow() -> None:
    with np.errstate(all="raise", under="ignore"):
        found = normalise_exclusive(np.array([300.0, 290.0, -300.0]), [(0, 1, 2)], (-6.0,))
    assert found == pytest.approx([10.0, -10.0, -600.0], abs=1e-3)


_WHOLE = TrackFusion(
    correlation=0.4, quality_power=2.0, prior=(0.1, 0.2), spread=(1.0, 1.5), none_of=(-4.0,),
    yes_margin=(0.0, 99.0), no_margin=(1.0, 0.0), bound=0.05, facts={"dataset": "drawn"},
)  # fmt: skip


def test_json_and_back() -> None:
    assert TrackFusion.from_json(_WHOLE.to_json(), 2, 1) == _WHOLE
    assert TrackFusion.from_json({}, 35, 1) == TrackFusion()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"correlation": 1.5}, "correlation is 1.5; expected 0 to 1"),
        ({"correlation": "much"}, "correlation is 'much'"),
        ({"settled_below": True}, "settled_below is True"),
        ({"bound": -0.1}, "bound is -0.1"),
        ({"prior": [0.1]}, "prior is not a list of 2 numbers"),
        ({"none_of": [0.0, 0.0]}, "none_of is not a list of 1 numbers"),
        ({"yes_margin": [0.1, float("nan")]}, "yes_margin has entries that are no numbers"),
        ({"no_margin": [0.1, -0.2]}, "no_margin has entries below 0"),
        ({"facts": 3}, "facts is 3"),
        ({"shape": 3}, "unknown fields: \\['shape'\\]"),
    ],
)
def test_what_is_not_such_a_section_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        TrackFusion.from_json({**_WHOLE.to_json(), **change}, 2, 1)
