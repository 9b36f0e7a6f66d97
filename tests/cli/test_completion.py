"""What the shell is told when somebody presses Tab."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeattr.cli import options
from edgeattr.core.hub import KNOWN

_PROGRAM = """#!{python}
import sys
sys.path[:0] = {path!r}
from edgeattr.cli import main
main()
"""


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program `edgeattr`, as an installation has it."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "edgeattr"
    program.write_text(_PROGRAM.format(python=sys.executable, path=sys.path))
    program.chmod(0o755)
    return folder


def _run(bin_folder: Path, *command: str, **variables: str) -> str:
    environment = {**os.environ, **variables, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def test_in_bash_and_for_zsh(bin_folder: Path) -> None:
    """Bash itself runs the function that it was given."""
    script = (
        'eval "$(edgeattr --show-completion bash)"; '
        "COMP_WORDS=(edgeattr run --runtime o); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
        "$(complete -p edgeattr | sed 's/.*-F \\([^ ]*\\).*/\\1/') edgeattr; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    said = _run(bin_folder, "bash", "-c", script, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert sorted(said.split()) == ["onnxruntime", "openvino"]
    zsh = {"_EDGEATTR_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "edgeattr pre"}
    assert _run(bin_folder, "edgeattr", **zsh).startswith('_arguments \'*: :(("predict":')


@pytest.mark.parametrize(
    ("offer", "typed", "offered"),
    [
        (options.recipe_names, "peta_densenet121_s",
         ["peta_densenet121_score", "peta_densenet121_stride"]),
        (options.detector_names, "", ["auto", "person", *KNOWN]),
        (options.known_names, "yolox_n", ["yolox_nano"]),
        (options.precision_names, "fp", ["fp32", "fp16"]),
        (options.model_names, "", ["default"]),
        (options.model_names, "run/", ["run/best.pt", "run/mine.edgeattr"]),
        (options.model_names, "run/m", ["run/mine.edgeattr"]),
        (options.model_names, "no/such/", []),
    ],
)  # fmt: skip
def test_what_is_offered(
    offer: Callable[[str], list[str]],
    typed: str,
    offered: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    for name in ("run/mine.edgeattr", "run/best.pt", "run/notes.txt"):
        (tmp_path / name).touch()
    assert offer(typed) == offered
