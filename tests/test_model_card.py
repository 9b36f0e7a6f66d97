"""The model card is about the bundle that ships, and about all of it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.hub import default_bundle

_DOCS = Path(__file__).resolve().parent.parent / "docs"
_AGAIN = "make it again: python benchmarks/model_card.py --data peta:DIR --write docs/model-card.md"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.read(default_bundle())


@pytest.fixture(scope="module")
def card() -> str:
    return (_DOCS / "model-card.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_DOCS / "model-card.json").read_text(encoding="utf-8"))
    return found


def test_it_names_the_bundle_that_ships(bundle: Bundle, card: str, record: dict[str, Any]) -> None:
    assert f"digest `{bundle.digest}`" in card, _AGAIN
    assert record["digest"] == bundle.digest, _AGAIN
    assert record["licence"] == bundle.training["licence"]


def test_every_attribute_is_told_of_and_sensitive_ones_are_marked(
    bundle: Bundle, card: str, record: dict[str, Any]
) -> None:
    assert [entry["name"] for entry in record["per_attribute"]] == list(bundle.schema.names)
    table = card.partition("<!-- card: attributes -->")[2].partition("<!-- /card")[0]
    for attribute in bundle.schema.attributes:
        assert f"| {attribute.name}{'*' if attribute.sensitive else ''} |" in table


def test_no_table_is_empty_and_no_figure_is_none(card: str, record: dict[str, Any]) -> None:
    parts = re.findall(r"<!-- (card: [^/>]+) -->(.*?)<!-- /\1 -->", card, re.DOTALL)
    assert len(parts) == 12
    for name, part in parts:
        assert name == "card: about" or part.count("\n") >= 4, name
        assert "nan" not in part.split(), name
    assert all(math.isfinite(number) for number in _numbers(record))


def test_its_overall_figures_are_the_bundle_s_own(bundle: Bundle, record: dict[str, Any]) -> None:
    """What was measured when the variant was made; another processor may flip a decision."""
    for precision in ("fp32", "int8"):
        found = record["overall"][f"all, {precision.upper()}"]
        name = next(name for name in bundle.variants if name.endswith(precision))
        wanted = bundle.variants[name].metrics
        assert found["images"] == wanted["images"]
        assert found["mA"]["value"] == pytest.approx(wanted["mA"], abs=0.3)
        assert found["f1"]["value"] == pytest.approx(wanted["f1"], abs=0.3)
        assert found["mA"]["low"] < found["mA"]["value"] < found["mA"]["high"]


def test_what_it_must_not_be_used_for_is_said(card: str) -> None:
    for said in ("Identifying people", "research use only", "no legal advice", "protected"):
        assert said in card


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from _numbers(entry)
    elif isinstance(value, float):
        yield value
