"""Your own detector's boxes into edgeattr.

    pip install edgeattr
    python examples/own_detector.py frame.jpg 380,20,520,400 [left,top,right,bottom ...]

Boxes are left, top, right, bottom in pixels; here they stand on the command line, in a program they
come from your detector: a list, or an array [N, 4].
"""

from __future__ import annotations

import sys
from pathlib import Path

import edgeattr
from edgeattr.core.crops import read_image


def main() -> None:
    """Print what each boxed person wears and carries."""
    if len(sys.argv) < 3:
        sys.exit("usage: own_detector.py PICTURE LEFT,TOP,RIGHT,BOTTOM ...")
    try:
        boxes = [tuple(map(int, argument.split(","))) for argument in sys.argv[2:]]
        image = read_image(Path(sys.argv[1]))
        with edgeattr.load() as model:
            for box, prediction in zip(boxes, model.predict_boxes(image, boxes), strict=True):
                print(box, ", ".join(prediction.present))
    except (edgeattr.EdgeAttrError, ValueError) as error:
        sys.exit(f"own_detector: {error}")


if __name__ == "__main__":
    main()
