"""In CI (the environment variable CI is true), a skip that is not on the list fails the run."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

_LIST = Path(__file__).with_name("expected_skips.txt")
_unexpected: list[str] = []


def _expected() -> list[re.Pattern[str]]:
    """The list's patterns; those marked ``system:`` count where scripts/system could not run."""
    lines = [line.strip() for line in _LIST.read_text().splitlines()]
    bare = os.environ.get("EDGEATTR_WITHOUT_SYSTEM", "") not in ("", "0")
    return [
        re.compile(line.removeprefix("system:").strip())
        for line in lines
        if line and not line.startswith("#") and (bare or not line.startswith("system:"))
    ]


def _note(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    longrepr = report.longrepr
    reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    if not any(pattern.search(reason) for pattern in _expected()):
        _unexpected.append(f"{report.nodeid}: {reason}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Look at each test's result; pytest-xdist passes on those of its workers."""
    _note(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Look at modules that skip as a whole."""
    _note(report)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run in CI that is green but for skips that nobody expects."""
    in_ci = os.environ.get("CI", "").lower() in ("true", "1")
    if in_ci and _unexpected and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the skips that are not on the list."""
    if _unexpected:
        terminalreporter.section("unexpected skips")
        for line in sorted(set(_unexpected)):
            terminalreporter.line(line)
        terminalreporter.line(
            f"in CI they fail the run; those that are fine belong in {_LIST.name}"
        )
