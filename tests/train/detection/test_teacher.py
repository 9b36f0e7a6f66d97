"""Our YOLOX-nano against the published one in ONNX Runtime; views of one picture as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgeattr_train.detection.teacher import fused  # noqa: E402
from edgeattr_train.detection.yolox import weights_from_yolox  # noqa: E402


def test_the_network_is_yolox_nano(shared: Path) -> None:
    import onnxruntime

    path = shared / "models" / "detectors" / "yolox_nano.onnx"
    network = weights_from_yolox(path)
    picture = np.random.default_rng(0).integers(0, 256, (1, 3, 416, 416)).astype(np.float32)
    wanted = onnxruntime.InferenceSession(path).run(None, {"images": picture})[0][0]
    with torch.no_grad():
        levels = network(torch.from_numpy(picture))
    found = torch.cat([level.flatten(2) for level in levels], 2)[0].T
    np.testing.assert_allclose(found[:, :4].numpy(), wanted[:, :4], atol=1e-4)
    np.testing.assert_allclose(found[:, 4:].sigmoid().numpy(), wanted[:, 4:6], atol=1e-4)


def test_views_are_averaged_and_what_one_view_sees_counts_less() -> None:
    both = np.array([[10, 10, 50, 90, 0.8], [11, 10, 51, 92, 0.4]], np.float32)
    alone = np.array([[200, 20, 240, 100, 0.6]], np.float32)
    found = fused([np.concatenate((both[:1], alone)), both[1:]])
    np.testing.assert_allclose(found[0], [10.333, 10, 50.333, 90.667, 0.6], atol=0.01)
    np.testing.assert_allclose(found[1], [200, 20, 240, 100, 0.3], atol=0.01)
