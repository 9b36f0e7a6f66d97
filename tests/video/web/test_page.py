"""The page in a real browser: all its states, sizes and schemes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeattr.video.web import Board, WebServer

from .people import NAMES, camera, record

playwright = pytest.importorskip("playwright.sync_api")

_HOSTILE = '<img src=x onerror="document.title=1">'
_SIZES = {"narrow": (360, 740), "phone": (390, 844), "desktop": (1440, 900), "wide": (2200, 1200)}
_JPEG = bytes.fromhex(  # one grey pixel
    "ffd8ffe000104a46494600010100000100010000ffdb004300080606070605080707070909080a0c140d0c0b0b0c19"
    "12130f141d1a1f1e1d1a1c1c20242e2720222c231c1c2837292c30313434341f27393d38323c2e333432ffc0000b08"
    "000100010101110 0ffc4001f0000010501010101010100000000000000000102030405060708090a0bffc400b51000"
    "0201030302040305050404000001 7d01020300041105122131410613516107227114328191a1082342b1c11552d1f0"
    "24336272820 90a161718191a25262728292a3435363738393a434445464748494a535455565758595a636465666768"
    "696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3"
    "c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9faffda0008010100003f00fb"
    "d3ffd9".replace(" ", "")
)
_CONTRAST = """
() => {
  const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const found = parse(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.body.querySelectorAll("*")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    const style = getComputedStyle(node);
    if (!own || !node.checkVisibility() || node.disabled || node.closest(":disabled")) continue;
    const a = light(parse(style.color)), b = light(ground(node));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${node.tagName}.${node.className} ${node.textContent} ${ratio}`);
  }
  return poor;
}
"""


class Tab:
    """A page that must say nothing on the console, fetch nothing from elsewhere, and fit."""

    def __init__(self, browser: Any, address: str, size: str, scheme: str) -> None:
        width, height = _SIZES[size]
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB"
        )
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)
        self.page.wait_for_selector("#live[data-state=live]")

    def check(self, address: str) -> None:
        assert self.said == []
        assert all(url.startswith(address) for url in self.asked), self.asked
        fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert self.page.evaluate(fits), "scrolls sideways"
        assert self.page.evaluate(_CONTRAST) == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


def _crowd(folder: Path, people: int = 120) -> Board:
    """Eight cameras, many people, some in view."""
    board = Board((*NAMES, _HOSTILE), pictures=True)
    for number in range(people):
        stream = _HOSTILE if number % 8 == 7 else f"camera {number % 8}"
        seen = record(number, stream, "yes", "unknown", crop="x")
        (folder / f"{seen.id}.jpg").write_bytes(_JPEG)
        board.write(seen.to_json())
    for number in range(3):
        board.see(f"camera {number}", [record(1000 + number, f"camera {number}", "unknown")])
    return board


def _eight() -> list[Any]:
    streams = [camera(f"camera {number}") for number in range(7)]
    streams[2] = camera("camera 2", state="stalled", error=_HOSTILE * 9)
    return [*streams, camera(_HOSTILE)]


@pytest.mark.parametrize(
    ("size", "scheme"),
    [("narrow", "light"), ("phone", "dark"), ("desktop", "light"), ("wide", "dark")],
)
def test_every_state_at_every_size(
    browser: Any, tmp_path: Path, size: str, scheme: str
) -> None:
    states = {
        "empty": ([], Board(NAMES)),
        "one": ([camera("door")], Board(NAMES)),
        "eight": (_eight(), _crowd(tmp_path)),
    }
    for name, (streams, board) in states.items():
        with WebServer(board, lambda s=streams: s, crops=tmp_path, port=0) as server:  # type: ignore[misc]
            tab = Tab(browser, server.address, size, scheme)
            assert tab.page.locator("#cameras > li").count() == len(streams)
            shown = {"empty": 0, "one": 0, "eight": 51}[name]
            playwright.expect(tab.page.locator("article")).to_have_count(shown)
            tab.page.check("[name=no]")
            tab.check(server.address)
            tab.context.close()


def test_names_are_shown_as_text_and_run_nothing(browser: Any, tmp_path: Path) -> None:
    with WebServer(_crowd(tmp_path), _eight, crops=tmp_path, port=0) as server:
        tab = Tab(browser, server.address, "desktop", "light")
        page = tab.page
        assert page.locator("#cameras .name").nth(7).text_content() == _HOSTILE
        assert page.locator("#cameras .error").nth(2).text_content() == _HOSTILE * 9
        page.click("#attributes-all")
        assert page.get_by_text(_HOSTILE).count() > 4
        pictures = "[...document.images].filter((i) => !/(icon.svg|crops.[-0-9a-f]+.jpg)$/.test(i.src))"
        assert page.evaluate(f"{pictures}.length") == 0
        assert page.title() == "⚠ 3 in view · edgeattr"
        assert page.locator("#health").text_content() == "1 problem"
        picture = page.locator("#past img").first
        playwright.expect(picture).to_have_js_property("naturalWidth", 1)
        tab.check(server.address)
        tab.context.close()


def test_filters_and_the_keyboard(browser: Any) -> None:
    board = Board(NAMES)
    board.write(record(1, "door", "yes").to_json())
    board.write(record(2, "door", "no", "unknown").to_json())
    board.write(record(3, "yard", "no", "no", "yes").to_json())
    board.see("yard", [record(4, "yard", "yes")])
    streams = [camera("door"), camera("yard")]
    with WebServer(board, lambda: streams, port=0) as server:
        tab = Tab(browser, server.address, "desktop", "light")
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
        assert door.locator(".answers li").all_inner_texts() == ["hat\n93 %"]
        expect(door.locator(".nos")).to_be_hidden()
        door.locator("summary").click()
        expect(door.locator(".nos")).to_have_text("backpack, long hair")
        tab.check(server.address)
        tab.context.close()


def test_it_lives_and_comes_back_when_the_server_does(browser: Any) -> None:
    board, streams = Board(NAMES), [camera("door")]
    server = WebServer(board, lambda: streams, port=0)
    tab = Tab(browser, server.address, "phone", "light")
    page, expect = tab.page, playwright.expect
    board.see("door", [record(1, "door", "unknown")])
    card = page.locator("#present article")
    expect(card.locator(".unknowns")).to_have_text("hat?55 %")
    card.evaluate("(node) => { node.dataset.mine = 1; }")
    board.see("door", [record(1, "door", "yes")])
    expect(card.locator(".answers .name")).to_have_text("hat")
    assert card.get_attribute("data-mine") == "1", "changed in place"
    page.click("#pause")
    board.write(record(1, "door", "yes").to_json())
    expect(page.locator("#figure-all")).to_have_text("1")
    expect(card).to_have_count(1)
    page.click("#pause")
    expect(card).to_have_count(0)
    expect(page.locator("#past article")).to_have_count(1)
    streams[0] = camera("door", state="stalled", error="no picture")
    expect(page.locator("#problems-list")).to_have_text("door: stalled (no picture)")
    server.close()
    expect(page.locator("#live")).to_have_text("Stopped")
    expect(page.locator("#toast")).to_contain_text("edgeattr has stopped")
    again = Board(NAMES)
    again.write(record(7).to_json())
    streams[0] = camera("door")
    with WebServer(again, lambda: streams, port=server.port):
        expect(page.locator("#live")).to_have_text("Live", timeout=15000)
        expect(page.locator("article h3")).to_have_text("door #7")
        expect(page.locator("#toast")).to_be_hidden()
        tab.said = [text for text in tab.said if "ERR_" not in text]  # while it was away
        tab.check(server.address)
        tab.context.close()


def test_the_token_is_asked_for(browser: Any) -> None:
    with WebServer(Board(NAMES), lambda: [], port=0, token="ein Schlüssel") as server:
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.address)
        page.get_by_label("Token").fill("ein Schlüssel")
        page.get_by_role("button", name="Open").click()
        playwright.expect(page.locator("#live")).to_have_text("Live")
        assert page.url == server.address
        context.close()
        tab = Tab(browser, f"{server.address}?token=ein%20Schl%C3%BCssel", "desktop", "light")
        assert tab.page.url == server.address
        tab.check(server.address)
        tab.context.close()
