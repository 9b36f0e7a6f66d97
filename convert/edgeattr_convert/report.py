"""The report of a conversion: one HTML file that opens anywhere, and its figures as JSON.

Both lie beside the bundle, also where the contract was not met and no bundle was written: that is
when they are needed most.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import InputError, OutputError
from edgeattr.core.files import write_atomically
from edgeattr_convert.proof import ConversionRecord
from edgeattr_convert.report_page import page
from edgeattr_convert.report_sheet import contact_sheet

__all__ = ["report_paths", "write_report"]

_SUFFIX = ".edgeattr"  # of a bundle


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
        InputError: the crops have another shape or type.
        OutputError: the files cannot be written there.
    """
    text = page(record, _sheet(crops))
    figures = json.dumps(_without_nan(record.to_json()), indent=2, allow_nan=False) + "\n"
    html, data = report_paths(target)
    try:
        write_atomically(data, figures)
        write_atomically(html, text)
    except OSError as error:
        raise OutputError(
            f"{html} cannot be written ({error.strerror or error}); give another place (--out)"
        ) from error


def _sheet(crops: npt.NDArray[np.uint8] | None) -> bytes | None:
    """The crops on one JPEG, or None where there are none."""
    if crops is None or len(crops) == 0:
        return None
    if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[3] != 3 or not crops.size:
        raise InputError(
            f"calibration crops are {crops.dtype} {list(crops.shape)}; give uint8 [n, H, W, 3]"
        )
    return contact_sheet(crops)


def _without_nan(value: Any) -> Any:
    """The value as JSON can hold it: numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
