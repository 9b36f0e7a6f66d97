"""The fenced blocks of Markdown pages, and how those with commands are run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

_FENCE = re.compile(
    r"(?:^[ ]*<!-- (?P<mark>not run|slow): (?P<reason>.+?) -->\n\s*)?"
    r"^(?P<indent>[ ]*)```(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_LIMIT_S = 300  # of one block, on a machine with other work
_SLOW_LIMIT_S = 1800  # of one that is marked as slow


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block."""

    page: str  # path from the root
    line: int  # of its first fence, from 1
    language: str
    text: str
    mark: str  # "not run", "slow" or nothing
    reason: str  # of the mark

    @property
    def runs(self) -> bool:
        """Whether it is a command or a program."""
        return self.language in ("bash", "python")


def pages() -> list[str]:
    """Every page that people read, from the root."""
    texts = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
    return sorted(path.relative_to(ROOT).as_posix() for path in texts)


def blocks_of(page: str) -> list[Block]:
    """A page's blocks in order."""
    text = (ROOT / page).read_text()
    return [
        Block(
            page=page,
            line=text.count("\n", 0, found.start("indent")) + 1,
            language=found["language"],
            text=re.sub(rf"(?m)^{found['indent']}", "", found["text"]),
            mark=found["mark"] or "",
            reason=found["reason"] or "",
        )
        for found in _FENCE.finditer(text)
    ]


def run_block(
    block: Block, folder: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Run a block to its end in a folder; what it left running belongs to the process group.

    Raises:
        AssertionError: it failed, or took too long; with all that it said.
    """
    if block.language == "python":
        script = folder / f"block_{block.line}.py"
        script.write_text(block.text)
        command = [sys.executable, script.name]
    else:
        command = ["bash", "-euo", "pipefail", "-c", block.text]
    said = folder / f"block_{block.line}.log"
    with said.open("wb") as log:  # not a pipe, which jobs in the background would keep open
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(_SLOW_LIMIT_S if block.mark else _LIMIT_S)
        except subprocess.TimeoutExpired:
            end_groups([process])
            code = -1
    tail = "\n".join(said.read_text(errors="replace").splitlines()[-40:])
    assert code == 0, f"{block.page}:{block.line} ended with {code}\n{block.text}\n{tail}"
    assert "Traceback (most recent call last)" not in tail, f"{block.page}:{block.line}\n{tail}"
    return process


def end_groups(processes: list[subprocess.Popen[bytes]]) -> None:
    """End what blocks left running."""
    for process in processes:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        process.wait()
