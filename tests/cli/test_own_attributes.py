"""A user's own attributes, from a CSV to answers: named right all the way."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeattr.bundle import Bundle

_NAMES = ("bright_top", "blue_trousers", "helmet")


def _edgeattr(*arguments: object) -> str:
    command = [sys.executable, "-m", "edgeattr", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _figure(labels: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A crop on which each of the three attributes is plain to see."""
    image = np.full((96, 40, 3), 60, np.uint8)
    image[20:50] = 220 if labels[0] else 20
    image[50:] = (220, 40, 20) if labels[1] else (20, 40, 220)
    image[:20] = (0, 220, 220) if labels[2] else 60
    return np.clip(image + rng.integers(-15, 16, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def own_data(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    (folder / "crops").mkdir(parents=True)
    rng = np.random.default_rng(0)
    (folder / "schema.toml").write_text(
        "\n".join(f'[[attributes]]\nname = "{name}"' for name in _NAMES)
    )
    for split, count in (("train", 144), ("val", 120)):
        with open(folder / f"{split}.csv", "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["path", *_NAMES])
            for index in range(count):
                labels = tuple(int(value) for value in rng.integers(0, 2, 3))
                name = f"crops/{split}{index:03d}.png"
                cv2.imwrite(str(folder / name), _figure(labels, rng))
                said = ["?" if rng.random() < 0.05 else value for value in labels]
                table.writerow([name, *said])
    return folder


def test_train_evaluate_convert_and_run(
    own_data: Path, walking_video: Path, tmp_path: Path
) -> None:
    run, data = tmp_path / "run", f"csv:{own_data}"
    small = [
        "height=64", "width=32", "schedule.epochs=8", "schedule.batch=8", "schedule.images=0",
        "model.attention_channels=16", "augment.erase=0", "augment.degrade=0",
    ]  # fmt: skip
    changes = [part for change in small for part in ("--set", change)]
    _edgeattr("train", "--data", data, "--recipe", "smoke", "--out", run, *changes)
    path = run / "smoke.edgeattr"
    assert Bundle.read(path).schema.names == _NAMES
    assert Bundle.read(path).training["decision"]["images"] == 120
    track = Bundle.read(path).track
    assert track is not None
    assert (track.bound, track.facts["persons"], track.facts["split"]) == (0.05, 120, "val")
    assert (run / "report.html").is_file()
    assert (run / "report" / "risk.png").is_file()

    scores = json.loads(_edgeattr("eval", path, "--data", data, "--json", "-", "--quiet"))
    assert [entry["name"] for entry in scores["per_attribute"]] == list(_NAMES)
    assert scores["mA"] > 90

    limits = ["--max-drop", 5, "--min-speedup", 0]
    _edgeattr("convert", path, "--fp16", "--int8", "--to", "onnx", "--calib", data, *limits)
    assert set(Bundle.read(path).variants) == {"onnx-fp32", "onnx-fp16", "onnx-int8"}

    image = tmp_path / "person.png"
    cv2.imwrite(str(image), _figure((1, 0, 1), np.random.default_rng(1)))
    answer = json.loads(_edgeattr("predict", image, "--model", path, "--json").splitlines()[0])
    said = {name: value["answer"] for name, value in answer["attributes"].items()}
    assert said == {"bright_top": "yes", "blue_trousers": "no", "helmet": "yes"}

    events = tmp_path / "people.jsonl"
    _edgeattr("run", walking_video, "--model", path, "--detector", "motion", "--events", events)
    people = [json.loads(line) for line in events.read_text().splitlines()]
    assert people[0]["type"] == "person"
    assert list(people[0]["attributes"]) == list(_NAMES)
