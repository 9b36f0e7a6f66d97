import numpy as np
import pytest

from edgeattr.core.decision import Decision
from edgeattr.core.posterior import NEVER, TrackFusion, TrackPosterior
from edgeattr.core.schema import Attribute, AttributeSchema

_SCHEMA = AttributeSchema(
    (
        Attribute(name="young", group="age", sensitive=True),
        Attribute(name="old", group="age", sensitive=True),
        Attribute(name="hat", group="accessory"),
        Attribute(name="bag", group="carrying"),
    ),
    exclusive=(("young", "old"),),
)
_FITTED = TrackFusion(
    correlation=0.4,
    quality_power=2.0,
    prior=(0.5, -1.0, -2.0, 0.0),
    spread=(1.0, 1.0, 1.0, 1.0),
    none_of=(-3.0,),
    yes_margin=(1.0, 1.0, 2.0, NEVER),
    no_margin=(0.0, 0.0, 0.0, 0.5),
)


def _decision(**changes: object) -> Decision:
    values = {
        "thresholds": (0.5, 0.5, 0.4, 0.5),
        "scale": (1.0, 1.0, 1.0, 0.5),
        "offset": (0.0, 0.0, 0.0, -0.2),
        "include_sensitive": True,
        **changes,
    }
    return Decision(schema=_SCHEMA, **values)  # type: ignore[arg-type]


def _posterior(fusion: TrackFusion | None = _FITTED, **changes: object) -> TrackPosterior:
    return TrackPosterior(_decision(**changes), fusion)


def test_without_a_section_crops_are_averaged_and_a_band_is_unknown() -> None:
    posterior = _posterior(None, thresholds=(0.5,) * 4, scale=(1.0,) * 4, offset=(0.0,) * 4)
    assert posterior.answers() == {}
    posterior.add([-9.0, -9.0, 4.0, 0.2], 0.75)
    posterior.add([-9.0, -9.0, -4.0, 0.2], 0.25)
    answers = posterior.answers()
    assert posterior.crops == 2
    assert answers["hat"].p == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert (answers["hat"].answer, answers["bag"].answer) == ("yes", "unknown")


def test_calibration_comes_before_fusion() -> None:
    posterior = _posterior()
    posterior.add([0.0, 0.0, 0.0, 4.0], 1.0)
    assert posterior.log_odds[3] == pytest.approx(4.0 * 0.5 - 0.2)
    assert posterior.answers()["bag"].answer == "unknown"  # it can never be a yes


def test_an_exclusive_set_sums_to_one_at_most_and_has_one_yes_at_most() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        posterior = _posterior()
        for _ in range(rng.integers(1, 6)):
            posterior.add(rng.normal(1, 3, 4), float(rng.random()))
        answers = posterior.answers()
        assert answers["young"].p + answers["old"].p <= 1 + 1e-12
        assert [answers["young"].answer, answers["old"].answer].count("yes") <= 1


def test_answers_are_surer_the_higher_the_evidence() -> None:
    said, p = [], []
    for logit in np.linspace(-3, 3, 25):
        posterior = _posterior()
        posterior.add([0.0, 0.0, logit, 0.0], 1.0)
        answer = posterior.answers()["hat"]
        said.append(answer.answer)
        p.append(answer.p)
    assert p == sorted(p)
    ranks = [("no", "unknown", "yes").index(answer) for answer in said]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2}


def test_a_poor_first_look_does_not_fix_the_answer() -> None:
    posterior = _posterior()
    posterior.add([0.0, 0.0, 3.0, 0.0], 0.15)
    assert posterior.answers()["hat"].answer != "yes"
    assert not posterior.settled
    for _ in range(3):
        posterior.add([0.0, 0.0, -3.0, 0.0], 1.0)
    assert posterior.answers()["hat"].answer == "no"


def test_a_track_settles_when_its_answers_are_far_from_changing() -> None:
    clear, close = _posterior(), _posterior()
    assert (clear.changing, clear.settled) == (1.0, False)
    shares = []
    for _ in range(12):
        clear.add([6.0, -6.0, -6.0, -8.0], 1.0)
        close.add([6.0, -6.0, 0.0, -8.0], 1.0)
        shares.append(clear.changing)
    assert shares == sorted(shares, reverse=True)
    assert clear.settled
    limit, margin = np.log(0.4 / 0.6), 2.0
    assert not TrackPosterior(_decision(), _FITTED).settled
    near = _posterior()
    near.add([6.0, -6.0, limit + margin, -8.0], 1.0)  # at the very edge of a yes
    assert near.changing == pytest.approx(0.5 / 4, abs=0.01)
    assert not near.settled


def test_worse_crops_settle_later() -> None:
    def needed(quality: float) -> int:
        posterior = _posterior()
        while not posterior.settled:
            posterior.add([5.0, -5.0, -5.0, -7.0], quality)
        return posterior.crops

    assert needed(1.0) < needed(0.5) < needed(0.25)


def test_attributes_that_are_not_reported_do_not_keep_a_track_open() -> None:
    shown, hidden = _posterior(), _posterior(include_sensitive=False)
    for posterior in (shown, hidden):
        posterior.add([1.0, -0.1, -9.0, -9.0], 1.0)  # age at the edge, the rest clear
    assert not shown.settled
    assert hidden.settled
    assert set(hidden.answers()) == {"hat", "bag"}
