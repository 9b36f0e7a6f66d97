"""What somebody meets in the first minute: help with an example, `--output` alone, labels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgeattr.cli import app as cli_app


def _run(*arguments: object) -> None:
    done = CliRunner().invoke(cli_app.app, [*map(str, arguments)])
    if done.exception:
        raise done.exception
    assert done.exit_code == 0


def test_edgeattr_alone_says_how_to_begin() -> None:
    said = CliRunner().invoke(cli_app.app, []).output
    assert "edgeattr run VIDEO.mp4" in said
    assert "edgeattr run 0" in said


@pytest.mark.parametrize("after", [(), ("--quiet",)])
def test_output_without_a_name_lies_beside_the_video(
    walking_video: Path, tmp_path: Path, after: tuple[str, ...]
) -> None:
    video = tmp_path / "walk.mp4"
    shutil.copy(walking_video, video)
    _run("run", video, "--detector", "motion", "--max-frames", "5", "--output", *after)
    assert (tmp_path / "walk-annotated.mp4").stat().st_size > 1000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["walk-annotated.mp4", "walk.mp4"]


def test_a_name_that_follows_output_is_the_output(walking_video: Path, tmp_path: Path) -> None:
    target = tmp_path / "seen.mp4"
    _run("run", walking_video, "--detector", "motion", "--max-frames", "5", "--output", target)
    assert target.exists()


def test_labels_that_are_hidden_are_not_told(walking_video: Path, tmp_path: Path) -> None:
    import edgeattr

    with edgeattr.load() as model:
        names = list(model.bundle.schema.names)
    told = {}
    for hidden in ([], names):
        events = tmp_path / f"{len(hidden)}.jsonl"
        site = tmp_path / "site.toml"
        site.write_text(
            f"detector = 'motion'\n[pipeline.labels]\nhide = {json.dumps(hidden)}\n"
            f"[events]\nfile = '{events}'\n[[sources]]\naddress = '{walking_video}'\n"
        )
        _run("run", "--config", site, "--quiet")
        records = [json.loads(line) for line in events.read_text().splitlines()]
        told[len(hidden)] = [it["labels"] for it in records if it["type"] == "person"]
    assert any(told[0])
    assert not any(told[len(names)])
