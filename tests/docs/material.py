"""The folder in which blocks of the documentation run: a short video, pictures, small data sets."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from ..conftest import write_video
from .blocks import ROOT

_FIRST, _FRAMES = 90, 50  # of the video; somebody walks through it
_COUNTS = {"train": 200, "val": 110, "test": 20}
_OWN = {"backpack": "carryingBackpack", "long_hair": "hairLong"}


def make_programs(folder: Path) -> None:
    """`edgeattr` and `python` of this checkout and environment."""
    folder.mkdir()
    path = ":".join(str(ROOT / part) for part in ("", "train", "convert", "runtimes"))
    (folder / "edgeattr").write_text(
        f'#!/bin/sh\nPYTHONPATH={path} exec {sys.executable} -m edgeattr "$@"\n'
    )
    (folder / "python").write_text(f'#!/bin/sh\nPYTHONPATH={path} exec {sys.executable} "$@"\n')
    for program in folder.iterdir():
        program.chmod(0o755)


def make_material(folder: Path, shared: Path, programs: Path) -> None:
    """Everything that pages take for granted."""
    folder.mkdir()
    _cut_video(shared / "videos" / "one-by-one-person-detection.mp4", folder)
    _small_peta(shared / "peta", folder / "PETA")
    _own_data(shared / "peta", folder / "PETA", folder / "csv")
    (folder / "person.jpg").write_bytes((folder / "PETA" / "images" / "00001.jpg").read_bytes())
    (folder / "examples").symlink_to(ROOT / "examples")
    subprocess.run(
        [programs / "edgeattr", "run", "camera.mp4", "--quiet",
         "--store", "people.sqlite", "--events", "people.jsonl"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


def _cut_video(source: Path, folder: Path) -> None:
    """`camera.mp4`, some seconds, and `frame.jpg` with somebody in it."""
    capture = cv2.VideoCapture(str(source))
    capture.set(cv2.CAP_PROP_POS_FRAMES, _FIRST)
    frames = [capture.read()[1] for _ in range(_FRAMES)]
    capture.release()
    write_video(folder / "camera.mp4", frames)
    cv2.imwrite(str(folder / "frame.jpg"), frames[_FRAMES // 2])


def _small_peta(source: Path, target: Path) -> None:
    """The first rows of each part of PETA's first split, with links to the images."""
    import scipy.io

    peta = scipy.io.loadmat(source / "PETA.mat")["peta"][0, 0]
    data, names, selected = (peta[key] for key in ("data", "attribute", "selected_attribute"))
    parts = peta["partion_attribute"][0, 0][0, 0]
    (target / "images").mkdir(parents=True)
    rows: list[int] = []
    split = {}
    for part, count in _COUNTS.items():
        taken = parts["train" if part == "test" else part].ravel()  # test images may be absent
        taken = taken[-count:] if part == "test" else taken[:count]
        split[part] = np.arange(len(rows), len(rows) + count).reshape(-1, 1) + 1
        rows += taken.tolist()
    for number, row in enumerate(rows, 1):
        (target / "images" / f"{number:05d}.jpg").symlink_to(source / "images" / f"{row:05d}.jpg")
    kept = data[np.array(rows) - 1].copy()
    kept[:, 0] = np.arange(len(rows)) + 1
    partition = np.empty((5, 1), object)
    partition[:, 0] = [split] * 5
    scipy.io.savemat(
        target / "PETA.mat",
        {"peta": {"data": kept, "attribute": names, "selected_attribute": selected,
                  "partion_attribute": partition}},
    )  # fmt: skip


def _own_data(source: Path, small: Path, target: Path) -> None:
    """The same images with two attributes, in the form of one's own data."""
    import scipy.io

    peta = scipy.io.loadmat(source / "PETA.mat")["peta"][0, 0]
    names = [str(entry[0]) for entry in peta["attribute"].ravel()]
    data = scipy.io.loadmat(small / "PETA.mat")["peta"][0, 0]["data"]
    columns = [4 + names.index(name) for name in _OWN.values()]
    target.mkdir()
    (target / "crops").symlink_to(small / "images")
    (target / "schema.toml").write_text(
        "\n".join(f'[[attributes]]\nname = "{name}"\n' for name in _OWN)
    )
    first = 0
    for part in ("train", "val"):
        with open(target / f"{part}.csv", "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["path", *_OWN])
            for row in data[first : first + _COUNTS[part]]:
                table.writerow([f"crops/{row[0]:05d}.jpg", *(int(row[c]) for c in columns)])
        first += _COUNTS[part]
