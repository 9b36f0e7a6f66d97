"""Whether attention means something: where masks lie, and what happens when that place is blurred.

    python benchmarks/attention.py --data peta@wide:../shared/peta [--write docs/evidence.md]

For each attribute and scale: the mask's vertical centre (0 is the crop's upper edge, 1 its lower)
and spread, the share of it in the crop's thirds (head, torso, legs), the share of the crop that it
is spread over (exp of its entropy), on images labelled yes and no. Then the deletion check
(attention_deletion.py). Intervals are of 95 %, persons drawn again. FP32 on ONNX Runtime; two to
three minutes on two cores for 1,900 images. Needs the extra train.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from attention_deletion import Deletions, delete
from bootstrap import Estimate, difference, mean_of
from common import load_crops
from markers import replace_marked, table

import edgeattr
from edgeattr.core.bundle import Bundle
from edgeattr.core.files import write_atomically
from edgeattr.core.hub import resolve_bundle
from edgeattr.explain.attention_maps import MaskGrid, mask_grids
from edgeattr_runtimes import EngineOptions, open_runtime
from edgeattr_runtimes.device import device_name
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.data.datasets import open_dataset

_Floats = npt.NDArray[np.float64]

_ABOVE = ("long_hair", "hat")  # attributes that are to be looked for higher up
_BELOW = ("trousers", "jeans", "shorts", "short_skirt", "shoes", "leather_shoes", "sneakers",
          "sandals")  # fmt: skip


_PAIRS = {  # what is compared: column -> the two ways
    "stride 8: most less random": ("most, stride 8", "random"),
    "most less least": ("most, stride 8", "least, stride 8"),
    "stride 16: most less least": ("most, stride 16", "least, stride 16"),
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one attribute's mask lies at one scale."""

    yes: Estimate | None  # vertical centre where labelled yes, 0..1; None where nobody is
    no: Estimate | None
    spread: float  # standard deviation around the centre, of the crop's height
    thirds: tuple[float, float, float]  # share in head, torso, legs; where labelled yes
    area: float  # share of the crop that the mask is spread over, 0..1


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="peta@wide:DIR")
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", default="default")
    parser.add_argument("--deletions", type=int, default=40, help="images for each attribute")
    parser.add_argument("--write", type=Path, help="a page with marks, whose tables are replaced")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    bundle = Bundle.read(resolve_bundle(options.model))
    data = open_dataset(options.data, options.split)
    crops = load_crops(data, bundle.input.height, bundle.input.width)
    with open_runtime(bundle, "onnxruntime", "fp32", EngineOptions(attention=True)) as runtime:
        outputs = runtime.infer(crops)
        grids = mask_grids(bundle, [mask.shape[2:] for mask in outputs.attention])
        places = [
            [
                _place(mask[:, c], grid, data, c, bundle.input.height)
                for c in range(len(bundle.schema))
            ]
            for mask, grid in zip(outputs.attention, grids, strict=True)
        ]
        deletions = delete(bundle, runtime, crops, outputs, data, most=options.deletions)
    heights = [
        _centres(mask, grid, bundle.input.height)
        for mask, grid in zip(outputs.attention, grids, strict=True)
    ]
    parts = {
        "attention: where": _where(bundle, places, grids, data),
        "attention: contrasts": _contrasts(bundle, heights, grids, data),
        "attention: deletion": _deleted(bundle, deletions, grids),
    }
    told = (
        f"`python benchmarks/attention.py`: {data.name} {data.split}, {len(data)} images, bundle "
        f"{bundle.name} ({bundle.digest[:12]}), FP32 on ONNX Runtime, edgeattr "
        f"{edgeattr.__version__}, {device_name()}"
    )
    print("\n\n".join([told, *parts.values()]))
    if options.write:
        replace_marked(options.write, {**parts, "attention: about": told})
    if options.json:
        write_atomically(options.json, _json(bundle, places, deletions, grids))


def _centres(mask: npt.NDArray[np.float32], grid: MaskGrid, height: int) -> _Floats:
    """Vertical centre of mass, [..., h, w] -> [...], of the crop's height."""
    return np.asarray(mask.sum(-1, dtype=np.float64) @ grid.row_centres / height)


