"""`edgeattr info` of what is no bundle yet."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeattr.cli.info import info
from edgeattr.core.errors import InputError

if TYPE_CHECKING:
    from edgeattr_train.checkpoint import Checkpoint


def test_a_checkpoint_is_described(
    make_checkpoint: Callable[..., Checkpoint],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from edgeattr_train.checkpoint import write_state

    file = tmp_path / "best.pt"
    write_state(file, make_checkpoint().state())
    info(str(file))
    said = capsys.readouterr().out
    assert said.startswith(f"best  {file}\ninput    32x64 BGR uint8\ntrained  on drawn")
    assert "male*" in said
    assert f"none: PyTorch runs it as it is; a bundle of it: edgeattr convert {file}" in said
    info(str(file), as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert (record["input"]["height"], record["variants"]) == (64, {})


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("no checkpoint")
    for name, told in (("text", "text.pt: damaged or not a checkpoint"), ("none", "is missing")):
        with pytest.raises(InputError, match=told):
            info(str(tmp_path / f"{name}.pt"))
