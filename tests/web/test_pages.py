"""Search, a person's page and the editor of zones in real browsers; all pages by axe-core."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeattr.cli.site_config import load_site
from edgeattr.report import page as report_page
from edgeattr.search.store import PeopleStore
from edgeattr.web import LivePictures, RecentPeople, SiteEvents, StoreSearch, WebServer

from .browsers import Tab, axe_source, firefox, violations
from .people import NAMES, camera, open_page, record

playwright = pytest.importorskip("playwright.sync_api")

_JPEG = cv2.imencode(".jpg", np.full((40, 20, 3), 90, np.uint8))[1].tobytes()
_AXE = "() => axe.run({resultTypes: ['violations']})"


class _Painted(LivePictures):
    """Live pictures of a pipeline that paints one whenever it is asked for."""

    def ask(self, stream: str) -> bytes | None:
        super().ask(stream)
        if self.wants_frame(stream):
            self.write_frame(stream, np.full((90, 160, 3), 120, np.uint8), 1.0)
        return super().ask(stream)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """A page with everything: people in view and in a store, alerts, zones, pictures."""
    folder = tmp_path_factory.mktemp("site")
    people = [record(number, "door", "yes", "unknown", crop="x") for number in range(3)]
    people[1] = record(1, "yard", "no", "yes", crop="x", evidence="x", zones={"hall": 4.5})
    with PeopleStore(folder / "people.sqlite") as store:
        store.add_many(person.to_json() for person in people)
    for person in people:
        (folder / f"{person.id}.jpg").write_bytes(_JPEG)
    base = Path(report_page.__file__).with_name("base.html")
    (folder / f"{record(1).id}.explain.html").write_text(report_page.render(base, title="person 1"))
    board, happenings = RecentPeople(NAMES, telling={"backpack"}, pictures=True), SiteEvents()
    board.write(people[2].to_json())
    board.watch("door", [record(9, "door", "yes")])
    for event in (
        {"type": "alert", "stream": "door", "alert": "no vest", "track": 2, "person": record(2).id,
         "at_s": 65.0, "box": [1, 2, 3, 4], "labels": ["red top"], "zone": "hall",
         "why": ["hat 93 %", "4 s in hall"]},
        {"type": "zone", "stream": "door", "zone": "hall", "event": "entered", "occupancy": 2},
        {"type": "line", "stream": "door", "line": "gate", "direction": "in", "count": 5},
    ):  # fmt: skip
        happenings.write(event)
    streams = [camera("door", width=160, height=90), camera("yard")]
    with open_page(
        board, lambda: streams, crops=folder, evidence=folder, live=_Painted(),
        store=StoreSearch(folder / "people.sqlite"), happenings=happenings.to_json,
    ) as server:  # fmt: skip
        yield server


def _pages(address: str) -> list[str]:
    person = f"{address}person?id={record(1).id}"
    return [address, person, f"{address}search?query=hat%20or%20backpack", f"{address}zones"]


def test_alerts_counts_and_live_pictures_on_the_page(browser: Any, site: WebServer) -> None:
    tab = Tab(browser, site.address)
    page, expect = tab.page, playwright.expect
    alert = page.locator("#alerts > li")
    expect(alert).to_contain_text("no vest")
    expect(alert).to_contain_text("in hall")
    expect(alert).to_contain_text("hat 93 %, 4 s in hall")
    expect(alert.locator(".swatch")).to_have_count(1)
    assert page.locator("#alerts a").get_attribute("href") == f"person?id={record(2).id}"
    expect(page.locator("#places li")).to_have_text(
        ["halldoor2 in it, 1 entered", "gatedoor5 in, 0 out"]
    )
    assert not any("live.jpg" in url for url in tab.asked), "none before somebody asks"
    page.get_by_role("button", name="Show pictures").click()
    expect(page.locator("#attributes .name")).to_have_text(["backpack", "hat", "long hair"])
    picture = page.get_by_alt_text("Live picture of door")
    expect(picture).to_have_js_property("naturalWidth", 160)
    page.get_by_role("button", name="Hide pictures").click()
    expect(picture).to_be_hidden()
    tab.check(site.address)


def test_the_sheet_that_explains_a_person_s_answers_opens_in_its_style(
    browser: Any, site: WebServer
) -> None:
    tab, said = browser.new_page(), list[str]()
    tab.on("console", lambda message: said.append(message.text))
    tab.goto(f"{site.address}person?id={record(1).id}")
    tab.get_by_role("link", name="Where the model looked").click()
    playwright.expect(tab.locator("h1")).to_have_text("person 1")
    assert tab.evaluate("getComputedStyle(document.querySelector('h1')).fontSize") != "32px"
    assert said == []
    tab.goto(f"{site.address}person?id={record(0).id}")
    playwright.expect(tab.locator("#name")).to_have_text("door #0")
    assert tab.locator("#evidence").is_hidden(), "none was made"
    tab.close()


def test_a_query_is_completed_and_errors_stand_under_the_word(
    browser: Any, site: WebServer
) -> None:
    page, expect = browser.new_page(), playwright.expect
    page.goto(site.address + "search")
    query = page.get_by_role("combobox")
    options = page.get_by_role("option")
    query.press_sequentially("ha")
    expect(options).to_contain_text(["hat", "long_hair"])
    query.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    query.press("Enter")
    expect(query).to_have_value("hat ")
    expect(page.get_by_role("listbox")).to_be_hidden()
    query.press("Enter")
    expect(page.locator("#matching")).to_have_text("2 people match")
    names = page.locator("#found h3")
    expect(names).to_have_text(["door #2", "door #0"])
    query.fill("hat and hatt")
    query.press("Enter")
    expect(page.locator("#problem mark")).to_have_text("hatt")
    expect(page.locator("#problem p")).to_contain_text("did you mean `hat`")
    expect(names).to_have_count(0)
    query.fill("hat and")
    query.press("Enter")
    expect(page.locator("#problem p")).to_contain_text("the query ends too early")
    query.fill("stream = yard")
    query.press("Enter")
    page.get_by_role("link", name="yard").click()
    expect(page.get_by_role("heading", name="yard #1")).to_be_visible()
    expect(page.locator("#labels li")).to_have_text(["red top", "long hair4 %"])
    expect(page.locator("#yes li")).to_have_text(["backpack93 %"])
    expect(page.locator("#zones")).to_have_text("hall5 s")
    expect(page.get_by_alt_text("Best crop")).to_have_js_property("naturalWidth", 20)
    page.go_back()
    expect(names).to_have_text(["yard #1"])
    page.close()


def test_zones_are_drawn_by_mouse_keys_and_numbers(
    browser: Any, site: WebServer, tmp_path: Path
) -> None:
    page, expect = browser.new_page(viewport={"width": 1200, "height": 900}), playwright.expect
    page.goto(site.address + "zones")
    expect(page.locator("#background")).to_have_js_property("naturalWidth", 160)
    stage, said, toml = page.locator("#stage"), page.locator("#said"), page.locator("#toml")
    box = stage.bounding_box()
    for x, y in ((0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    expect(said).to_contain_text("Edges of zone 1 cross")
    expect(toml).to_have_value("")
    page.get_by_label("Point 3, x").fill("0.8")
    page.get_by_label("Point 4, x").fill("0.2")
    page.get_by_label("called").fill('the "hall"')
    page.get_by_label("people count by").select_option("head")
    page.get_by_role("button", name="Next shape").click()
    page.get_by_label("Draw a").select_option("line")
    page.get_by_label("people count by").select_option("feet")
    stage.focus()
    for pressed in ("Shift+ArrowLeft", "Enter", "ArrowDown", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(pressed)
    text = toml.input_value()
    page.close()
    file = tmp_path / "site.toml"
    file.write_text(f"[[sources]]\naddress = '0'\n{text}")
    (source,) = load_site(file).sources
    (zone,), (line,) = source.zones, source.lines
    assert (zone.name, zone.anchor) == ('the "hall"', "head")
    assert zone.points == ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
    assert line.points == ((0.75, 0.8), (0.75, 0.86))


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_nothing_hinders_people_with_disabilities(
    browser: Any, site: WebServer, scheme: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    for address in _pages(site.address):
        page.goto(address)
        page.wait_for_timeout(700)
        page.evaluate(axe_source())
        assert violations(page.evaluate(_AXE)) == [], address
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
    context.close()


def test_all_pages_in_firefox(site: WebServer, tmp_path: Path) -> None:
    source = axe_source()
    with firefox(tmp_path) as window:
        for address in _pages(site.address):
            window.open(address)
            window.until("return document.readyState === 'complete'")
            window.run(source + "; window.axe = axe;")
            results = window.run("return window.axe.run({resultTypes: ['violations']})")
            assert violations(results) == [], address
        window.open(site.address)
        assert window.until("return document.querySelector('#live').dataset.state === 'live'")
        assert window.until("return document.querySelectorAll('#present article').length") == 1
        window.run("document.querySelector('#live-toggle').click()")
        window.until("return document.querySelector('.tile img').naturalWidth === 160")
        window.open(f"{site.address}search?query=backpack")
        window.until("return document.querySelector('#found h3')?.textContent === 'yard #1'")
        ground = window.run("return getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(14, 19, 24)"
