"""Fusion and schedule of the default model on real persons of PETA's validation split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import edgeattr
from edgeattr.core.metrics import mean_accuracy_per_attribute
from edgeattr.core.posterior import TrackFusion, TrackPosterior
from edgeattr.video.crop_quality import assess_whole_crop
from edgeattr.video.schedule import Schedule, TrackHistory
from edgeattr_train.data.datasets import AttributeDataset, open_dataset
from edgeattr_train.tracks import Tracks, crop_qualities, tracks_of

_IMAGES = 5  # of a person, at least: 67 persons, 422 images
_STEP = 0.2  # seconds between a person's images

Logits = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def data(shared: Path) -> AttributeDataset:
    whole = open_dataset(f"peta:{shared / 'peta'}", "val")
    _, place, counts = np.unique(whole.persons, return_inverse=True, return_counts=True)
    return whole.take(np.flatnonzero(counts[place] >= _IMAGES))


@pytest.fixture(scope="module")
def logits(data: AttributeDataset) -> Logits:
    with edgeattr.load(runtime="onnxruntime", precision="fp32") as model:
        return model.logits([data.read(index) for index in range(len(data))])


@pytest.fixture(scope="module")
def fusion() -> TrackFusion:
    from edgeattr.core.bundle import Bundle
    from edgeattr.core.hub import default_bundle

    found = Bundle.read(default_bundle()).track
    assert found is not None
    return found


@pytest.fixture(scope="module")
def tracks(data: AttributeDataset, logits: Logits) -> Tracks:
    from edgeattr.core.bundle import Bundle
    from edgeattr.core.hub import default_bundle

    decision = Bundle.read(default_bundle()).decision(include_sensitive=True)
    return tracks_of(
        logits,
        data.labels,
        data.persons,
        decision,
        quality=crop_qualities(data),
        order=data.ids,
    )


def _balanced(log_odds: npt.NDArray[np.float64], tracks: Tracks) -> float:
    found = mean_accuracy_per_attribute(log_odds > tracks.decision.limits, tracks.labels > 0)
    return float(np.nanmean(found))


def test_labels_belong_to_persons(tracks: Tracks) -> None:
    assert (tracks.labels >= 0).all()


def test_fused_answers_are_better_than_single_crops(tracks: Tracks, fusion: TrackFusion) -> None:
    alone = tracks.singles()
    single = _balanced(alone.log_odds[np.concatenate(alone.rows)], alone)
    assert _balanced(tracks.posterior(fusion), tracks) > single + 1.5


def test_a_schedule_spares_two_thirds_and_answers_alike(
    data: AttributeDataset, logits: Logits, tracks: Tracks, fusion: TrackFusion
) -> None:
    schedule, crops, ends = Schedule(), 0, []
    for rows in tracks.rows:
        posterior, history = TrackPosterior(tracks.decision, fusion), TrackHistory()
        for place, row in enumerate(rows):
            assessment, seconds = assess_whole_crop(data.read(int(row))), place * _STEP
            if schedule.worth(assessment, history, seconds=seconds, settled=posterior.settled):
                posterior.add(logits[row], assessment.quality)
                history.add(assessment, seconds)
        crops += posterior.crops
        ends.append(posterior.log_odds)
    assert 3 * crops <= len(data)
    assert _balanced(np.stack(ends), tracks) > _balanced(tracks.posterior(fusion), tracks) - 0.3
