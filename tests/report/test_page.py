"""What every page shares: harmless text, no script, colours that can be read, plain numbers."""

import math
import re
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest

import edgeattr.report
from edgeattr.report import render
from edgeattr.report.formats import change, fact, figure, moment, share, size

_STYLE = Path(edgeattr.report.__file__).with_name("style.css").read_text()


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    path.write_text('{% extends "base.html" %}{% block content %}<p>{{ word }}</p>{% endblock %}')
    return path


def test_a_page_stands_alone_and_shows_hostile_text(template: Path) -> None:
    hostile = "<script>alert(1)</script>\"'&amp;\udcff"
    text = render(template, title=hostile, word=hostile)
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;amp;?") == 3
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in text
    assert not re.search(r"https?:|@import|url\(|<link", text)
    assert _STYLE.strip() in text


def test_a_value_that_is_missing_is_an_error(template: Path) -> None:
    with pytest.raises(jinja2.UndefinedError, match="word"):
        render(template, title="x")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (figure(1.006, 2), "1.01"),
        (figure(-0.5, 1, " %"), "\N{MINUS SIGN}0.5\N{NO-BREAK SPACE}%"),
        (figure(-0.001, 2), "0.00"),
        (figure(None), "n/a"),
        (figure(math.nan), "n/a"),
        (figure(-math.inf), "n/a"),
        (change(0.25, 2), "+0.25"),
        (change(-0.001, 2), "0.00"),
        (size(6_200_000), "6.20\N{NO-BREAK SPACE}MB"),
        (size(12), "12\N{NO-BREAK SPACE}bytes"),
        (share(1, 4), "25\N{NO-BREAK SPACE}%"),
        (share(1, 0), "n/a"),
        (moment("2025-06-01T12:30:11.5+00:00"), "2025-06-01 12:30 UTC"),
        (moment("yesterday"), "yesterday"),
        (fact(51.509244962638775), "51.51"),
        (fact({"light_level": [0.45321, 0.1], "of": None}), "light level 0.4532, 0.1000, of n/a"),
        (fact([{"dataset": "peta"}, {"dataset": "rap"}]), "dataset peta; dataset rap"),
        (fact(()), "none"),
        (fact(512), "512"),
    ],
)
def test_numbers_and_facts(found: str, expected: str) -> None:
    assert found == expected


def test_text_can_be_read_in_light_and_in_dark() -> None:
    """WCAG 2: text has a contrast of 4.5 to what is behind it, parts of charts one of 3."""
    light, dark = (
        dict(re.findall(r"--([\w-]+): #(\w{6})", half)) for half in _STYLE.split("@media screen", 1)
    )
    assert light.keys() == dark.keys()
    for colours in (light, dark):
        for front, back, least in (
            ("ink", "paper", 7), ("soft", "paper", 4.5), ("soft", "panel", 4.5),
            ("soft", "track", 4.5), ("ink", "good-panel", 7), ("ink", "bad-panel", 7),
            ("good", "good-panel", 4.5), ("good", "bad-panel", 4.5), ("bad", "bad-panel", 4.5),
            ("good", "panel", 4.5), ("bad", "panel", 4.5), ("warn", "warn-panel", 4.5),
            ("fill", "paper", 3), ("loss", "paper", 3), ("loss", "kept", 3), ("fill", "track", 3),
        ):  # fmt: skip
            assert _contrast(colours[front], colours[back]) >= least, (front, back)


def _contrast(first: str, second: str) -> float:
    lights: list[Any] = []
    for colour in (first, second):
        channels = np.array([int(colour[n : n + 2], 16) for n in (0, 2, 4)]) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        lights.append(float(linear @ (0.2126, 0.7152, 0.0722)))
    return (max(lights) + 0.05) / (min(lights) + 0.05)
