import pytest

from edgeattr.core.counted import counted


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 events"), (1, "1 event"), (2, "2 events"), (2000, "2,000 events")]
)
def test_one_is_singular(count: int, said: str) -> None:
    assert counted(count, "event") == said


def test_a_plural_that_is_another_word() -> None:
    assert counted(1, "person has", "people have") == "1 person has"
    assert counted(2, "person has", "people have") == "2 people have"
