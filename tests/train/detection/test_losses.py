"""Assignment and losses against the same written in plain NumPy, loop by loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgeattr_train.detection.losses import (  # noqa: E402
    Targets,
    assign,
    detection_loss,
    distillation_loss,
)
from edgeattr_train.detection.network import cells_of, decode  # noqa: E402


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Of two boxes given as centre and size."""
    left, top = (max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2) for i in (0, 1))
    right, bottom = (min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) for i in (0, 1))
    inner = max(right - left, 0) * max(bottom - top, 0)
    return inner / (a[2] * a[3] + b[2] * b[3] - inner + 1e-9)


def _assigned(people, boxes, scores, corners, strides):
    """SimOTA as YOLOX's paper tells it: {cell: (person, overlap)}."""
    candidates, both = [], {}
    for cell in range(len(boxes)):
        x, y = corners[cell] + strides[cell] / 2
        hit = False
        for person, (px, py, w, h) in enumerate(people):
            in_box = abs(x - px) < w / 2 and abs(y - py) < h / 2
            near = 1.5 * strides[cell]
            in_centre = abs(x - px) < near and abs(y - py) < near
            both[person, cell] = in_box and in_centre
            hit |= in_box or in_centre
        if hit:
            candidates.append(cell)
    claims: dict[int, list[tuple[float, int]]] = {}
    cost = {}
    for person in range(len(people)):
        overlaps = {c: _overlap(people[person], boxes[c]) for c in candidates}
        for c in candidates:
            cost[person, c] = (
                -math.log(math.sqrt(min(max(scores[c], 1e-7), 1)))
                - 3 * math.log(overlaps[c] + 1e-8)
                + (0 if both[person, c] else 1e5)
            )
        count = max(int(sum(sorted(overlaps.values(), reverse=True)[:10])), 1)
        for c in sorted(candidates, key=lambda c: cost[person, c])[:count]:
            claims.setdefault(c, []).append((cost[person, c], person))
    result = {}
    for c, asked in claims.items():
        person = (
            asked[0][1] if len(asked) == 1 else min((cost[p, c], p) for p in range(len(people)))[1]
        )
        result[c] = (person, _overlap(people[person], boxes[c]))
    return result


def _scene(seed: int, people: int):
    """Random levels of a 96x128 picture, and people of it."""
    rng = np.random.default_rng(seed)
    levels = [
        torch.from_numpy(rng.normal(0, 0.7, (1, 6, 96 // s, 128 // s)).astype(np.float32))
        for s in (8, 16, 32)
    ]
    for level in levels:
        level[:, 2:4] += 0.8
    sizes = rng.uniform((8, 16), (40, 70), (people, 2))
    centres = rng.uniform((5, 5), (123, 91), (people, 2))
    return levels, np.concatenate((centres, sizes), 1).astype(np.float32)


@pytest.mark.parametrize("seed", range(6))
def test_assignment_is_that_of_plain_loops(seed: int) -> None:
    levels, people = _scene(seed, 4)
    boxes, objectness, person = (t[0] for t in decode(levels))
    scores = objectness.sigmoid() * person.sigmoid()
    corners, strides = cells_of(96, 128)
    found = assign(torch.from_numpy(people), boxes, scores, corners, strides)
    expected = _assigned(people, *(t.numpy() for t in (boxes, scores, corners, strides)))
    assert dict(zip(found.cells.tolist(), found.people.tolist(), strict=True)) == {
        cell: person for cell, (person, _) in expected.items()
    }
    overlaps = [expected[cell][1] for cell in found.cells.tolist()]
    np.testing.assert_allclose(found.overlaps.numpy(), overlaps, rtol=1e-4)
    assert len(found.cells) >= 4  # everybody has a cell


def _cross_entropy(logit: float, truth: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -truth * math.log(p) - (1 - truth) * math.log(1 - p)


def test_losses_are_those_of_plain_loops() -> None:
    levels, people = _scene(11, 3)
    ignored = np.array([[64, 48, 60, 40]], np.float32)
    targets = Targets(boxes=torch.from_numpy(people), ignore=torch.from_numpy(ignored))
    found = detection_loss(levels, [targets])
    boxes, objectness, person = (t[0].double().numpy() for t in decode(levels))
    corners, strides = (t.numpy() for t in cells_of(96, 128))
    scores = 1 / (1 + np.exp(-objectness)) / (1 + np.exp(-person))
    assigned = _assigned(people, boxes, scores, corners, strides)
    box = sum(1 - overlap**2 for _, overlap in assigned.values())
    class_ = sum(_cross_entropy(person[c], overlap) for c, (_, overlap) in assigned.items())
    entropy = 0.0
    for cell in range(len(boxes)):
        x, y = corners[cell] + strides[cell] / 2
        inside = abs(x - 64) < 30 and abs(y - 48) < 20
        if cell in assigned or not inside:
            entropy += _cross_entropy(objectness[cell], float(cell in assigned))
    count = len(assigned)
    assert float(found["box"]) == pytest.approx(5 * box / count, rel=1e-4)
    assert float(found["person"]) == pytest.approx(class_ / count, rel=1e-4)
    assert float(found["objectness"]) == pytest.approx(entropy / count, rel=1e-4)


def test_a_picture_of_nobody_has_no_box_loss_and_a_gradient() -> None:
    levels, _ = _scene(3, 1)
    for level in levels:
        level.requires_grad_()
    none = torch.zeros((0, 4))
    found = detection_loss(levels, [Targets(boxes=none, ignore=none)])
    assert found["box"].item() == found["person"].item() == 0
    sum(found.values()).backward()
    assert all(float(level.grad[:, 4].abs().min()) > 0 for level in levels)


def test_losses_against_a_teacher_are_those_of_plain_loops() -> None:
    levels, people = _scene(5, 2)
    taught, _ = _scene(6, 1)
    seen, scores, classes = (t[0].numpy() for t in decode(taught))
    people[0] = seen[np.argmax(scores + classes)]  # whom the teacher sees as they are
    targets = Targets(boxes=torch.from_numpy(people), ignore=torch.zeros((0, 4)))
    found = distillation_loss(levels, taught, [targets])
    boxes, objectness, person = (t[0].double().numpy() for t in decode(levels))
    wanted, *logits = (t[0].double().numpy() for t in decode(taught))
    likely, truth = (1 / (1 + np.exp(-values)) for values in logits)
    corners, strides = (t.numpy() for t in cells_of(96, 128))
    entropy = class_ = box = 0.0
    cases = set()
    for cell in range(len(boxes)):
        x, y = corners[cell] + strides[cell] / 2
        score = likely[cell] * truth[cell]
        inside = any(abs(x - px) < w / 2 and abs(y - py) < h / 2 for px, py, w, h in people)
        wrong = inside and all(_overlap(wanted[cell], each) < 0.7 for each in people)
        cases.add((inside, wrong))
        own = 1 / (1 + math.exp(-objectness[cell]))
        expected = own if wrong else max(score, own) if inside else score
        entropy += _cross_entropy(objectness[cell], expected)
        class_ += likely[cell] * _cross_entropy(person[cell], truth[cell])
        if score > 0.1 and not wrong:
            box += score * (1 - _overlap(boxes[cell], wanted[cell]) ** 2)
    assert len(cases) == 3, "inside or not, and inside right or wrong"
    total = max((likely * truth).sum(), 8)
    assert float(found["taught_objectness"]) == pytest.approx(entropy / total, rel=1e-4)
    assert float(found["taught_person"]) == pytest.approx(class_ / total / 2, rel=1e-4)
    assert float(found["taught_box"]) == pytest.approx(2 * box / total, rel=1e-4)
