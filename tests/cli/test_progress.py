import pytest

from edgeattr.cli.progress import ProgressParts


def test_each_part_ends_once(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressParts() as parts:
        for _ in range(2):  # the speed of two variants
            for done in (0, 1, 2, 2, 2):
                parts.tick("speed", done, 2)
        parts.tick("ranges", 5, 5)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["speed: 2/2", "speed: 2/2", "ranges: 5/5"]


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressParts(quiet=True) as parts:
        parts.tick("speed", 2, 2)
    assert capsys.readouterr().err == ""
