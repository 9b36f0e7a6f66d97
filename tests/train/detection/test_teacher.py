"""Our YOLOX-nano against the published one in ONNX Runtime; views of one picture as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgeattr_train.detection.teacher import fused, weights_from_yolox  # noqa: E402
from edgeattr_train.detection.trainer import student_from_teacher  # noqa: E402


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


def test_a_student_starts_with_the_teachers_statistics(shared: Path) -> None:
    teacher = weights_from_yolox(shared / "models" / "detectors" / "yolox_nano.onnx")
    pictures = torch.rand((4, 3, 64, 96), generator=torch.Generator().manual_seed(0)) * 255
    student = student_from_teacher(teacher, pictures)
    seen: dict[str, torch.Tensor] = {}
    for name, network in (("teacher", teacher), ("student", student.train())):
        network.dark3[0][0].bn.register_forward_hook(
            lambda *args, name=name: seen.__setitem__(name, args[2].detach())
        )
        with torch.no_grad():
            network(pictures)
    (teachers_mean, teachers_std), (mean, std) = (
        (seen[name].mean((0, 2, 3)), seen[name].std((0, 2, 3))) for name in ("teacher", "student")
    )
    torch.testing.assert_close(mean, teachers_mean, rtol=1e-3, atol=1e-3)
    # the norm's epsilon and what ReLU silences before it make some channels quieter
    assert ((std - teachers_std).abs() / teachers_std).median() < 0.05


def test_views_are_averaged_and_what_one_view_sees_counts_less() -> None:
    both = np.array([[10, 10, 50, 90, 0.8], [11, 10, 51, 92, 0.4]], np.float32)
    alone = np.array([[200, 20, 240, 100, 0.6]], np.float32)
    found = fused([np.concatenate((both[:1], alone)), both[1:]])
    np.testing.assert_allclose(found[0], [10.333, 10, 50.333, 90.667, 0.6], atol=0.01)
    np.testing.assert_allclose(found[1], [200, 20, 240, 100, 0.3], atol=0.01)
