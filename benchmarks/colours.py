"""How well colours are told: on labels, and on clothes that were given another colour.

    python benchmarks/colours.py --data peta@wide:../shared/peta --masks ../shared/ccp

Mean balanced accuracy of each thing's colours with at least 1 % positives, at the bundle's
thresholds; and how often the answer follows when the upper body of a person of Clothing Co-Parsing
is painted anew within its mask, folds and shadows kept. Needs the extra train.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

import edgeattr
from edgeattr.core.crops import Image
from edgeattr.model import AttributeModel
from edgeattr_convert.accuracy import evaluate_model
from edgeattr_train.data.clothing_parsing import UPPER_GARMENTS, painted, photos
from edgeattr_train.data.datasets import open_dataset

_PAINTS = {  # lightness 0..100, a and b of CIELAB
    "black": (14, 0, 0), "white": (92, 0, 0), "grey": (52, 0, 0), "red": (42, 58, 38),
    "blue": (36, 10, -46), "green": (44, -36, 28), "yellow": (82, 0, 68), "brown": (34, 16, 24),
    "purple": (34, 36, -36), "pink": (74, 34, 2), "orange": (64, 44, 60),
}  # fmt: skip
_LEAST_SHARE = 0.06  # of the crop that the clothes take
_LEAST_POSITIVES = 0.01


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", metavar="peta@wide:DIR")
    parser.add_argument("--split", default="val")
    parser.add_argument("--masks", type=Path, help="Clothing Co-Parsing's folder")
    parser.add_argument("--model", default="default")
    options = parser.parse_args()
    with edgeattr.load(options.model) as model:
        if options.data:
            _print_labelled(model, options.data, options.split)
        if options.masks:
            _print_painted(model, options.masks)


def _print_labelled(model: AttributeModel, spec: str, split: str) -> None:
    data = open_dataset(spec, split)
    scores = evaluate_model(model, data).scores
    share = (data.labels > 0).mean(0)
    print("| thing | colours | mA |\n|---|---|---|")
    for thing, places in model.bundle.schema.colours.items():
        common = [place for place in places if share[place] >= _LEAST_POSITIVES]
        mean = np.mean([scores.per_attribute_mA[place] for place in common])
        print(f"| {thing} | {len(common)} | {mean:.1f} |")


def _print_painted(model: AttributeModel, folder: Path) -> None:
    shown, followed, changed = Counter[str](), Counter[str](), Counter[str]()
    for image, mask in _dressed(folder):
        before = model.predict([image])[0].colours["upper_body"].name
        anew = {
            name: painted(image, mask, paint) for name, paint in _PAINTS.items() if name != before
        }
        for name, answer in zip(anew, model.predict(list(anew.values())), strict=True):
            found = answer.colours["upper_body"].name
            shown[name] += 1
            followed[name] += found == name
            changed[name] += found != before
    total = shown.total()
    print(f"\n{total} repainted crops: the answer changes in {changed.total() / total:.1%}, to the")
    print(f"new colour in {followed.total() / total:.1%}\n\n| colour | answered | changed |")
    print("|---|---|---|")
    for name, count in shown.items():
        print(f"| {name} | {followed[name] / count:.1%} | {changed[name] / count:.1%} |")


def _dressed(folder: Path) -> Iterator[tuple[Image, npt.NDArray[np.bool_]]]:
    """People who wear one kind of upper garment, cut out, and where it is.

    Every second photo: the others may have been trained on (`train/made_pictures.py`).
    """
    for photo in list(photos(folder, with_masks=True))[1::2]:
        worn = UPPER_GARMENTS & photo.tags
        if len(worn) == 1 and "dress" not in photo.tags:
            upper = photo.mask(*worn)
            if upper.mean() >= _LEAST_SHARE:
                yield photo.read(), upper


if __name__ == "__main__":
    main()
