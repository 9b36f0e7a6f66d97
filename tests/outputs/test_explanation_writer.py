"""Explanation pages of people: made behind the streams' backs, bounded, and never in their way."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeattr
from edgeattr.core.errors import OutputError, RuntimeFailure
from edgeattr.core.prediction import AttributeAnswer, TrackRecord
from edgeattr.outputs.explanation_writer import ExplanationWriter

from ..waiting import until

_CROP = np.full((90, 40, 3), (90, 120, 60), np.uint8)


@pytest.fixture
def held(
    model: edgeattr.AttributeModel, monkeypatch: pytest.MonkeyPatch
) -> Iterator[threading.Event]:
    """The real model, which explains nothing until it is let go."""
    go, explain = threading.Event(), model.explain

    def wait(crops: Any) -> Any:
        assert go.wait(30)
        return explain(crops)

    monkeypatch.setattr(model, "explain", wait)
    yield go
    go.set()


def _record(model: edgeattr.AttributeModel) -> TrackRecord:
    answers = {
        name: AttributeAnswer(0.9, "yes" if name in ("hat", "jeans") else "unknown")
        for name in model.predict([_CROP])[0].attributes
    }
    return TrackRecord(
        stream="door", track=1, first_s=0, last_s=1, frames=9, crops_classified=1,
        box=(0, 0, 1, 1), attributes=answers, id=str(uuid.uuid4()),
    )  # fmt: skip


def test_a_page_is_made_under_the_record_s_id(
    tmp_path: Path, model: edgeattr.AttributeModel
) -> None:
    record = _record(model)
    with ExplanationWriter(tmp_path / "new", model) as folder:
        place = folder.keep(record, _CROP, live=True).result(30)
        assert place == str(tmp_path / "new" / f"{record.id}.explain.html")
        assert "hat" in Path(place).read_text()
    assert folder.dropped == 0
    assert folder.keep(record, _CROP, live=False) is None  # closed


def test_live_streams_go_on_without_a_page_and_files_wait(
    tmp_path: Path, model: edgeattr.AttributeModel, held: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(ExplanationWriter, "most_waiting", 2)
    records = [_record(model) for _ in range(5)]
    with ExplanationWriter(tmp_path, model) as folder, ThreadPoolExecutor() as pool:
        places = [folder.keep(record, _CROP, live=True) for record in records[:4]]
        assert [place is not None for place in places] == [True, True, False, False]
        waiting = pool.submit(folder.keep, records[4], _CROP, live=False)
        assert not wait([waiting], 0.2).done
        held.set()
        assert waiting.result(30) is not None
        until(lambda: len(list(tmp_path.glob("[!.]*"))) == 3)
    assert folder.dropped == 2


def test_closing_while_the_engine_hangs_leaves_out_what_waits(
    tmp_path: Path, model: edgeattr.AttributeModel, held: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(ExplanationWriter, "closing_s", 0.2)
    folder = ExplanationWriter(tmp_path, model)
    first, *others = [folder.keep(_record(model), _CROP, live=True) for _ in range(3)]
    until(first.running)
    folder.close()
    folder.close()
    assert all(path.cancelled() for path in others)
    assert not first.done()


def test_one_person_s_failure_costs_the_others_nothing(
    tmp_path: Path, model: edgeattr.AttributeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    explain = model.explain

    def fail_once(crops: Any) -> Any:
        monkeypatch.setattr(model, "explain", explain)
        raise RuntimeFailure("the engine failed")

    monkeypatch.setattr(model, "explain", fail_once)
    with ExplanationWriter(tmp_path, model) as folder:
        first, second = [folder.keep(_record(model), _CROP, live=True) for _ in range(2)]
        assert Path(second.result(30)).exists()
        with pytest.raises(RuntimeFailure, match="the engine failed"):
            first.result()
        for path in tmp_path.iterdir():
            path.unlink()
        tmp_path.rmdir()
        tmp_path.write_text("a file now")
        page = folder.keep(_record(model), _CROP, live=True)
        with pytest.raises(OutputError, match=r"cannot be written|cannot be made"):
            page.result(30)
    tmp_path.unlink()


def test_streams_that_are_to_end_wait_for_no_place(
    tmp_path: Path, model: edgeattr.AttributeModel, held: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(ExplanationWriter, "most_waiting", 1)
    with ExplanationWriter(tmp_path, model) as folder, ThreadPoolExecutor() as pool:
        first = folder.keep(_record(model), _CROP, live=False)
        waiting = pool.submit(folder.keep, _record(model), _CROP, live=False)
        assert not wait([waiting], 0.2).done
        folder.stop_waiting()
        assert waiting.result(10) is None
        assert folder.dropped == 1
        held.set()
        assert Path(first.result(30)).exists()
