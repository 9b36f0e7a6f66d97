"""A bundle's model from plain ONNX Runtime, without edgeattr: what another language would do too.

    pip install onnxruntime opencv-python-headless
    python examples/plain_onnxruntime.py NAME.edgeattr person.jpg

The bundle is a folder or a zip, and its bundle.json says everything: file, input size, resize rule,
names, thresholds, which attributes exclude each other.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SAID = ("logits", "visibility")  # outputs; some models have no visibility
# which of the four visibilities shows what; what is carried is seen where anything is
PARTS = {"hair": 0, "accessory": 0, "upper_body": 1, "lower_body": 2, "footwear": 3}


def open_bundle(path: Path) -> tuple[Path | zipfile.Path, dict[str, Any]]:
    """The folder, or the zip as one, and what its bundle.json says."""
    try:
        folder = path if path.is_dir() else zipfile.Path(path)
        return folder, json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        sys.exit(f"{path} is no bundle: {error}")


def main() -> None:
    """Print the attributes of the person in a picture."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when it is imported: no reports home
    import onnxruntime

    if len(sys.argv) != 3:
        sys.exit("usage: plain_onnxruntime.py NAME.edgeattr PICTURE")
    path, image = Path(sys.argv[1]), cv2.imread(sys.argv[2])
    if image is None or not path.exists():
        sys.exit(f"cannot be read: {sys.argv[2] if image is None else path}")
    folder, bundle = open_bundle(path)
    variants = bundle["variants"]
    variant = variants.get("onnx-fp32") or variants.get("onnx-int8")
    if not variant:
        sys.exit(f"{path} has no model in ONNX, only {', '.join(variants)}")

    height, width = bundle["input"]["height"], bundle["input"]["width"]
    shrinks = image.shape[0] > height and image.shape[1] > width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    crop = cv2.resize(image, (width, height), interpolation=method)  # uint8, BGR
    options = onnxruntime.SessionOptions()  # exact sums on x86 without VNNI, where they overflow
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession((folder / variant["file"]).read_bytes(), options)
    names = [output.name for output in session.get_outputs() if output.name in SAID]
    found = dict(zip(names, session.run(names, {"crops": crop[None]}), strict=True))
    logits, visibility = found["logits"][0], found.get("visibility")

    log_odds = logits * bundle["probability"]["scale"] + bundle["probability"]["offset"]
    thresholds = np.clip(bundle["thresholds"], 1e-9, 1 - 1e-9)
    margins = log_odds - np.log(thresholds / (1 - thresholds))
    attributes = bundle["schema"]["attributes"]
    places = {attribute["name"]: index for index, attribute in enumerate(attributes)}
    for names in bundle["schema"]["exclusive"]:  # of these, at most the likeliest
        rivals = [places[name] for name in names]
        margins[[place for place in rivals if margins[place] < margins[rivals].max()]] = -1.0
    needed = bundle.get("track", {}).get("yes_margin") or [0.0] * len(attributes)  # or "unknown"
    for attribute, value, margin, least in zip(attributes, log_odds, margins, needed, strict=True):
        part = PARTS.get(attribute["group"].removesuffix("_colour"))
        seen = slice(None) if part is None else part
        if visibility is not None and np.max(visibility[0, seen]) < 0.5:
            continue  # what shows it is not in the picture
        if margin > 0 and margin >= least and not attribute["sensitive"]:
            print(f"{attribute['name']} {1 / (1 + np.exp(-value)):.2f}")


if __name__ == "__main__":
    main()
