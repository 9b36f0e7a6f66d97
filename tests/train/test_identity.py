"""Telling persons apart, against the definitions written out in NumPy."""

import numpy as np
import pytest
import torch

from edgeattr_train.identity import IdentityClassifier, identity_loss, person_classes


def _cross_entropy(cosines: np.ndarray, persons: np.ndarray) -> float:
    """With a tenth of the target spread over all classes."""
    log_p = cosines - np.log(np.exp(cosines).sum(1, keepdims=True))
    target = np.full(cosines.shape, 0.1 / cosines.shape[1])
    target[np.arange(len(persons)), persons] += 0.9
    return float(-(target * log_p).sum(1).mean())


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_the_loss_of_a_blend_is_blended(share: float) -> None:
    rng = np.random.default_rng(0)
    cosines, persons, other = rng.normal(size=(6, 9)), rng.integers(0, 9, 6), rng.integers(0, 9, 6)
    expected = share * _cross_entropy(cosines, persons)
    expected += (1 - share) * _cross_entropy(cosines, other)
    tensors = (torch.from_numpy(values) for values in (cosines, persons, other))
    assert identity_loss(*tensors, share).item() == pytest.approx(expected)


def test_scores_are_cosines_times_sixteen() -> None:
    torch.manual_seed(0)
    classifier = IdentityClassifier(5, 7).eval()
    features = torch.randn(4, 5)
    directions = classifier.directions.detach().numpy()
    normed = features.numpy() / np.sqrt(1 + classifier.norm.eps)
    expected = normed @ directions.T
    expected /= np.linalg.norm(normed, axis=1)[:, None] * np.linalg.norm(directions, axis=1)
    with torch.no_grad():
        found = classifier(features).numpy()
    assert found == pytest.approx(16 * expected, abs=1e-4)


def test_persons_are_numbered_without_gaps() -> None:
    assert person_classes(np.array([70, 3, 70, 12])).tolist() == [2, 0, 2, 1]
