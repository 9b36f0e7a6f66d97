"""Your own attributes, from a table of labels to answers off a video.

    pip install "edgeattr[train,convert]"
    python examples/own_attributes.py --out own                          # drawn figures, to try it
    python examples/own_attributes.py --out own --data DIR --video camera.mp4

DIR holds schema.toml, which names the attributes, and train.csv and val.csv, which label pictures
of one person each; without --data such a folder is drawn in OUT/data, to be looked at. Each step is
a command of `edgeattr`, shown as it runs, so that you can go on by hand. For a model that is good
and not just quick, leave the settings in _SMALL out and start from ImageNet's weights:
--set model.weights=imagenet.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

import edgeattr
from edgeattr.cli.app import app

_NAMES = ("helmet", "high_vis_vest", "blue_trousers")
_SMALL = (
    "height=64", "width=32", "schedule.epochs=6", "schedule.batch=8", "schedule.images=0",
    "model.attention_channels=16", "augment.erase=0", "augment.degrade=0",
)  # fmt: skip
"""A model of minutes, for crops of 64x32."""


def draw_figure(labels: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A crop, uint8 [96, 40, 3] BGR, on which each of the three attributes is plain to see."""
    image = np.full((96, 40, 3), 60, np.uint8)
    image[:20] = (0, 220, 220) if labels[0] else 60
    image[20:50] = 220 if labels[1] else 20
    image[50:] = (220, 40, 20) if labels[2] else (20, 40, 220)
    image[...] = np.clip(image + rng.integers(-15, 16, image.shape), 0, 255)
    return image


def draw_data(folder: Path) -> None:
    """A data set as `--data csv:DIR` reads it, one label in twenty unknown."""
    (folder / "crops").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    text = "\n".join(f'[[attributes]]\nname = "{name}"' for name in _NAMES)
    (folder / "schema.toml").write_text(text)
    for split, count in (("train", 144), ("val", 100)):
        with open(folder / f"{split}.csv", "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["path", *_NAMES])
            for index in range(count):
                labels = tuple(rng.integers(0, 2, 3).tolist())
                name = f"crops/{split}{index:03d}.png"
                cv2.imwrite(str(folder / name), draw_figure(labels, rng))
                said = ["?" if rng.random() < 0.05 else value for value in labels]
                table.writerow([name, *said])


def run(*arguments: object) -> None:
    """Run a command of `edgeattr` in this process: PyTorch is loaded but once."""
    words = [str(argument) for argument in arguments]
    print("$ edgeattr", shlex.join(words), file=sys.stderr, flush=True)
    code = app(words, standalone_mode=False)
    if code:
        sys.exit(code)


def main() -> None:
    """Train, evaluate, convert and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="folder of schema.toml, train.csv and val.csv")
    parser.add_argument("--video", type=Path)
    parser.add_argument("--detector", default="auto", help="NAME or PATH, for the video")
    arguments = parser.parse_args()
    data, out = arguments.data or arguments.out / "data", arguments.out
    if arguments.data is None:
        draw_data(data)
    changes = [word for setting in _SMALL for word in ("--set", setting)]
    model, events = out / "smoke.edgeattr", out / "people.jsonl"
    try:
        run("train", "--data", f"csv:{data}", "--recipe", "smoke", "--out", out, *changes)
        run("eval", model, "--data", f"csv:{data}", "--json", out / "scores.json")
        run("convert", model, "--fp16", "--int8", "--to", "onnx", "--calib", f"csv:{data}",
            "--max-drop", 5, "--min-speedup", 0)  # fmt: skip
        if arguments.video:
            run("run", arguments.video, "--model", model, "--events", events,
                "--detector", arguments.detector)  # fmt: skip
    except edgeattr.EdgeAttrError as error:
        print(f"own_attributes: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    scores = json.loads((out / "scores.json").read_text())
    print(json.dumps({"model": str(model), "mA": scores["mA"], "f1": scores["f1"]}))


if __name__ == "__main__":
    main()
