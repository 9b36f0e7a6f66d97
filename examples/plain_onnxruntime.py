"""A bundle's model from plain ONNX Runtime: what another language would do too.

    python examples/plain_onnxruntime.py NAME.edgeattr picture.jpg

The bundle's JSON says everything: file, input size, colour order, resize rule, names, thresholds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime


def main() -> None:
    """Print the attributes of the person in a picture."""
    folder, picture = Path(sys.argv[1]), sys.argv[2]
    bundle = json.loads((folder / "bundle.json").read_text())
    height, width = bundle["input"]["height"], bundle["input"]["width"]
    image = cv2.imread(picture)
    shrinks = image.shape[0] > height and image.shape[1] > width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    crop = cv2.resize(image, (width, height), interpolation=method)
    options = onnxruntime.SessionOptions()  # exact sums on x86 without VNNI, where they overflow
    options.add_session_config_entry("session.x64quantprecision", "1")
    model = folder / bundle["variants"]["onnx-int8"]["file"]
    session = onnxruntime.InferenceSession(str(model), options)
    logits = session.run(["logits"], {"crops": crop[None]})[0][0]
    calibration = bundle["probability"]
    p = 1 / (1 + np.exp(-(logits * calibration["scale"] + np.array(calibration["offset"]))))
    for attribute, probability, threshold in zip(
        bundle["schema"]["attributes"], p, bundle["thresholds"], strict=True
    ):
        if probability > threshold and not attribute["sensitive"]:
            print(f"{attribute['name']} {probability:.2f}")


if __name__ == "__main__":
    main()
