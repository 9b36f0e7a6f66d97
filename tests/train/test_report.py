import base64
import dataclasses
import re
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.crops import Image
from edgeattr.core.errors import MissingDependency, OutputError
from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr_train.report import ReportData, write_report
from edgeattr_train.report_charts import risk_chart, training_curves
from edgeattr_train.selective import ALL, CROPS, TRACKS, OperatingPoint, RiskCurve, Selective

_ALL = ["Training", "Every attribute", "Reliability", "Attention", "Hardest mistakes"]
_SIZES = [(96, 40), (30, 90), (1, 1), (300, 120)]


def _schema(count: int) -> AttributeSchema:
    names = ["hat", "backpack", "shoes"] + [f"attribute_{index}" for index in range(count)]
    return AttributeSchema(tuple(Attribute(name=name, group="g") for name in names[:count]))


def _read(index: int) -> Image:
    height, width = _SIZES[index % len(_SIZES)]
    return np.random.default_rng(index).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _line(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "loss": 9.0 / epoch, "mA": 80.0, "f1": 79.0 + epoch, "mAP": 70.0,
            "learning_rate": 1e-3 / epoch, "images_per_second": 40.0}  # fmt: skip


@pytest.fixture
def data() -> ReportData:
    return _data(24, 3)


def _data(images: int, attributes: int) -> ReportData:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (images, attributes)).astype(np.int8)
    p = np.clip(rng.random(labels.shape) * 0.8 + 0.2 * labels, 0, 1)

    def masks(crop: Image) -> list[npt.NDArray[np.float32]]:
        assert crop.dtype == np.uint8
        return [rng.random((attributes, *size)).astype(np.float32) for size in ((8, 4), (4, 2))]

    return ReportData(
        title="a run",
        log=[_line(epoch) for epoch in (1, 2, 3)],
        schema=_schema(attributes),
        labels=labels,
        before=p,
        after=p**1.2,
        thresholds=(0.5,) * attributes,
        read=_read,
        masks=masks,
    )


def _written(directory: Path) -> list[str]:
    """The page's headings; it is proven to stand alone, and its pictures to decode."""
    assert [path.name for path in directory.iterdir()] == ["report.html"]
    text = (directory / "report.html").read_text(encoding="utf-8")
    pictures = re.findall(r'src="([^"]*)"', text)
    for picture in pictures:
        content = base64.b64decode(picture.removeprefix("data:image/jpeg;base64,"))
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert max(decoded.shape[:2]) == 256
    assert text.count("<svg") == text.count("</svg>") == text.count('<figure role="img"')
    assert not re.search(r"https?:|<script|<link|<image|@import| id=.\w+_\d", text)
    assert ("pictures of people" in text) == bool(pictures)
    return re.findall("<h2>(.*)</h2>", text)


def test_the_page_holds_all_of_it(data: ReportData, tmp_path: Path) -> None:
    target = write_report(tmp_path / "new", data)
    assert target == tmp_path / "new" / "report.html"
    assert _written(tmp_path / "new") == _ALL
    text = target.read_text()
    assert all(f'<th scope="row">{name}</th>' in text for name in data.schema.names)
    assert all(f"var(--{name})" in text for name in ("ink", "soft", "line", "fill", "loss"))
    assert "pairs in the bin</text>" in text


def test_facts_are_for_people(data: ReportData, tmp_path: Path) -> None:
    facts = {
        "mA": 51.509244962638775,
        "selected_on": "val",
        "pixels": {"brightness": [0.45321, 0.11]},
        "start": {"dataset": "peta", "mA": 80.123456},
        "teachers": [{"dataset": "peta"}, {"dataset": "rap"}],
    }
    text = write_report(tmp_path, dataclasses.replace(data, facts=facts)).read_text()
    lines = dict(re.findall("<dt>(.*)</dt><dd>(.*)</dd>", text))
    assert lines["mA"] == "51.51\N{NO-BREAK SPACE}%"
    assert lines["selected on"] == "val"
    assert lines["pixels (mean, deviation)"] == "brightness 0.4532, 0.1100"
    assert lines["start"] == "dataset peta, mA 80.12"
    assert lines["teachers"] == "dataset peta; dataset rap"
    assert not re.search(r"\d\.\d{5}|[{\[]&#39;", "".join(lines.values()))
    assert ".png" not in text


def test_coverage_and_risk_are_drawn_where_answers_were_judged(
    data: ReportData, tmp_path: Path
) -> None:
    points = [
        OperatingPoint(
            bound=bound, coverage=60 + bound, error=bound / 2, yes_error=bound, no_error=1, found=50
        )
        for bound in (1.0, 5.0)
    ]
    curve = RiskCurve(coverage=np.linspace(1, 100, 50), risk=np.linspace(0, 9, 50))
    every = Selective(
        points=dict.fromkeys((ALL, CROPS, TRACKS), points),
        curves=dict.fromkeys((ALL, CROPS, TRACKS), curve),
    )
    write_report(tmp_path, dataclasses.replace(data, selective=every))
    assert _written(tmp_path) == [*_ALL[:3], "Coverage and risk", *_ALL[3:]]
    singles = risk_chart(Selective(points={ALL: points}, curves={ALL: curve}))
    assert "as they come" in singles
    assert "fused" not in singles
    assert "fused" in risk_chart(every)


@pytest.mark.parametrize("value", [-1, 0, 1])
def test_one_class_only(data: ReportData, value: int, tmp_path: Path) -> None:
    write_report(tmp_path, dataclasses.replace(data, labels=np.full_like(data.labels, value)))
    absent = {-1: ("Attention", "Hardest mistakes"), 0: ("Attention",), 1: ()}[value]
    assert _written(tmp_path) == [title for title in _ALL if title not in absent]
    assert "n/a" in (tmp_path / "report.html").read_text()


def test_perfect_answers_have_no_mistakes(data: ReportData, tmp_path: Path) -> None:
    perfect = data.labels.astype(np.float64)
    write_report(tmp_path, data)
    write_report(tmp_path, dataclasses.replace(data, before=perfect, after=perfect, masks=None))
    assert _written(tmp_path) == _ALL[:3]


@pytest.mark.parametrize("log", [[], [{}], [{"epoch": 1, "loss": float("inf")}]])
def test_logs_without_a_number_give_no_curves(
    log: list[dict[str, Any]], data: ReportData, tmp_path: Path
) -> None:
    assert training_curves(log) == []
    write_report(tmp_path, dataclasses.replace(data, log=log))
    assert "Training" not in _written(tmp_path)


def test_mistakes_are_the_least_probable_labels(data: ReportData, tmp_path: Path) -> None:
    asked: list[int] = []

    def read(index: int) -> Image:
        asked.append(index)
        return _read(index)

    after = np.where(data.labels > 0, 0.9, 0.1)
    wrong = {3: 0.99, 8: 0.95, 21: 0.7}
    for image, certainty in wrong.items():
        after[image, 1] = 1 - certainty if data.labels[image, 1] > 0 else certainty
    after[5, 0] = 1 - after[5, 0]
    unknown = data.labels.copy()
    unknown[5, 0] = -1
    write_report(
        tmp_path,
        dataclasses.replace(data, labels=unknown, after=after, read=read, masks=None),
    )
    assert asked == [3, 8, 21]


def test_a_place_that_cannot_be_written(data: ReportData, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"report\.html cannot be written"):
        write_report(tmp_path / "file", data)


def test_without_matplotlib(
    data: ReportData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependency, match=r'matplotlib is .*"edgeattr\[train\]"'):
        write_report(tmp_path / "out", data)
    assert not (tmp_path / "out").exists()
