"""What a type checker says of calls that programs write."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_CALLS = """\
from pathlib import Path
import numpy as np
import edgeattr
model, frame = edgeattr.load(), np.zeros((8, 8, 3), np.uint8)
model.predict_boxes(frame, [np.array([0, 0, 4, 4])])
model.predict_boxes(frame, [(0, 0, 4, 4)])
model.predict_boxes(frame.tolist(), np.array([[0, 0, 4, 4]]))
model.predict([frame, frame[:4]])
model.predict(np.zeros((2, 8, 8, 3)))
model.predict_boxes(None, [])  # wrong
model.predict_boxes("a.jpg", [])  # wrong
model.predict_boxes(Path("a.jpg"), [])  # wrong
model.predict(["a.jpg"])  # wrong
"""


def test_pictures_and_boxes_pass_and_paths_do_not(tmp_path: Path) -> None:
    source = tmp_path / "calls.py"
    source.write_text(_CALLS)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", "--strict", "--ignore-missing-imports",
         "--follow-imports=silent", source],
        cwd=Path(__file__).resolve().parent.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = {int(line) for line in re.findall(r"calls.py:(\d+): error", done.stdout)}
    expected = {
        number for number, line in enumerate(_CALLS.splitlines(), 1) if line.endswith("# wrong")
    }
    assert found == expected, done.stdout
