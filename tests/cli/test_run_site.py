"""What `edgeattr run` says of people in words."""

import pytest

from edgeattr.cli.run_site import PersonLines, person_line

_EVENT = {
    "type": "person", "stream": "/videos/door.mp4", "track": 4, "first_s": 12.34, "last_s": 19.0,
    "labels": ["red top", "backpack", "long hair", "jeans", "hat", "skirt"],
}  # fmt: skip


def test_a_person_in_words() -> None:
    assert person_line(_EVENT) == (
        "person 4, 12.3 to 19.0 s: red top, backpack, long hair, jeans, hat"
    )
    assert person_line({**_EVENT, "labels": []}).endswith(": nothing that tells them from others")


def test_only_people_are_said_and_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    lines = PersonLines([_EVENT["stream"], "x"])
    lines.write(_EVENT)
    lines.write({**_EVENT, "type": "update"})
    lines.write({"type": "summary", "stream": "x"})
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [f"door.mp4: {person_line(_EVENT)}"]


def test_streams_are_named_so_that_they_can_be_told_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = ["a/door", "b/door", "yard"]
    lines = PersonLines(names)
    for stream in (*names, "added/later"):
        lines.write({**_EVENT, "stream": stream})
    said = [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert said == [*names, "added/later"]
