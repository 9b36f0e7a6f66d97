"""The report of a conversion: one HTML file that opens anywhere, and its figures as JSON.

Both lie beside the bundle, also where the contract was not met and no bundle was written: that is
when they are needed most.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import evenly
from edgeattr.core.errors import OutputError
from edgeattr.core.files import write_atomically
from edgeattr.report import jpeg_uri, render
from edgeattr_convert.validation_result import ConversionRecord

_SUFFIX = ".edgeattr"  # of a bundle
_SHOWN = 48  # calibration crops at most
_COLUMNS = 12  # of them, at most
_LONGEST = 128  # pixels of a crop's longer side as it is shown
_GAP = 2  # pixels around a crop
_GREY = 128  # of the gaps: at home on a light and on a dark page


def report_paths(target: Path) -> tuple[Path, Path]:
    """Where the report of a bundle is: ``X.report.html`` and ``X.report.json`` of ``X.edgeattr``.

    Args:
        target: the bundle's path; it need not exist.
    """
    stem = target.name.removesuffix(_SUFFIX)
    return target.with_name(f"{stem}.report.html"), target.with_name(f"{stem}.report.json")


def write_report(
    record: ConversionRecord, target: Path, crops: npt.NDArray[np.uint8] | None
) -> None:
    """Write the report beside the bundle; an earlier one is replaced.

    Args:
        record: what conversion found out.
        target: the bundle's path, ``X.edgeattr``; it need not exist.
        crops: calibration crops, uint8 [n, H, W, 3], BGR; None shows no pictures.

    Raises:
        OutputError: the files cannot be written there.
    """
    text = _page(record, crops)
    figures = json.dumps(_without_nan(record.to_json()), indent=2, allow_nan=False) + "\n"
    html, data = report_paths(target)
    try:
        write_atomically(data, figures)
        write_atomically(html, text)
    except OSError as error:
        raise OutputError(
            f"{html} cannot be written ({error.strerror or error}); give another place (--out)"
        ) from error


def refusal(record: ConversionRecord, target: Path) -> str:
    """Why nothing was written, and how to go on."""
    lines = ["the contract is not met, and nothing was written"]
    for result in record.results:
        if not result.met:
            lines += [
                f"{result.variant}: {result.verdict}",
                *(f"  {line}" for line in result.advice),
            ]
    held = [result.variant for result in record.results if result.met]
    if held:
        lines.append(f"{', '.join(held)} would hold: ask for these alone")
    html, _ = report_paths(target)
    return "\n".join([*lines, f"report: {html}"])


def _page(record: ConversionRecord, crops: npt.NDArray[np.uint8] | None) -> str:
    return render(
        Path(__file__).with_name("report.html"),
        title=f"Conversion of {record.model}",
        record=record,
        terms=_terms(record),
        largest=max((max(r.bytes, r.parent_bytes) for r in record.results), default=1),
        crops=_contact_sheet(crops) if crops is not None and len(crops) else None,
        shown=_SHOWN,
    )


def _terms(record: ConversionRecord) -> str:
    """What the contract asked of these variants."""
    terms = [f"mA and F1 each fall by at most {record.max_drop:.2f} points"]
    if not any(result.before and result.after for result in record.results):
        terms = ["the logits keep to their tolerance (without labelled data, accuracy is unknown)"]
    required = {result.min_speedup for result in record.results if result.min_speedup}
    terms += [f"INT8 is at least {limit:.2f} times as fast as its parent" for limit in required]
    return "; ".join(terms) + ("" if required else "; no speedup is required")


def _contact_sheet(crops: npt.NDArray[np.uint8]) -> str:
    """Crops side by side, picked evenly from first to last, as the URI of a JPEG."""
    picked = crops[evenly(len(crops), _SHOWN)]
    scale = _LONGEST / max(picked.shape[1:3])
    size = tuple(max(1, round(side * scale)) for side in picked.shape[2:0:-1])
    rows = -(-len(picked) // _COLUMNS)
    columns = -(-len(picked) // rows)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    edges, grey = (_GAP,) * 4, (_GREY,) * 3
    cells = [
        cv2.copyMakeBorder(
            cv2.resize(crop, size, interpolation=way), *edges, cv2.BORDER_CONSTANT, value=grey
        )
        for crop in picked
    ]
    cells += [np.full_like(cells[0], _GREY)] * (rows * columns - len(cells))
    sheet = cv2.vconcat([cv2.hconcat(cells[i * columns : (i + 1) * columns]) for i in range(rows)])
    return jpeg_uri(sheet)


def _without_nan(value: Any) -> Any:
    """The value as JSON can hold it: numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without_nan(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
