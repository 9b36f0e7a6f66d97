"""Your own detector's boxes into edgeattr.

    python examples/own_detector.py picture.jpg 380,20,520,400 ...

Boxes are left,top,right,bottom in pixels. In a pipeline they come from your detector.
"""

from __future__ import annotations

import sys
from pathlib import Path

import edgeattr
from edgeattr.crops import read_image


def main() -> None:
    """Print what each boxed person wears and carries."""
    image = read_image(Path(sys.argv[1]))
    boxes = [tuple(map(int, argument.split(","))) for argument in sys.argv[2:]]
    with edgeattr.load() as model:
        for box, prediction in zip(boxes, model.predict_boxes(image, boxes), strict=True):
            print(box, ", ".join(prediction.present))


if __name__ == "__main__":
    main()
