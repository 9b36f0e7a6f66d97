"""Long commands refuse at their start what they could not write at their end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgeattr.cli.bench import bench
from edgeattr.cli.convert import convert
from edgeattr.cli.evaluate import evaluate
from edgeattr.cli.train import train
from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import OutputError


@pytest.fixture(autouse=True)
def nothing_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes minutes must not begin."""

    def fail(*arguments: object, **options: object) -> None:
        raise AssertionError("it began")

    pytest.importorskip("torch")
    for place in (
        "edgeattr_runtimes.bench.measure",
        "edgeattr_runtimes.tune.measure",
        "edgeattr_train.data.datasets.open_dataset",
        "edgeattr.cli.convert._source",
    ):
        monkeypatch.setattr(place, fail)


@pytest.mark.parametrize(
    "command",
    [
        lambda model, out: bench(model, json_file=out),
        lambda model, out: bench(model, plot=out.with_suffix(".png")),
        lambda model, out: bench(model, tune=True, json_file=out),
        lambda model, out: evaluate("peta:nowhere", model, json_file=out),
        lambda model, out: convert(model, fp16=True, out=out.with_suffix(".edgeattr")),
        lambda model, out: train("peta:nowhere", out=out),
    ],
    ids=["json", "plot", "tune with json", "eval", "convert", "train"],
)
def test_a_place_that_cannot_be_written(
    command: Callable[[str, Path], None], small_bundle: Bundle, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot be written \(Not a directory\)"):
        command(str(small_bundle.path), tmp_path / "file" / "out")


def test_tuning_without_a_home(
    small_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEATTR_HOME", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="or set EDGEATTR_HOME to another folder"):
        bench(str(small_bundle.path), tune=True)
