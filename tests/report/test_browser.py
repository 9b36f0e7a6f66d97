"""The reports in a real browser: nothing said, nothing asked for, no page wider than its window."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr_convert.report import write_report as write_conversion
from edgeattr_convert.validation_result import (
    AttributeChange,
    ConversionRecord,
    LayerError,
    ValidationResult,
)
from edgeattr_train.report import ReportData
from edgeattr_train.report import write_report as write_training

_HOSTILE = "<script>alert(1)</script>&amp;'\"--></style>$\\frac$ é 中"
_LONG = "a_name_" * 30 + _HOSTILE
_PAPER = 718  # pixels between the margins of A4


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    rng = np.random.default_rng(0)
    result = ValidationResult(
        variant="onnx-int8", parent="onnx-fp32", bytes=17, parent_bytes=62, parity=0.1,
        tolerance=0.5, verdict=_LONG, notes=(_LONG,), tried={_LONG: 0.1}, met=False,
        advice=(_LONG,), before={"dataset": _HOSTILE, "split": _HOSTILE, "images": _HOSTILE},
        attributes=(AttributeChange(name=_LONG, before=80.0, after=79.0, flips=0.1),),
        layers=tuple(LayerError(layer=f"/{_LONG}/{n}", error=n, in_float=n < 3) for n in range(70)),
    )  # fmt: skip
    record = ConversionRecord(
        model=_LONG, version=_HOSTILE, made=_HOSTILE, device=_LONG, max_drop=0.5, min_speedup=1.2,
        met=False, written=True, results=(result,) * 4,
        calibration={_HOSTILE: _HOSTILE, "warnings": [_HOSTILE]},
    )  # fmt: skip
    write_conversion(
        record, folder / "x.edgeattr", rng.integers(0, 255, (60, 64, 32, 3), dtype=np.uint8)
    )
    p = rng.random((30, 2))
    data = ReportData(
        title=_LONG,
        schema=AttributeSchema(tuple(Attribute(name=name, group="g") for name in (_LONG, "hat"))),
        log=[{"epoch": n, "loss": 9.0 / n, "mA": 80.0, "f1": 70.0 + n} for n in (1, 2, 3)],
        labels=rng.integers(0, 2, p.shape).astype(np.int8), before=p, after=p,
        thresholds=(0.5, 0.5), facts={_LONG: _LONG},
        read=lambda index: rng.integers(0, 255, (90 + index, 300, 3), dtype=np.uint8),
        masks=lambda crop: [rng.random((2, 8, 4)), rng.random((2, 4, 2))],
    )  # fmt: skip
    return {"conversion": folder / "x.report.html", "training": write_training(folder, data)}


@pytest.mark.parametrize("name", ["conversion", "training"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "dark"), (320, "light")])
def test_a_browser_shows_it(
    browser: Any, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: said.extend(
        [request.url] if not request.url.startswith(("file:", "data:")) else []))  # fmt: skip
    page.goto(pages[name].as_uri())
    assert said == []
    assert page.evaluate("document.scripts.length") == 0, "hostile names are text"
    assert (page.text_content("body") or "").count(_HOSTILE) > 5
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(i => i.naturalWidth > 30)")
    colours = page.evaluate("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
    back, ink = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
    assert (back < ink) == (scheme == "dark")
    page.close()


@pytest.mark.parametrize("name", ["conversion", "training"])
def test_a_report_is_printed_whole_on_white_paper(
    browser: Any, pages: dict[str, Path], name: str
) -> None:
    page = browser.new_page(viewport={"width": _PAPER, "height": 1000}, color_scheme="dark")
    page.goto(pages[name].as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth") <= _PAPER
    hidden = "[...document.querySelectorAll('details table, details .columns')]"
    assert page.evaluate(f"{hidden}.every(it => it.offsetHeight > 20)"), "what is folded is printed"
    alone = """() => [...document.querySelectorAll('h2, h3')].every(
        it => getComputedStyle(it).breakAfter === 'avoid')"""
    assert page.evaluate(alone), "no heading at the foot of a page"
    page.close()
