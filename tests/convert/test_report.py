import base64
import dataclasses
import html
import json
import math
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.errors import OutputError
from edgeattr_convert.contract import Contract, judged
from edgeattr_convert.report import report_paths, write_report
from edgeattr_convert.validation_result import (
    AttributeChange,
    ConversionRecord,
    LayerError,
    Speed,
    ValidationResult,
)

_ADVICE = "Convolution 7 is to blame: keep it in float"


class _Page:
    """The text that is seen, and what attributes of elements hold."""

    def __init__(self, markup: str) -> None:
        self.markup = re.sub(r"<style>.*?</style>", "", markup, flags=re.DOTALL)
        self.text = html.unescape(re.sub(r"<[^>]*>", "", self.markup))

    def values(self, name: str) -> list[str]:
        found = re.findall(rf'<[^>]*\s{name}="([^"]*)"', self.markup)
        return [html.unescape(value) for value in found]


def _layers(count: int) -> tuple[LayerError, ...]:
    return tuple(
        LayerError(layer=f"/body/conv.{n}", error=0.3 / (1 + n), in_float=n < 2)
        for n in range(count)
    )


def _result(**changes: Any) -> ValidationResult:
    facts = {"dataset": "peta", "split": "val", "images": 1900}
    result = ValidationResult(
        variant="onnx-int8",
        parent="onnx-fp32",
        bytes=1_700_000,
        parent_bytes=6_200_000,
        parity=0.031,
        tolerance=0.05,
        before={**facts, "mA": 84.31, "f1": 86.0},
        after={**facts, "mA": 84.02, "f1": 86.2},
        flips=0.62,
        attributes=(
            AttributeChange(name="hat", before=80.0, after=80.25, flips=0.1),
            AttributeChange(name="backpack", before=90.0, after=88.5, flips=1.5),
            AttributeChange(name="muffler", before=None, after=70.0, flips=0.0),
        ),
        speed=Speed(
            device="two cores", batch=16, parent_crops_per_second=212.4, crops_per_second=398.7,
            parent_latency_ms=6.31, latency_ms=3.4, speedup=1.88, low=1.81, high=1.93,
        ),
        layers=_layers(12),
        tried={"min-max": 0.4, "squared error": 0.09},
        notes=("3 first convolutions in float",),
        min_speedup=1.2,
        verdict="0.29 points lost",
    )  # fmt: skip
    return dataclasses.replace(result, **changes)


def _record(*results: ValidationResult, **changes: Any) -> ConversionRecord:
    record = ConversionRecord(
        model="default", version="9.8.7", made="2025-06-01T12:30:11+00:00", device="a processor",
        max_drop=1.0, min_speedup=1.2, met=True, written=True, results=results,
        calibration={"dataset": "peta", "images": 512, "sha256": "3f" * 32},
    )  # fmt: skip
    return dataclasses.replace(record, **changes)


