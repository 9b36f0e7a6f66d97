"""What holds for every example."""

import re

from .conftest import EXAMPLES


def test_no_example_is_forgotten() -> None:
    """Each has a test file of its own, a row in the table, and says how it is run."""
    here = {path.name for path in (EXAMPLES.parent / "tests" / "examples").glob("test_*.py")}
    table = (EXAMPLES / "README.md").read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f"test_{path.name}" in here
        assert re.search(rf"^\| \[{path.name}\]\({path.name}\) \|", table, re.M), path.name
        said = path.read_text().split('"""')[1]
        assert "pip install" in said, path.name
        assert re.search(rf"examples/{path.name}|examples {path.stem}:app", said), path.name
