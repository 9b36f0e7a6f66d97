"""The contact sheet, in a real browser."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edgeattr.core.errors import OutputError, UsageError
from edgeattr.search.contact_sheet import write_contact_sheet
from edgeattr.search.contact_sheet.page import thumbnail_of
from edgeattr.search.store import EventsReader, PeopleReader, PeopleStore, SearchRequest

from ..store.person_events import person

if TYPE_CHECKING:
    from playwright.sync_api import Page

_HOSTILE = '"><script>alert(1)</script><img src=http://example.com/x onerror=alert(2)>'


def _jpeg(height: int = 300, width: int = 120, seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    return cv2.imencode(".jpg", cv2.GaussianBlur(noise, (9, 9), 0))[1].tobytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with pictures inside, in files, missing and damaged; and hostile names."""
    folder = tmp_path_factory.mktemp("sheet")
    (folder / "crops").mkdir()
    (folder / "crops" / "a.jpg").write_bytes(_jpeg())
    (folder / "crops" / "large.jpg").write_bytes(_jpeg(900, 400))
    (folder / "crops" / "bad.jpg").write_bytes(_jpeg()[:40] + b"\0" * 100)
    (folder / "crops" / "text.jpg").write_text("dear diary")
    answers = {_HOSTILE: {"p": 0.9, "answer": "yes"}, **person()["attributes"]}
    with PeopleStore(folder / "people.sqlite") as store:
        store.add(person(1, crop="crops/large.jpg"))
        store.add(person(2, crop="crops/a.jpg"))
        store.add(person(3, crop="crops/gone.jpg"))
        store.add(person(4, crop="crops/bad.jpg"))
        store.add(person(5, crop="crops/text.jpg"))
        store.add(person(6, stream=_HOSTILE, crop=_HOSTILE, attributes=answers, id=_HOSTILE))
        store.add(person(7, stream="x" * 3000))
    return folder


def _sheet(folder: Path, target: Path, **asked: Any) -> Any:
    question = SearchRequest(**asked, reasons=True)
    with PeopleReader(folder / "people.sqlite") as reader:
        found = reader.search(question)
        return write_contact_sheet(target, question, found, beside=folder)


def _open(browser: Any, path: Path, width: int, scheme: str) -> Page:
    """The page, which says nothing on the console and asks for nothing from anywhere."""
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: said.extend(
        [request.url] if not request.url.startswith(("file:", "data:")) else []))  # fmt: skip
    page.goto(path.as_uri())
    assert said == []
    return page


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "dark"), (320, "light")])
def test_a_browser_shows_it(
    browser: Any, folder: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    target = tmp_path / "out.html"
    written = _sheet(folder, target, query=f"(backpack and not hat) or '{_HOSTILE}' and seen > 1s")
    assert (written.cards, written.pictures) == (7, 2)
    page = _open(browser, target, width, scheme)
    sizes = page.evaluate("[...document.images].map(i => [i.naturalWidth, i.naturalHeight])")
    assert sizes == [[120, 300], [213, 480]]
    for summary in page.query_selector_all("summary"):
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    text = page.inner_text("body")
    assert "7 people found" in text
    assert "These are pictures of people." in text
    assert "the picture is not there any more: crops/gone.jpg" in text
    assert "no picture was kept" in text
    assert _HOSTILE in text
    reasons = page.query_selector_all(".person >> nth=-1 >> .why li")
    assert [reason.inner_text().split() for reason in reasons][:2] == [
        ["✓", "backpack", "93%"], ["✓", "not", "hat", "hat", "1%"],
    ]  # fmt: skip
    back, ink = page.evaluate(
        "(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))"
    )
    dark = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (back, ink)]
    assert (dark[0] < dark[1]) == (scheme == "dark")
    page.close()


def test_it_is_private_whole_and_loads_nothing(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.html"
    target.write_text("old")
    target.chmod(0o644)
    _sheet(folder, target)
    assert target.stat().st_mode & 0o777 == 0o600
    text = target.read_text()
    links = re.findall(r'<[^>]*\s(?:src|href|srcset|style)="([^"]*)"', text)
    assert len(links) == 2
    assert all(link.startswith("data:image/jpeg;base64,") for link in links)
    assert not re.search(r"<(script|link|iframe|a|form|object)\b", text)
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]
    with pytest.raises(OutputError, match="cannot be written"):
        _sheet(folder, Path("/proc/out.html"))


