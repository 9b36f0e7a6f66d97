"""How well the embedding tells persons apart: rank-1 on CUHK03's crops.

    python benchmarks/embedding.py --crops ../shared/cuhk03/images --network NAME.xml

One crop of a person by the first camera is looked for among one crop of each of 100 persons by the
second: how often the nearest is the same person, mean of ten draws. A network of re-identification
(IR or ONNX, BGR 0..255) stands beside the bundle. Needs the extra openvino for the network.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

import edgeattr
from edgeattr.core.crops import Image, read_image, resize_crop

_FIRST_CAMERA = 5  # crops of a person numbered below this are the first camera's
_DRAWS = 10


def main() -> None:
    """Embed, compare, print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crops", type=Path, required=True, metavar="DIR", help="IIII_NN.jpg")
    parser.add_argument("--model", nargs="*", default=["default"])
    parser.add_argument("--network", type=Path, nargs="*", default=[])
    parser.add_argument("--persons", type=int, default=100, help="the last of the set")
    options = parser.parse_args()
    cameras = _crops(options.crops, options.persons)
    images = [read_image(path) for pair in cameras for paths in pair for path in paths]
    print(f"{len(cameras)} persons, {len(images)} crops\n\n| network | rank-1 |\n|---|---|")
    for name in options.model:
        with edgeattr.load(name) as model:
            found = model.outputs(images).embedding
        if found is None:
            print(f"| {name} | it has no embedding |")
        else:
            print(f"| {name} | {_rank_1(found, cameras):.3f} |")
    for network in options.network:
        print(f"| {network.stem} | {_rank_1(_embedded(network, images), cameras):.3f} |")


def _crops(folder: Path, persons: int) -> list[tuple[list[Path], list[Path]]]:
    """Crops of each person by the first and by the second camera."""
    found: dict[str, tuple[list[Path], list[Path]]] = defaultdict(lambda: ([], []))
    for path in sorted(folder.glob("*_*.jpg")):
        person, _, number = path.stem.partition("_")
        found[person][int(number) >= _FIRST_CAMERA].append(path)
    seen_twice = [pair for _, pair in sorted(found.items()) if pair[0] and pair[1]]
    return seen_twice[-persons:]


def _embedded(network: Path, images: list[Image]) -> npt.NDArray[np.float32]:
    import openvino

    compiled = openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    _, _, height, width = compiled.input(0).shape
    rows = []
    for image in images:
        planes = resize_crop(image, height, width).transpose(2, 0, 1)[None].astype(np.float32)
        rows.append(compiled(planes)[0].ravel())
    found = np.stack(rows)
    unit: npt.NDArray[np.float32] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def _rank_1(
    embeddings: npt.NDArray[np.float32], cameras: list[tuple[list[Path], list[Path]]]
) -> float:
    starts = np.cumsum([0, *(len(paths) for pair in cameras for paths in pair)])
    rng, hits = np.random.default_rng(0), []
    for _ in range(_DRAWS):
        chosen = rng.integers(starts[:-1], starts[1:])  # one crop of each person and camera
        query, gallery = embeddings[chosen[::2]], embeddings[chosen[1::2]]
        nearest = (query @ gallery.T).argmax(1)
        hits.append((nearest == np.arange(len(query))).mean())
    return float(np.mean(hits))


if __name__ == "__main__":
    main()
