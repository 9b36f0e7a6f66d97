"""PyTorch as an engine, of a bundle and of a checkpoint that was not exported."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import edgeattr
from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import BundleError, InputError, UsageError
from edgeattr_runtimes import EngineOptions
from edgeattr_train.checkpoint import Checkpoint, write_state
from edgeattr_train.torch_engine import TorchEngine


def test_a_checkpoint_answers_as_what_is_exported_of_it(
    make_checkpoint: Callable[..., Checkpoint], small_bundle: Bundle, tmp_path: Path
) -> None:
    path = tmp_path / "best.pt"
    write_state(path, make_checkpoint().state())
    golden = small_bundle.golden
    with edgeattr.load(path) as model:
        assert model.describe().engine == "torch"
        assert np.abs(model.logits(list(golden.crops)) - golden.logits).max() < 1e-3
        assert model.bundle.thresholds == small_bundle.thresholds
        assert model.bundle.schema == small_bundle.schema
        explained = model.explain(list(golden.crops[:2]))
        off = np.abs(explained[1].prediction.logits - golden.logits[1])
        assert np.nanmax(off) < 1e-3  # sensitive scores are no numbers unless they are asked for
        assert [grid.rows for grid in explained[0].grids] == [4, 2]
        assert abs(float(explained[0].mean("hat").sum()) - 1) < 1e-5
    for wrong in ({"runtime": "onnxruntime"}, {"precision": "int8"}):
        with pytest.raises(UsageError, match="PyTorch runs it in fp32"):
            edgeattr.load(path, **wrong)  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"best\.pt"):
        edgeattr.load(path)


def test_a_bundle_without_its_recipe_is_refused(small_bundle: Bundle) -> None:
    unknown = dataclasses.replace(small_bundle, training={})
    with pytest.raises(BundleError, match="names no recipe"):
        TorchEngine(unknown, small_bundle.variant("onnx-fp32"), EngineOptions())
