"""What the tests of sinks share: quick retries."""

from __future__ import annotations

import pytest

from edgeattr.outputs import spooled_output as spooled


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again after moments."""
    monkeypatch.setattr(spooled, "_FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(spooled, "_LONGEST_WAIT_S", 0.1)
