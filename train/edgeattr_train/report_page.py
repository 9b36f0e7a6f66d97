"""The report's HTML: one file, pictures inside, no script, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["AttributeRow", "Picture", "page"]

_STYLE = """
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.5rem 4rem; color: #1f2937;
  background: #fff; font: 16px/1.55 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.8rem 0 .3rem; }
p { margin: .3rem 0 1rem; color: #4b5563; max-width: 46rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; margin: 0; }
dt { color: #4b5563; } dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 0; } img { max-width: 100%; height: auto; }
figcaption { font-size: .85rem; color: #6b7280; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #e5e7eb; }
th:first-child, td:first-child { text-align: left; }
th { color: #4b5563; font-weight: 600; vertical-align: bottom; }
"""
_COLUMNS = (
    "attribute",
    "positives",
    "known",
    "mA, %",
    "AP, %",
    "threshold",
    "ECE before, %",
    "ECE after, %",
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture:
    """One PNG of the report, with what a reader needs to understand it."""

    file: str  # name in the folder of pictures
    title: str
    text: str  # what is shown and how to read it
    content: bytes


@dataclass(frozen=True, kw_only=True)
class AttributeRow:
    """One attribute's figures over the images where it is known. NaN where undefined."""

    name: str
    positives: int
    known: int  # images
    balanced: float  # mA, percent
    precision: float  # AP, percent
    threshold: float  # of the calibrated probability, 0..1
    error_before: float  # calibration error, percent
    error_after: float


def page(
    title: str, facts: Mapping[str, str], pictures: Sequence[Picture], rows: Sequence[AttributeRow]
) -> str:
    """The whole file.

    Args:
        title: plain text.
        facts: lines of the head, plain text.
        pictures: in the order of the page.
        rows: one per attribute.
    """
    head = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in facts.items()
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<dl>\n{head}</dl>\n"
        f"{''.join(map(_section, pictures))}{_table(rows)}</body>\n</html>\n"
    )


def _section(picture: Picture) -> str:
    data = base64.b64encode(picture.content).decode()
    return (
        f"<h2>{escape(picture.title)}</h2>\n<p>{escape(picture.text)}</p>\n<figure>"
        f'<img alt="{escape(picture.title)}" src="data:image/png;base64,{data}">'
        f"<figcaption>report/{escape(picture.file)}</figcaption></figure>\n"
    )


def _table(rows: Sequence[AttributeRow]) -> str:
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    body = "".join(
        f"<tr><td>{escape(row.name)}</td><td>{row.positives}</td><td>{row.known}</td>"
        f"<td>{_text(row.balanced, 1)}</td><td>{_text(row.precision, 1)}</td>"
        f"<td>{_text(row.threshold, 3)}</td><td>{_text(row.error_before, 2)}</td>"
        f"<td>{_text(row.error_after, 2)}</td></tr>\n"
        for row in rows
    )
    return (
        "<h2>Every attribute</h2>\n<p>Over the validation images whose label is known. An "
        "attribute is answered yes where its calibrated probability exceeds the threshold.</p>\n"
        f'<div class="wide"><table>\n<tr>{head}</tr>\n{body}</table></div>\n'
    )


def _text(value: float, places: int) -> str:
    return "n/a" if math.isnan(value) else f"{value:.{places}f}"
