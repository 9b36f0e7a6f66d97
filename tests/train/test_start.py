"""A bundle as the start of training: its network is taken up as it answers."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeattr.core import hub
from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import InputError
from edgeattr_train.model import AttributeNet, build_model
from edgeattr_train.recipe import load_recipe
from edgeattr_train.start import set_batch_norms_from_data, start_facts, take_bundle


def _bundle() -> Bundle:
    return Bundle.read(hub.resolve_bundle("default"))


def _net(**changes: object) -> AttributeNet:
    torch.manual_seed(0)
    spec = _bundle().input
    options = dataclasses.replace(load_recipe("wide", []).model, **changes)  # type: ignore[arg-type]
    return build_model(len(_bundle().schema), options, (spec.height, spec.width))


def test_the_model_answers_as_the_bundle_does() -> None:
    net, golden = _net(), _bundle().golden
    take_bundle(net, "default")
    crops = torch.from_numpy(golden.crops)
    set_batch_norms_from_data(net, crops)
    with torch.no_grad():
        logits = net.eval()(crops).logits.numpy()
    np.testing.assert_allclose(logits, golden.logits, atol=2e-3)


def test_every_folded_norm_is_completed() -> None:
    net = _net()
    take_bundle(net, "default")
    norms = [
        module
        for module in net.branches.modules()  # norms of necks follow no convolution
        if isinstance(module, torch.nn.BatchNorm2d)
    ]
    assert norms
    assert all(hasattr(norm, "folded_bias") for norm in norms)


def test_another_network_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"default: its network is not the one of this recipe"):
        take_bundle(_net(attention_channels=32), "default")


def test_the_facts_of_a_start_are_kept() -> None:
    facts = start_facts("default")
    assert facts["dataset"] == "peta@wide"
    assert facts["split"] == "train"
    assert "research use only" in facts["licence"]
    assert "recipe" not in facts


def test_a_start_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"gone\.edgeattr"):
        start_facts(str(tmp_path / "gone.edgeattr"))
