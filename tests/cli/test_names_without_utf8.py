"""Paths that are not ASCII where Python's UTF-8 mode is off, as in a container without a locale."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from edgeattr.core.crops import read_image
from edgeattr.core.hub import default_bundle
from edgeattr.outputs.jsonl import encode_event


def test_pictures_bundles_videos_and_outputs(walking_video: Path, tmp_path: Path) -> None:
    import cv2

    folder = tmp_path / "caf\u00e9"
    folder.mkdir()
    picture, video, bundle = (folder / name for name in ("p\u00e9.png", "v\u00e9.mp4", "b\u00e9"))
    shutil.copy(walking_video, video)
    shutil.copytree(default_bundle(), bundle)
    frame = cv2.VideoCapture(str(walking_video)).read()[1]
    picture.write_bytes(cv2.imencode(".png", frame)[1].tobytes())

    def edgeattr(*arguments: str | Path) -> str:
        ours = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        done = subprocess.run(
            [sys.executable, "-m", "edgeattr", *arguments],
            env=os.environ | ours, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    predicted = json.loads(edgeattr("predict", picture, "--model", bundle, "--json"))
    assert predicted
    out, events, store = (folder / name for name in ("o\u00e9.mp4", "e\u00e9.jsonl", "s\u00e9.db"))
    edgeattr(
        "run", video, "--model", bundle, "--output", out, "--events",
        events, "--store", store, "--crops", folder / "c\u00e9", "--explain", folder / "x\u00e9",
    )  # fmt: skip
    person, *_, summary = map(json.loads, events.read_text(encoding="utf-8").splitlines())
    assert summary["stream"] == str(video)
    assert summary["people"] == 1
    assert read_image(Path(person["crop"])).size, "the path reads back as it was"
    assert Path(person["evidence"]).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert out.stat().st_size > 1000
    edgeattr("find", "hat or not hat", "--store", store, "--contact-sheet", folder / "f\u00e9.html")


def test_names_that_are_no_text_are_printed(walking_video: Path, tmp_path: Path) -> None:
    import cv2

    picture = tmp_path / os.fsdecode(b"caf\xe9.png")
    frame = cv2.VideoCapture(str(walking_video)).read()[1]
    picture.write_bytes(cv2.imencode(".png", frame)[1].tobytes())
    for options in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "edgeattr", "predict", picture, *options],
            env=os.environ | {"PYTHONIOENCODING": "utf-8"}, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["image"] == str(picture)


def test_an_event_with_bytes_that_are_no_text_reads_back() -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    assert json.loads(encode_event({"crop": name}))["crop"] == name
    assert "\u00e9" in encode_event({"crop": "caf\u00e9"}).decode()
