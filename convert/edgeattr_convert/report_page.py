"""The conversion report's HTML: one file, pictures inside, no script, nothing loaded."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

from edgeattr_convert.proof import ConversionRecord, LayerError, Proof
from edgeattr_convert.report_charts import BARS, HATCHING, attribute_bars, layer_bars
from edgeattr_convert.report_lineage import lineage
from edgeattr_convert.report_sheet import SHOWN
from edgeattr_convert.report_style import STYLE
from edgeattr_convert.report_tables import (
    WORST,
    attribute_table,
    difference,
    layer_table,
    tried_table,
    variant_table,
)
from edgeattr_convert.report_text import badge, figure, finite, moment, plain

__all__ = ["page"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(record: ConversionRecord, sheet: bytes | None) -> str:
    """The whole file.

    Args:
        record: what is shown.
        sheet: calibration crops on one JPEG, or None.
    """
    title = f"Conversion of {plain(record.model)}"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{HATCHING}<main>\n"
        f"<h1>{title}</h1>\n{_verdict(record)}{_facts(record)}{_variants(record)}"
        f"{_each('Attributes', _ATTRIBUTES, record, _attributes)}"
        f"{_each('Sensitivity of the layers', _SENSITIVITY, record, _layers)}"
        f"{_each('Ways tried', _WAYS, record, _tried)}"
        f"{_each('Notes', '', record, _notes)}"
        f"{_calibration(record, sheet)}</main>\n</body>\n</html>\n"
    )


_ATTRIBUTES = (
    "Change of each attribute&rsquo;s mA on held data, in points, the largest drop first. mA is "
    "the mean of the hit rates on positives and on negatives. Beside it, mA in percent before and "
    "after."
)
_SENSITIVITY = (
    "RMS error of the logits when only that layer is quantized, in the order of the graph. The "
    "higher a bar, the more its layer loses. Point at a bar for the layer&rsquo;s name."
)
_WAYS = (
    "RMS error of the logits on held crops: the smaller the better. A way that keeps more layers "
    "in float is taken only where it cuts the error by a third; the notes say what was taken."
)
_PRIVACY = (
    "<b>These are pictures of people</b> from the calibration data. Keep and share this file only "
    "as those data may be."
)


def _verdict(record: ConversionRecord) -> str:
    """What came out, in words, and the reason of each failure."""
    failed, count = sum(not proof.met for proof in record.proofs), len(record.proofs)
    word = "&#10003; The contract is met" if record.met else "&#10007; The contract is not met"
    if not count:
        text = "No variant was made."
    elif failed:
        text = f"{failed} of {count} variants {'does' if failed == 1 else 'do'} not hold."
    else:
        text = "Every variant holds."
    if record.written:
        text += f" The bundle {plain(record.model)} was written."
    else:
        text += " Nothing was written: an old bundle, if there is one, was left untouched."
    kind = "" if record.met else " broken"
    return (
        f'<section class="verdict{kind}">\n<p class="word">{word}</p>\n<p>{text}</p>\n'
        f'<ul class="proofs">\n{"".join(map(_proof, record.proofs))}</ul>\n</section>\n'
    )


def _proof(proof: Proof) -> str:
    advice = ""
    if not proof.met and proof.advice:
        items = "".join(f"<li>{plain(line)}</li>" for line in proof.advice)
        advice = f"\n<p><b>What is to blame, and what to try:</b></p>\n<ul>{items}</ul>"
    text = f"<p>{plain(proof.verdict)}</p>" if proof.verdict else ""
    return f"<li>{badge(proof.met)} <b>{plain(proof.variant)}</b>{text}{advice}</li>\n"


def _facts(record: ConversionRecord) -> str:
    fast = (
        f"at least {figure(record.min_speedup, 2)} times as fast as the parent"
        if (finite(record.min_speedup) or 0) > 0
        else "no speedup is asked for"
    )
    lines = {
        "model": plain(record.model),
        "device": plain(record.device),
        "made": moment(record.made),
        "edgeattr": plain(record.version),
        "contract": f"mA and F1 each fall by at most {figure(record.max_drop, 2)} points; {fast}",
    }
    return f"<h2>Facts</h2>\n{_list(lines)}"


def _variants(record: ConversionRecord) -> str:
    if not record.proofs:
        return "<h2>Variants</h2>\n<p>No variant was made.</p>\n"
    return (
        "<h2>Lineage</h2>\n<p>What was made of what. Each bar is as long as its file is large.</p>"
        f"\n{lineage(record.proofs)}<h2>Variants</h2>\n"
        "<p>Each against its parent. An arrow leads from the parent&rsquo;s figure to the "
        f"variant&rsquo;s.</p>\n{variant_table(record)}"
    )


def _each(title: str, text: str, record: ConversionRecord, say: Callable[[Proof], str]) -> str:
    """A section with a part for each variant that has something to say, or no section."""
    parts = "".join(
        f"<h3>{plain(proof.variant)}</h3>\n{part}"
        for proof in record.proofs
        if (part := say(proof))
    )
    lead = f"<p>{text}</p>\n" if text else ""
    return f"<section>\n<h2>{title}</h2>\n{lead}{parts}</section>\n" if parts else ""


def _attributes(proof: Proof) -> str:
    known = sorted(
        (entry for entry in proof.attributes if difference(entry) is not None),
        key=lambda entry: difference(entry) or 0.0,
    )
    unknown = [entry for entry in proof.attributes if difference(entry) is None]
    if not proof.attributes:
        return ""
    text = f"<p>The first {BARS} of {len(known)}.</p>\n" if len(known) > BARS else ""
    if unknown:
        names = ", ".join(plain(entry.name) for entry in unknown)
        text += f"<p>Not in the chart, as mA is undefined for them: {names}.</p>\n"
    return (
        f"{attribute_bars(known) if known else ''}{text}"
        f"<details>\n<summary>Table of all {len(proof.attributes)} attributes</summary>\n"
        f"{attribute_table([*known, *unknown])}</details>\n"
    )


def _layers(proof: Proof) -> str:
    if not proof.layers:
        return ""
    label = f"Sensitivity of the {len(proof.layers)} layers of {proof.variant}"
    return (
        f"{layer_bars(proof.layers, label)}<p>{_kept(proof.layers)}</p>\n"
        f"<h4>{_worst(len(proof.layers))}</h4>\n{layer_table(proof.layers)}"
    )


def _kept(layers: Sequence[LayerError]) -> str:
    """What the chart says, in words."""
    kept = sum(layer.in_float for layer in layers)
    text = f"{kept} of {len(layers)} layers stay in float."
    lost = [plain(layer.layer) for layer in layers if finite(layer.error) is None]
    return text + (f" No error could be measured for: {', '.join(lost)}." if lost else "")


def _worst(count: int) -> str:
    return f"The {WORST} layers that lose most" if count > WORST else "The layers that lose most"


def _tried(proof: Proof) -> str:
    return tried_table(proof.tried) if proof.tried else ""


def _notes(proof: Proof) -> str:
    items = "".join(f"<li>{plain(note)}</li>" for note in proof.notes)
    return f"<ul>{items}</ul>\n" if items else ""


def _calibration(record: ConversionRecord, sheet: bytes | None) -> str:
    if not record.calibration and sheet is None:
        return ""
    lines = {
        plain(key.replace("_", " ")): _fact(value) for key, value in record.calibration.items()
    }
    return f"<section>\n<h2>Calibration</h2>\n{_list(lines)}{_sheet(sheet)}</section>\n"


def _fact(value: object) -> str:
    """A fact of the calibration, as HTML; each entry of a list on its own line."""
    if isinstance(value, list):
        return "<br>".join(map(_fact, value))
    if isinstance(value, float):
        return figure(value, 4)
    return "n/a" if value is None else plain(value)


def _sheet(sheet: bytes | None) -> str:
    if sheet is None:
        return ""
    data = base64.b64encode(sheet).decode()
    return (
        f"<p>{_PRIVACY} At most {SHOWN} of the crops are shown, picked evenly from first to "
        'last.</p>\n<figure style="margin: 0"><img alt="Calibration crops" '
        f'src="data:image/jpeg;base64,{data}"></figure>\n'
    )


def _list(lines: dict[str, str]) -> str:
    """Names and what they are, both HTML."""
    items = "".join(f"<dt>{name}</dt><dd>{value}</dd>\n" for name, value in lines.items())
    return f"<dl>\n{items}</dl>\n" if items else ""
