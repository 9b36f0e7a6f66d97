"""What the tests of sinks share: quick retries."""

from __future__ import annotations

import pytest

from edgeattr.outputs.spooled_output import SpooledOutput


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again after moments."""
    monkeypatch.setattr(SpooledOutput, "first_wait_s", 0.02)
    monkeypatch.setattr(SpooledOutput, "longest_wait_s", 0.1)


@pytest.fixture
def impatient(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any failure is trouble."""
    monkeypatch.setattr(SpooledOutput, "patience_s", 0.0)
