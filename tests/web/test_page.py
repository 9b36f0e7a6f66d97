"""The page in a real browser: all its states, sizes and schemes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeattr.web import RecentPeople

from .browsers import CONTRAST, Tab
from .people import NAMES, camera, open_page, record

playwright = pytest.importorskip("playwright.sync_api")

_HOSTILE = '<img src=x onerror="document.title=1">'
_SIZES = ((360, 740), (390, 844), (800, 1100), (1440, 900), (2200, 1200))
_JPEG = cv2.imencode(".jpg", np.full((40, 20, 3), 90, np.uint8))[1].tobytes()


def _crowd(folder: Path, people: int = 120) -> RecentPeople:
    """Eight cameras, many people, some in view."""
    board = RecentPeople((*NAMES, _HOSTILE), pictures=True)
    for number in range(people):
        stream = _HOSTILE if number % 8 == 7 else f"camera {number % 8}"
        seen = record(number, stream, "yes", "unknown", crop="x")
        (folder / f"{seen.id}.jpg").write_bytes(_JPEG)
        board.write(seen.to_json())
    for number in range(3):
        board.watch(f"camera {number}", [record(1000 + number, f"camera {number}", "unknown")])
    return board


def _eight() -> list[Any]:
    streams = [camera(f"camera {number}") for number in range(7)]
    streams[2] = camera("camera 2", state="stalled", error=_HOSTILE * 9)
    return [*streams, camera(_HOSTILE)]


@pytest.mark.parametrize("cameras", [0, 1, 8])
def test_every_state_at_every_size_in_both_schemes(
    browser: Any, tmp_path: Path, cameras: int
) -> None:
    streams = _eight() if cameras == 8 else [camera("door")][:cameras]
    board = _crowd(tmp_path) if cameras == 8 else RecentPeople(NAMES)
    with open_page(board, lambda: streams, crops=tmp_path) as server:
        tab = Tab(browser, server.address)
        assert tab.page.locator("#cameras > li").count() == cameras
        shown = 51 if cameras == 8 else 0
        playwright.expect(tab.page.locator("article")).to_have_count(shown)
        tab.page.check("[name=no]")
        for width, height in _SIZES:
            tab.page.set_viewport_size({"width": width, "height": height})
            tab.check_fit()
        for scheme in ("light", "dark"):
            tab.page.emulate_media(color_scheme=scheme)
            assert tab.page.evaluate(CONTRAST) == []
        tab.check(server.address)


def test_names_are_shown_as_text_and_run_nothing(browser: Any, tmp_path: Path) -> None:
    with open_page(_crowd(tmp_path), _eight, crops=tmp_path) as server:
        tab = Tab(browser, server.address)
        page = tab.page
        assert page.locator("#cameras .name").nth(7).text_content() == _HOSTILE
        assert page.locator("#cameras .error").nth(2).text_content() == _HOSTILE * 9
        assert page.get_by_text(_HOSTILE).count() > 4
        sources = page.evaluate("[...document.images].map((image) => image.src).filter(Boolean)")
        assert all(re.search(r"(icon\.svg|crops/[-0-9a-f]+\.jpg)$", source) for source in sources)
        assert page.title() == "⚠ 3 in view · edgeattr"
        assert page.locator("#health").text_content() == "1 problem"
        picture = page.locator("#past img").first
        playwright.expect(picture).to_have_js_property("naturalWidth", 20)
        tab.check(server.address)


def test_filters_and_the_keyboard(browser: Any) -> None:
    board = RecentPeople(NAMES)
    board.write(record(1, "door", "yes").to_json())
    board.write(record(2, "door", "no", "unknown").to_json())
    board.write(record(3, "yard", "no", "no", "yes").to_json())
    board.watch("yard", [record(4, "yard", "yes")])
    streams = [camera("door"), camera("yard")]
    with open_page(board, lambda: streams) as server:
        tab = Tab(browser, server.address)
        page = tab.page
        titles = page.locator("article h3")
        expect = playwright.expect
        expect(titles).to_have_text(["yard #4", "yard #3", "door #2", "door #1"])
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type("long hair")
        expect(titles).to_have_text(["yard #3"])
        page.get_by_label("Search cameras").fill("Long_Hair")
        expect(titles).to_have_text(["yard #3"])
        expect(page.locator("#matching")).to_have_text("1 of 4 people match")
        page.get_by_role("button", name="Clear").click()
        expect(titles).to_have_count(4)
        page.get_by_label("Attribute", exact=True).select_option("backpack")
        page.get_by_label("Answer").select_option("unknown")
        expect(titles).to_have_text(["door #2"])
        page.get_by_label("Attribute", exact=True).select_option("hat")
        page.get_by_label("Answer").select_option("no")
        expect(titles).to_have_text(["yard #3", "door #2"])
        page.locator("#cameras").get_by_role("button", name="door").click()
        expect(titles).to_have_text(["door #2"])
        page.locator("#cameras").get_by_role("button", name="door").click()
        page.get_by_role("button", name="Clear").click()
        page.locator("#attributes").get_by_role("button", name="hat").click()
        expect(titles).to_have_text(["yard #4", "door #1"])
        door = page.locator("article", has_text="door #1")
        assert door.locator(".labels li").all_inner_texts() == ["red top", "long hair"]
        assert door.locator(".swatch").count() == 1
        expect(door.locator(".nos")).to_be_hidden()
        door.locator("summary").click()
        assert door.locator(".yeses li").all_inner_texts() == ["hat\n93 %"]
        expect(door.locator(".nos")).to_have_text("backpack, long hair")
        tab.check(server.address)


def test_it_lives_and_comes_back_when_the_server_does(browser: Any) -> None:
    board, streams = RecentPeople(NAMES), [camera("door")]
    server = open_page(board, lambda: streams)
    tab = Tab(browser, server.address)
    page, expect = tab.page, playwright.expect
    board.watch("door", [record(1, "door", "unknown")])
    card = page.locator("#present article")
    expect(card.locator(".unknowns")).to_have_text("hat?55 %")
    card.evaluate("(node) => { node.dataset.mine = 1; }")
    board.watch("door", [record(1, "door", "yes")])
    expect(card.locator(".yeses .name")).to_have_text("hat")
    assert card.get_attribute("data-mine") == "1", "changed in place"
    page.click("#pause")
    board.write(record(1, "door", "yes").to_json())
    expect(page.locator("#figure-all")).to_have_text("1")
    expect(card).to_have_count(1)
    page.check("[name=no]")  # what is shown is that of the pause, however it is looked at
    expect(card.locator(".nos")).to_be_visible()
    expect(page.locator("#past article")).to_have_count(0)
    page.uncheck("[name=no]")
    page.click("#pause")
    expect(card).to_have_count(0)
    expect(page.locator("#past article")).to_have_count(1)
    streams[0] = camera("door", state="stalled", error="no picture")
    expect(page.locator("#problems-list")).to_have_text("door: stalled (no picture)")
    server.close()
    expect(page.locator("#live")).to_have_text("Stopped")
    expect(page.locator("#toast")).to_contain_text("edgeattr has stopped")
    again = RecentPeople(NAMES)
    again.write(record(7).to_json())
    streams[0] = camera("door")
    with open_page(again, lambda: streams, port=server.port):
        expect(page.locator("#live")).to_have_text("Live", timeout=15000)
        expect(page.locator("article h3")).to_have_text("door #7")
        expect(page.locator("#toast")).to_be_hidden()
        tab.said = [text for text in tab.said if "ERR_" not in text]  # while it was away
        tab.check(server.address)


def test_the_token_is_asked_for(browser: Any) -> None:
    with open_page(RecentPeople(NAMES), lambda: [], token="ein Schlüssel") as server:
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.address)
        page.get_by_label("Token").fill("ein Schlüssel")
        page.get_by_role("button", name="Open").click()
        playwright.expect(page.locator("#live")).to_have_text("Live")
        assert page.url == server.address
        context.close()
        tab = Tab(browser, f"{server.address}?token=ein%20Schl%C3%BCssel")
        assert tab.page.url == server.address
    with open_page(RecentPeople(NAMES), lambda: [], port=server.port, token="another one"):
        playwright.expect(tab.page.locator("#live")).to_have_text("Token needed", timeout=15000)
        playwright.expect(tab.page.locator("#toast")).to_contain_text("no longer valid")
    tab.context.close()