def test_what_has_no_room_is_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeattr.search.contact_sheet.page.LIMIT_MIB", 1)
    many = tmp_path / "many"
    many.mkdir()
    with PeopleStore(many / "people.sqlite") as store:
        for number in range(40):
            (many / f"{number}.jpg").write_bytes(_jpeg(480, 400, number))
            store.add(person(number, crop=f"{number}.jpg"))
    question = SearchRequest(query="backpack", reasons=True)
    with PeopleReader(many / "people.sqlite") as reader:
        found = reader.search(question)
        target = tmp_path / "out.html"
        written = write_contact_sheet(target, question, found, beside=many)
    assert 10 < written.cards < 40
    assert target.stat().st_size < 1.1 * 2**20
    assert f"the latest {written.cards} of them" in target.read_text()


def test_pictures_that_are_none_are_words(folder: Path, tmp_path: Path) -> None:
    bomb = bytearray(_jpeg())
    place = bomb.index(b"\xff\xc0")
    bomb[place + 5 : place + 9] = b"\xff\xdc\xff\xdc"  # 65,500 x 65,500
    (tmp_path / "bomb.jpg").write_bytes(bomb)
    (tmp_path / "empty.jpg").write_bytes(b"")
    for name, said in (
        ("bomb.jpg", "too large"), ("empty.jpg", "no JPEG"), ("/dev/zero", "not there any more"),
        ("a\0b", "not there any more|cannot be read"), ("../" * 40 + "etc/passwd", "no JPEG"),
        ("x" * 5000, "not there any more|cannot be read"), (7, "no picture was kept"),
    ):  # fmt: skip
        picture = thumbnail_of({"crop": name}, tmp_path)
        assert picture.uri is None
        assert re.search(said, picture.problem), name


def test_events_files_have_sheets_too(folder: Path, tmp_path: Path) -> None:
    events = folder / "e.jsonl"
    record = person(2, crop="crops/a.jpg")
    del record["time"]
    events.write_text(json.dumps(record) + "\n")
    reader, question = EventsReader([events]), SearchRequest(query="backpack", reasons=True)
    found = reader.search(question)
    target = tmp_path / "out.html"
    assert write_contact_sheet(target, question, found, beside=folder).pictures == 1
    assert "1 person found" in target.read_text()
    long = SearchRequest(
        query=" or ".join(f"backpack > 0.{n}" for n in range(100, 600)), reasons=True
    )
    write_contact_sheet(target, long, reader.search(long))
    assert "and 480 more conditions" in target.read_text()
    nobody = dataclasses.replace(found, records=[], reasons=[], total=0)
    write_contact_sheet(target, question, nobody)
    assert "0 people found" in target.read_text()


def test_people_are_printed_side_by_side_without_all_their_answers(
    browser: Any, tmp_path: Path
) -> None:
    names = {f"a_name_{n}": {"p": 0.9, "answer": "yes"} for n in range(90)}
    with PeopleStore(tmp_path / "people.sqlite") as store:
        for track in range(12):
            (tmp_path / f"{track}.jpg").write_bytes(_jpeg(160, 60))
            said = ["red top", "long hair"]
            store.add(person(track, crop=f"{track}.jpg", attributes=names, labels=said))
    _sheet(tmp_path, tmp_path / "out.html")
    page = _open(browser, tmp_path / "out.html", 718, "dark")
    assert "a_name_1" not in page.inner_text("main"), "only what tells people apart"
    assert page.inner_text("main").count("red top, long hair") == 12
    printed = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= 3
    page.close()


def test_a_result_without_reasons_is_refused(folder: Path, tmp_path: Path) -> None:
    question = SearchRequest()
    with PeopleReader(folder / "people.sqlite") as reader:
        found = reader.search(question)
    with pytest.raises(UsageError, match="reasons=True"):
        write_contact_sheet(tmp_path / "sheet.html", question, found)
    assert not list(tmp_path.iterdir())