def _written(
    record: ConversionRecord, folder: Path, crops: npt.NDArray[np.uint8] | None = None
) -> _Page:
    """The page, proven to be whole, to stand alone, and to have its figures beside it."""
    target = folder / "a.b.edgeattr"
    write_report(record, target, crops)
    page, data = report_paths(target)
    assert sorted(path.name for path in folder.iterdir()) == [page.name, data.name]
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|@import|url\(|<(script|link|iframe|img src=.(?!data:))", text)
    return _Page(text)


def test_json_is_the_record(tmp_path: Path) -> None:
    record = _record(_result(), _result(variant="onnx-fp16"))
    _written(record, tmp_path)
    found = json.loads((tmp_path / "a.b.report.json").read_text())
    assert found == json.loads(json.dumps(record.to_json()))


def test_sections_come_in_their_order(tmp_path: Path, crops: npt.NDArray[np.uint8]) -> None:
    text = _written(_record(_result()), tmp_path, crops).text
    titles = (
        "Conversion of default", "The contract is met", "Facts", "Lineage", "Variants",
        "Attributes", "Sensitivity of the layers", "Ways tried", "Notes", "Calibration",
        "These are pictures of people",
    )  # fmt: skip
    places = [text.rindex(title) for title in titles[1:]]
    assert places == sorted(places)
    assert text.index(titles[0]) < places[0]
    for fact in (
        "a processor", "9.8.7", "2025-06-01 12:30 UTC", "at most 1.00 points",
        "at least 1.20 times as fast", "The bundle default was written", "1.70\xa0MB", "27\xa0%",
        "84.31\xa0→\xa084.02", "0.29", "\N{MINUS SIGN}0.20 (a gain)",
        "0.62\xa0%", "1.88\xd7", "1.81 to 1.93",
        "212.4\xa0→\xa0398.7", "6.31\xa0→\xa03.40", "peta val, 1900 images", "3f" * 32,
    ):  # fmt: skip
        assert fact in text, fact


def test_worst_drop_is_first_and_the_undefined_last(tmp_path: Path) -> None:
    text = _written(_record(_result()), tmp_path).text
    table = text[text.index("change, points") :]
    order = ("backpack", "\N{MINUS SIGN}1.50", "hat", "+0.25", "muffler", "n/a")
    places = [table.index(name) for name in order]
    assert places == sorted(places)


def test_best_way_is_marked(tmp_path: Path) -> None:
    text = _written(_record(_result(tried={"a": 0.4, "b": 0.1, "c": math.nan})), tmp_path).text
    assert re.search(r"b\s*0\.1000\s*✓ least error\s*a\s*0\.4000\s*c\s*n/a", text)
    assert text.count("✓ least error") == 1


def test_fp16_is_not_held_to_a_speedup(tmp_path: Path) -> None:
    """What was required of nobody is not stated as the contract."""
    slow = Speed(
        device="two cores", batch=8, parent_crops_per_second=100.0, crops_per_second=78.0,
        parent_latency_ms=1.0, latency_ms=1.3, speedup=0.78, low=0.77, high=0.79,
    )  # fmt: skip
    half = _result(variant="onnx-fp16", speed=slow, before={}, after={}, attributes=())
    record = _record(judged(half, Contract(min_speedup=1.2)))
    text = _written(record, tmp_path).text
    assert "The contract is met" in text
    assert "0.78 times as fast (0.77 to 0.79; no speedup is required)" in text
    assert "without labelled data, accuracy is unknown); no speedup is required" in text
    assert "1.20" not in text


@pytest.mark.parametrize("written", [True, False])
def test_failure_is_plain_and_shows_the_advice(written: bool, tmp_path: Path) -> None:
    failed = _result(met=False, verdict="1.71 points lost", advice=(_ADVICE,))
    good = _result(variant="onnx-fp16", advice=("nothing to do",))
    text = _written(_record(good, failed, met=False, written=written), tmp_path).text
    assert "The contract is not met" in text
    assert "1 of 2 variants does not hold" in text
    assert ("left untouched" in text) is not written
    assert text.index("1.71 points lost") < text.index(_ADVICE) < text.index("Facts")
    assert "nothing to do" not in text
    assert text.count("✗ not met") == 3  # above, in the tree, in the table


def test_what_is_not_known_is_not_available(tmp_path: Path) -> None:
    result = _result(
        speed=None, flips=None, parity=math.nan, before={}, after={"mA": None, "f1": math.nan},
        tried={"way": math.inf}, layers=(LayerError(layer="x", error=math.nan, in_float=False),),
        attributes=(AttributeChange(name="hat", before=math.nan, after=None, flips=math.nan),),
    )  # fmt: skip
    text = _written(_record(result, calibration={"seed": None, "share": 0.5}), tmp_path).text
    assert text.count("n/a") >= 17
    assert not re.search(r"\b(nan|inf|None)\b", text)
    (found,) = json.loads((tmp_path / "a.b.report.json").read_text())["proofs"]
    assert found["parity"] is None
    assert found["after"] == {"mA": None, "f1": None}


@pytest.mark.parametrize("count", [0, 1, 5, 120])
def test_any_number_of_layers(count: int, tmp_path: Path) -> None:
    page = _written(_record(_result(layers=_layers(count))), tmp_path)
    assert ("Sensitivity of the layers" in page.text) == (count > 0)
    named = [value for value in page.values("title") if "/body/conv" in value]
    assert len(named) == count
    for place, value in enumerate(named):
        kept = "kept in float" if place < 2 else "quantized in the end"
        assert value == f"{place + 1}. /body/conv.{place}: {0.3 / (1 + place):.4f}, {kept}"
    assert page.values("class").count("kept") == (min(2, count) + 1 if count else 0)
    table = page.text[page.text.find("in the end\n") :]
    assert len(re.findall(r"^/body/conv\.\d+", table, re.MULTILINE)) == min(10, count)


def test_lineage_shows_each_variant_below_its_parent(tmp_path: Path) -> None:
    pairs = (("b", "a"), ("c", "a"), ("d", "b"))
    _written(_record(*(_result(variant=name, parent=parent) for name, parent in pairs)), tmp_path)
    tree = (tmp_path / "a.b.report.html").read_text().split('<ul class="tree">')[1]
    names = re.findall(r"<div><b>(\w)</b>", tree.split("<h2>")[0])
    assert names == ["a", "b", "c", "b", "d"]


def test_no_variants_at_all(tmp_path: Path) -> None:
    text = _written(_record(calibration={}, written=False), tmp_path).text
    assert "No variant was made" in text
    assert "Calibration" not in text


@pytest.mark.parametrize(("count", "size"), [(1, (68, 132)), (5, (340, 132)), (200, (816, 528))])
def test_sheet_of_crops(count: int, size: tuple[int, int], tmp_path: Path) -> None:
    crops = np.zeros((count, 64, 32, 3), np.uint8)
    crops[:, :, :, 2] = 255  # red, were it RGB it would be blue
    (source,) = _written(_record(_result()), tmp_path, crops).values("src")
    content = np.frombuffer(base64.b64decode(source.split(",")[1]), np.uint8)
    sheet = cv2.imdecode(content, cv2.IMREAD_COLOR)
    assert sheet.shape[1::-1] == size
    assert np.abs(sheet[64, 34].astype(int) - (0, 0, 255)).max() < 10


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"a\.report\.html cannot be written .*--out"):
        write_report(_record(_result()), tmp_path / "file" / "a.edgeattr", None)