def _place(
    mask: npt.NDArray[np.float32], grid: MaskGrid, data: AttributeDataset, c: int, height: int
) -> Place:
    """Of one attribute's masks, [N, h, w]."""
    rows = mask.sum(2, dtype=np.float64)
    y = grid.row_centres / height
    centre = rows @ y
    spread = np.sqrt(np.maximum(rows @ y**2 - centre**2, 0))
    entropy = -(mask * np.log(np.maximum(mask, 1e-12))).sum((1, 2), dtype=np.float64)
    yes, no = data.labels[:, c] > 0, data.labels[:, c] == 0
    chosen = yes if yes.any() else np.ones_like(yes)
    third = np.minimum((3 * y).astype(int), 2)
    return Place(
        yes=mean_of(centre[yes], data.persons[yes]) if yes.any() else None,
        no=mean_of(centre[no], data.persons[no]) if no.any() else None,
        spread=float(spread[chosen].mean()),
        thirds=tuple(float(rows[chosen][:, third == k].sum(1).mean()) for k in range(3)),  # type: ignore[arg-type]
        area=float(np.exp(entropy[chosen]).mean() / mask[0].size),
    )


def _where(
    bundle: Bundle, places: list[list[Place]], grids: tuple[MaskGrid, ...], data: AttributeDataset
) -> str:
    head = ["attribute", "yes"]
    for grid in grids:
        at = f"stride {grid.stride}:"
        head += [f"{at} centre, yes", "no", "spread", "head / torso / legs", "spread over"]
    order = np.argsort([place.yes.value if place.yes else 1.0 for place in places[0]])
    rows = []
    for c in order:
        row = [bundle.schema.names[c], str(int((data.labels[:, c] > 0).sum()))]
        for scale in places:
            place = scale[c]
            row += [
                str(place.yes or "-"),
                f"{place.no.value:.2f}" if place.no else "-",
                f"{place.spread:.2f}",
                " / ".join(f"{100 * share:.0f}" for share in place.thirds),
                f"{100 * place.area:.0f} %",
            ]
        rows.append(row)
    return table(head, rows)


def _contrasts(
    bundle: Bundle, heights: list[_Floats], grids: tuple[MaskGrid, ...], data: AttributeDataset
) -> str:
    """How much higher head attributes are looked for than those below the waist, both yes."""
    rows = []
    for above in _ABOVE:
        for below in _BELOW:
            row = [f"{above} above {below}"]
            a, b = (data.labels[:, bundle.schema.index(name)] > 0 for name in (above, below))
            for height in heights:
                found = difference(
                    height[b, bundle.schema.index(below)], data.persons[b],
                    height[a, bundle.schema.index(above)], data.persons[a],
                )  # fmt: skip
                row.append(str(found))
            rows.append(row)
    return table(["of the crop's height", *(f"stride {grid.stride}" for grid in grids)], rows)


def _deleted(bundle: Bundle, deletions: Deletions, grids: tuple[MaskGrid, ...]) -> str:
    """How much the log-odds fall, by what was blurred."""
    head = ["attribute", "images", *deletions.ways, *_PAIRS]
    rows = []
    for c, name in enumerate(bundle.schema.names):
        if (chosen := deletions.attribute == c).any():
            rows.append([name, str(int(chosen.sum())), *_drops(deletions, chosen)])
    every = np.ones(len(deletions.attribute), bool)
    rows.append(["all", str(len(every)), *_drops(deletions, every)])
    return table(head, rows)


def _drops(deletions: Deletions, chosen: npt.NDArray[np.bool_]) -> list[str]:
    drops, persons = deletions.drops[chosen], deletions.persons[chosen]
    place = deletions.ways.index
    pairs = [(place(first), place(second)) for first, second in _PAIRS.values()]
    return [
        *(f"{value:.2f}" for value in drops.mean(0)),
        *(str(mean_of(drops[:, first] - drops[:, second], persons)) for first, second in pairs),
    ]


def _json(
    bundle: Bundle, places: list[list[Place]], deletions: Deletions, grids: tuple[MaskGrid, ...]
) -> str:
    found: dict[str, Any] = {}
    for c, name in enumerate(bundle.schema.names):
        chosen = deletions.attribute == c
        found[name] = {
            "scales": [asdict(scale[c]) for scale in places],
            "drops": dict(zip(deletions.ways, deletions.drops[chosen].mean(0), strict=True))
            if chosen.any()
            else None,
        }
    strides = [grid.stride for grid in grids]
    return json.dumps({"strides": strides, "attributes": found}, indent=1) + "\n"


if __name__ == "__main__":
    main()
