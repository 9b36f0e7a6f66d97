"""What somebody meets in the first minute: help with an example, `--output` alone, labels."""

from __future__ import annotations

import os
import pty
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgeattr.cli import app as cli_app
from edgeattr.cli.site_config import load_site
from edgeattr.core.errors import UsageError
from edgeattr.core.label_ranking import LabelOptions


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
    video = tmp_path / "videos" / "walk.mp4"
    video.parent.mkdir()
    shutil.copy(walking_video, video)
    _run("run", video, "--max-frames", "5", "--output", *after)
    beside = {path.name: path.stat().st_size for path in video.parent.iterdir()}
    assert beside.keys() == {"walk-annotated.mp4", "walk.mp4"}
    assert beside["walk-annotated.mp4"] > 1000


def test_a_wrong_colour_by_is_named_as_it_was_given() -> None:
    done = CliRunner().invoke(cli_app.app, ["run", "x.mp4", "--color-by", "hat"])
    assert done.exit_code == 2
    assert "--colour-by" in done.stderr
    assert "'track'" in done.stderr


def test_a_run_says_that_it_wrote_the_store(walking_video: Path, tmp_path: Path) -> None:
    options = ("--max-frames", "5", "--store", tmp_path / "people.sqlite")
    said = CliRunner().invoke(cli_app.app, ["run", str(walking_video), *map(str, options)])
    assert f"wrote {tmp_path / 'people.sqlite'}" in said.stderr


def test_labels_are_chosen_in_a_site_s_file(walking_video: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    source = f"[[sources]]\naddress = '{walking_video}'"
    text = "[pipeline.labels]\nhide = ['hat']\nshow = ['{}']\n" + source
    site.write_text(text.format("backpack"))
    chosen = load_site(site).pipeline.labels
    assert chosen == LabelOptions(show=("backpack",), hide=("hat",))
    site.write_text(text.format("backpak"))
    with pytest.raises(UsageError, match="labels: no attribute 'backpak'"):
        _run("run", "--config", site)


def test_on_a_terminal_a_run_ends_with_commands_that_can_be_pasted(
    walking_video: Path, tmp_path: Path
) -> None:
    video = tmp_path / "my walk.mp4"
    shutil.copy(walking_video, video)
    terminal, stdout = pty.openpty()
    command = [sys.executable, "-m", "edgeattr", "run", video]
    done = subprocess.run(
        [*command, "--max-frames", "5"],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    os.close(stdout)
    os.close(terminal)
    _, _, following = done.stderr.partition("next:\n")
    options = [shlex.split(line, comments=True)[3:] for line in following.splitlines()]
    assert options == [["--output"], ["--store", "people.sqlite"], ["--web", "8080"]]
    assert all(shlex.split(line)[2] == str(video) for line in following.splitlines())
