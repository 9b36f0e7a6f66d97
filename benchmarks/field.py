"""People of other cameras than the training's: a model beside Open Model Zoo's attribute network.

    python benchmarks/field.py --data pa100k:../shared/pa100k \
        --peer ../shared/models/peers/person-attributes-recognition-crossroad-0230/FP32/*.xml

Area under the ROC curve and balanced accuracy at each model's own thresholds (the peer: 0.5), for
the attributes that data and model share. Needs the extras train, convert and openvino.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from common import PEER

import edgeattr
from edgeattr.core.crops import resize_crop
from edgeattr.core.metrics import Scores, evaluate
from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr_convert.accuracy import evaluate_model
from edgeattr_train.data.align import aligned
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.data.datasets import open_dataset

_PEER_OUTPUT = "453"  # probabilities, [1, 8, 1, 1]


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="pa100k:DIR")
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", nargs="*", default=["default"])
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--peer", type=Path, help="the peer's IR")
    options = parser.parse_args()
    data = open_dataset(options.data, options.split)
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for name in options.model:
        with edgeattr.load(name, runtime=options.runtime, precision=options.precision) as model:
            names = model.bundle.schema.names
            found[name] = _figures(names, evaluate_model(model, data).scores)
    if options.peer:
        found["0230"] = _peer(options.peer, data)
    _print(found)


def _figures(names: tuple[str, ...], scores: Scores) -> dict[str, tuple[float, float]]:
    """AUC and balanced accuracy of what the data labels."""
    pairs = zip(scores.per_attribute_auc, scores.per_attribute_mA, strict=True)
    return {
        name: (float(auc), float(balanced))
        for name, (auc, balanced) in zip(names, pairs, strict=True)
        if np.isfinite(auc)
    }


def _peer(path: Path, data: AttributeDataset) -> dict[str, tuple[float, float]]:
    import openvino

    names = [name.removeprefix("not ") for name in PEER if name]
    schema = AttributeSchema(tuple(Attribute(name=name, group="peer") for name in names))
    network = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    _, _, height, width = network.input(0).shape
    rows = []
    for index in range(len(data)):
        crop = resize_crop(data.read(index), height, width)
        planes: npt.NDArray[np.float32] = crop.transpose(2, 0, 1)[None].astype(np.float32)
        said = network(planes)[_PEER_OUTPUT].ravel()
        rows.append(
            [
                1 - p if name.startswith("not ") else p
                for name, p in zip(PEER, said, strict=True)
                if name
            ]
        )
    return _figures(schema.names, evaluate(np.array(rows), aligned(data, schema).labels))


def _print(found: dict[str, dict[str, tuple[float, float]]]) -> None:
    first = next(iter(found.values()))
    shared = [name for name in first if all(name in figures for figures in found.values())]
    print(f"| attribute | {' | '.join(f'{who}, AUC | mA' for who in found)} |")
    print("|---" * (1 + 2 * len(found)) + "|")
    for name in first:
        cells = [
            "{:.1f} | {:.1f}".format(*figures[name]) if name in figures else "- | -"
            for figures in found.values()
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    for what, names in (("mean", list(first)), ("mean of what all have", shared)):
        cells = [
            "{:.1f} | {:.1f}".format(*np.mean([figures[name] for name in names], 0))
            if all(name in figures for name in names)
            else "- | -"
            for figures in found.values()
        ]
        print(f"| {what} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
