"""A conversion summed up: the record for the report, and the refusal for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from edgeattr import __version__
from edgeattr_convert.calibration import Calibration
from edgeattr_convert.contract import Contract
from edgeattr_convert.report import report_paths
from edgeattr_convert.validation_result import ConversionRecord, ValidationResult
from edgeattr_runtimes.device import device_name

__all__ = ["record_of", "refusal"]


def record_of(
    model: str,
    results: Sequence[ValidationResult],
    calibration: Calibration | None,
    contract: Contract,
) -> ConversionRecord:
    """The record of a conversion that has just ended, and is written if all of it holds."""
    met = all(result.met for result in results)
    facts = dict(calibration.facts) if calibration else {}
    if calibration and calibration.warnings:
        facts["warnings"] = list(calibration.warnings)
    return ConversionRecord(
        model=model,
        version=__version__,
        made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        device=device_name(),
        max_drop=contract.max_drop,
        min_speedup=contract.min_speedup,
        met=met,
        written=met,
        results=tuple(results),
        calibration=facts,
    )


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
