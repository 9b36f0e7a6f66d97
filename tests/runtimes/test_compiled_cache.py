"""OpenVINO's compiled networks are kept for the next start, and never taken from a wrong file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import edgeattr
from edgeattr.core.hub import home

pytest.importorskip("openvino")

_CROPS = list(np.random.default_rng(0).integers(0, 256, (5, 200, 90, 3), dtype=np.uint8))


def _answers() -> npt.NDArray[np.float32]:
    with edgeattr.load(runtime="openvino", include_sensitive=True) as model:
        return np.stack([answer.logits for answer in model.predict(_CROPS)])


def test_networks_are_kept_and_damaged_ones_are_compiled_anew() -> None:
    first = _answers()
    kept = sorted((home() / "engines").glob("openvino-*.blob"))
    assert len(kept) == 2, "for one crop and for a batch"
    written = [path.stat().st_mtime_ns for path in kept]
    np.testing.assert_array_equal(_answers(), first)
    assert [path.stat().st_mtime_ns for path in kept] == written
    content = kept[0].read_bytes()
    kept[0].write_bytes(content[:-1])
    np.testing.assert_array_equal(_answers(), first)
    assert kept[0].stat().st_mtime_ns > written[0]
    assert kept[0].read_bytes() != content[:-1]


def test_a_network_that_openvino_cannot_export_runs_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import openvino

    def fails(self: object) -> None:
        raise RuntimeError("export is not supported")

    monkeypatch.setattr(openvino.CompiledModel, "export_model", fails)
    assert len(_answers()) == len(_CROPS)
    assert not list((home() / "engines").glob("*.blob"))


def test_where_nothing_can_be_kept_it_runs_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGEATTR_HOME", str(tmp_path / "file"))
    assert len(_answers()) == len(_CROPS)
