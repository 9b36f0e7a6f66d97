"""Cells of the feature maps are centred where edgeattr.explain.attention_maps says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgeattr.explain.attention_maps import first_centre
from edgeattr_train.backbones import build_backbone

_SIZE = 640, 32  # pixels: what changes a cell of MobileNetV2 is 491 high


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "densenet121", "osnet_0287"])
def test_first_centres(backbone: str) -> None:
    """By where the gradient of a cell lies: nearer than the middle of the cell's tile would be."""
    torch.manual_seed(0)
    network = build_backbone(backbone, "none").eval()
    crop = torch.rand(1, 3, *_SIZE).requires_grad_()
    middles = np.arange(_SIZE[0]) + 0.5
    for scale, stride in zip(network(crop), network.strides, strict=True):
        cell = scale.shape[2] // 2
        (gradient,) = torch.autograd.grad(scale[0, :, cell, 0].sum(), crop, retain_graph=True)
        weight = gradient.abs().sum((0, 1, 3)).double().numpy()
        wanted = first_centre(backbone, stride) + stride * cell
        assert weight @ middles / weight.sum() == pytest.approx(wanted, abs=stride / 5)
        if backbone == "mobilenet_v2":  # nothing in it looks at the whole crop
            touched = np.flatnonzero(weight > 0)
            assert middles[touched[[0, -1]]].mean() == pytest.approx(wanted, abs=0.5)
