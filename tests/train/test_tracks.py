import dataclasses

import numpy as np
import pytest

from edgeattr.core.decision import Decision
from edgeattr.core.posterior import TrackFusion, TrackPosterior
from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr_train.platt import sigmoid
from edgeattr_train.selective import ALL, CROPS, TRACKS, judge
from edgeattr_train.track_fusion import fit
from edgeattr_train.tracks import Tracks, tracks_of

_NAMES = ("young", "middle", "old", "hat", "bag", "skirt")
_SCHEMA = AttributeSchema(
    tuple(Attribute(name=name, group="g") for name in _NAMES),
    exclusive=(("young", "middle", "old"),),
)
_DECISION = Decision(schema=_SCHEMA, thresholds=(0.5,) * 6, scale=(1.0,) * 6, offset=(0.0,) * 6)


def _drawn(
    persons: int, crops: int, *, correlation: float = 0.4, spread: float = 2.0, seed: int = 0
) -> Tracks:
    """Gaussian scores whose likelihood ratio has the correlation; crops of low quality are noisier.

    A score given label +-1 has mean +-d, its error the variance 1: a part ``correlation`` of it is
    the person's, the rest the crop's own, divided by its weight. Log-odds are prior + 2 d score,
    so the deviation between crops is 2 d sqrt(1 - correlation): ``spread`` says how large.
    """
    rng = np.random.default_rng(seed)
    d = spread / 2 / np.sqrt(1 - correlation)
    share = np.array([0.25, 0.25, 0.25, 0.1, 0.3, 0.5])
    age = rng.choice(4, persons, p=[0.25, 0.25, 0.25, 0.25])
    labels = (rng.random((persons, 6)) < share).astype(np.int8)
    labels[:, :3] = age[:, None] == np.arange(3)
    quality = rng.choice([0.4, 1.0], persons * crops)
    person = np.repeat(np.arange(persons), crops)
    own = rng.normal(0, np.sqrt((1 - correlation) / quality)[:, None], (persons * crops, 6))
    shared = rng.normal(0, np.sqrt(correlation), (persons, 6))[person]
    scores = np.where(labels[person] > 0, d, -d) + own + shared
    log_odds = np.log(share / (1 - share)) + 2 * d * scores
    return tracks_of(log_odds, labels[person], person, _DECISION, quality=quality)


def test_persons_become_tracks_in_order() -> None:
    logits = np.arange(30, dtype=float).reshape(5, 6)
    labels = np.zeros((5, 6), np.int8)
    tracks = tracks_of(logits, labels, [7, 3, 7, 3, 7], _DECISION, order=[5, 2, 1, 9, 3])
    assert [rows.tolist() for rows in tracks.rows] == [[1, 3], [2, 4, 0]]
    assert tracks.lengths.tolist() == [2, 3]
    assert [rows.tolist() for rows in tracks.first(2).rows] == [[1, 3], [2, 4]]
    assert [rows.tolist() for rows in tracks.singles().rows] == [[1], [3], [2], [4], [0]]
    assert [rows.tolist() for rows in tracks.take([False, True]).rows] == [[2, 4, 0]]


def test_labels_on_which_images_differ_are_unknown() -> None:
    labels = np.array([[1, 1, 0, -1, 0, -1], [1, 0, 0, -1, -1, 1]], np.int8)
    tracks = tracks_of(np.zeros((2, 6)), labels, [1, 1], _DECISION)
    assert tracks.labels.tolist() == [[1, -1, 0, -1, 0, 1]]


def test_a_fit_sees_what_a_video_computes() -> None:
    tracks = _drawn(40, 5)
    fusion = fit(tracks)
    expected = []
    for rows in tracks.rows:
        posterior = TrackPosterior(_DECISION, fusion)
        for row in rows:
            posterior.add(tracks.log_odds[row], tracks.quality[row])
        expected.append(posterior.log_odds)
    assert tracks.posterior(fusion) == pytest.approx(np.stack(expected))


@pytest.mark.parametrize("correlation", [0.2, 0.6])
def test_correlation_quality_spread_and_prior_are_recovered(correlation: float) -> None:
    fusion = fit(_drawn(2500, 6, correlation=correlation))
    assert fusion.correlation == pytest.approx(correlation, abs=0.06)
    assert fusion.quality_power == 1.0
    assert fusion.spread == pytest.approx([2.0] * 6, rel=0.05)
    assert sigmoid(fusion.prior) == pytest.approx([0.25, 0.25, 0.25, 0.1, 0.3, 0.5], abs=0.03)


def test_fused_probabilities_are_true_and_better_than_single_crops() -> None:
    tracks = _drawn(3000, 4)
    fusion = fit(tracks.take(np.arange(1500)))
    held = tracks.take(np.arange(1500, 3000))
    fused = sigmoid(held.posterior(fusion))[:, 3:]
    truth = held.labels[:, 3:] > 0
    for low, high in ((0.0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.0)):
        chosen = (fused > low) & (fused <= high)
        assert truth[chosen].mean() == pytest.approx(fused[chosen].mean(), abs=0.04)
    alone = held.singles()
    errors = ((alone.posterior(fusion) > 0) != (alone.labels > 0)).mean()
    assert ((held.posterior(fusion) > 0) != (held.labels > 0)).mean() < 0.8 * errors


def test_none_of_an_exclusive_set_is_fitted_to_how_often_that_is_so() -> None:
    seldom = _drawn(1500, 2)
    some = (seldom.labels[:, :3] > 0).any(1)
    always = fit(seldom.take(some)).none_of[0]
    often = fit(seldom.take(~some | (np.arange(len(some)) % 3 == 0))).none_of[0]
    assert always < -3 < often


def test_persons_with_one_image_each_are_averaged_and_still_bounded() -> None:
    fusion = fit(_drawn(400, 1))
    assert (fusion.correlation, fusion.spread) == (1.0, ())
    assert len(fusion.yes_margin) == 6
    selective = judge(_drawn(400, 1), bounds=[0.05], repeats=2)
    assert set(selective.points) == {ALL}


def test_the_stated_bound_is_held_on_held_out_persons() -> None:
    selective = judge(_drawn(1000, 3, seed=3), repeats=2)
    for kind in (ALL, CROPS, TRACKS):
        coverage = [point.coverage for point in selective.points[kind]]
        assert coverage == sorted(coverage)
    for point in selective.points[ALL]:
        assert point.error < 1.2 * point.bound + 0.1
    better, worse = selective.curves[TRACKS], selective.curves[CROPS]
    assert (better.risk <= worse.risk + 0.2).all()
    assert better.coverage[-1] == pytest.approx(100)
    assert set(selective.to_json(0.05)) == {
        "bound", "coverage", "error", "yes_error", "no_error", "found",
    }  # fmt: skip


def test_every_person_counts_once() -> None:
    """A person with fifty crops weighs as much as one with two."""
    base = _drawn(200, 2)
    rows = list(base.rows)
    rows[0] = np.repeat(rows[0], 25)
    crowded = dataclasses.replace(base, rows=tuple(rows))
    plain, other = (judge(part, bounds=[0.05], repeats=1) for part in (base, crowded))
    assert other.curves[CROPS].risk[-1] == pytest.approx(plain.curves[CROPS].risk[-1], abs=0.01)


def test_a_fit_survives_the_bundles_json() -> None:
    fusion = fit(_drawn(60, 3))
    assert TrackFusion.from_json(fusion.to_json(), 6, 1) == fusion
