"""Everything that people look at, on one sheet to look through: frames, the live page, other pages.

Annotated frames of an empty scene, one person, a crowd, portrait, 4K and night; the live page, a
person, the search and the editor of zones on phone and desktop, light and dark; the contact sheet
of `find`, and a sheet of `--explain`, which are printed too. The videos are Intel's samples (CC BY
4.0).

Run: python benchmarks/what_people_see.py --videos FOLDER --out FOLDER [--also report.html ...]
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from playwright.sync_api import Browser, sync_playwright

from edgeattr.core.crops import Image

_ALONE, _HALL = "one-by-one-person-detection.mp4", "people-detection.264"
_FRAMES = 24  # of each clip
_SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
_EDGEATTR = (sys.executable, "-m", "edgeattr")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("what-people-see"))
    parser.add_argument("--model", default="default")
    parser.add_argument("--also", type=Path, nargs="*", default=[], help="reports, HTML")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, make in _clips(arguments.videos).items():
        _annotate(arguments.out, name, make, arguments.model)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        _page(browser, arguments.videos / _ALONE, arguments.out, arguments.model)
        pages = {path.stem: path.absolute().as_uri() for path in arguments.also}
        for name in ("people", "explanation"):
            pages[name] = (arguments.out / f"{name}.html").absolute().as_uri()
        for name, address in pages.items():
            _shoot(browser, arguments.out, name, lambda page, to=address: page.goto(to))
            _print(browser, arguments.out, name, address)
        _sheet(browser, arguments.out)
        browser.close()


def _clips(videos: Path) -> dict[str, Callable[[], Iterator[Image]]]:
    """Frames of each scene, made of the two videos."""
    alone = lambda start: _read(videos / _ALONE, start)  # noqa: E731
    hall = lambda: _read(videos / _HALL, 28.6)  # noqa: E731
    rng = np.random.default_rng(0)

    def night(image: Image) -> Image:
        dark = 90 * (image / 255.0) ** 1.6 + rng.normal(0, 6, image.shape)
        return np.clip(dark, 0, 255).astype(np.uint8)

    def crowd(image: Image) -> Image:
        rows = [
            np.hstack([image, image[:, ::-1], image]),
            np.hstack([image[:, ::-1], image, image]),
        ]
        return cv2.resize(np.vstack([*rows, rows[0]]), (1920, 1080)).astype(np.uint8)

    def portrait(image: Image) -> Image:
        height, width = image.shape[:2]
        side = height * 9 // 16
        middle = image[:, (width - side) // 2 : (width + side) // 2]
        return cv2.resize(middle, (720, 1280)).astype(np.uint8)

    def large(image: Image) -> Image:
        return cv2.resize(image, (3840, 2160), interpolation=cv2.INTER_CUBIC).astype(np.uint8)

    return {
        "frame-empty": lambda: alone(0.0),
        "frame-one": lambda: alone(9.0),
        "frame-crowd": lambda: map(crowd, hall()),
        "frame-portrait": lambda: map(portrait, alone(9.0)),
        "frame-4k": lambda: map(large, hall()),
        "frame-night": lambda: map(night, hall()),
    }


def _read(video: Path, start: float) -> Iterator[Image]:
    with av.open(str(video)) as container:
        taken = 0
        for number, frame in enumerate(container.decode(video=0)):
            seconds = frame.time if frame.time is not None else number / 12
            if seconds >= start:
                yield frame.to_ndarray(format="bgr24")
                taken += 1
            if taken == _FRAMES:
                return


def _annotate(out: Path, name: str, frames: Callable[[], Iterator[Image]], model: str) -> None:
    """The last frame of a run over a clip."""
    clip, drawn = out / f"{name}.mp4", out / f"{name}-annotated.mp4"
    with av.open(str(clip), "w") as container:
        stream: Any = None
        for image in frames():
            if stream is None:
                stream = container.add_stream("libx264", rate=12, options={"crf": "20"})
                stream.width, stream.height = image.shape[1], image.shape[0]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    zone = "hall=0.05,0.5,0.95,0.5,0.95,0.97,0.05,0.97"
    _run("run", clip, "--output", "--model", model, "--zone", zone, "--quiet")
    *_, last = _read(drawn, 0.0)
    cv2.imwrite(str(out / f"{name}.png"), last)
    clip.unlink()
    drawn.unlink()


def _page(browser: Browser, video: Path, out: Path, model: str) -> None:
    """Pictures of a run's pages, while it runs."""
    (out / "site.toml").write_text(
        f'[model]\npath = "{model}"\n[web]\nport = 0\npictures = true\n'
        '[store]\npath = "people.sqlite"\n'
        '[crops]\npath = "crops"\n[evidence]\npath = "evidence"\n'
        f'[[sources]]\naddress = "{video.absolute()}"\nname = "front door"\nloop = true\n'
        'zones = [{ name = "hall", points = [[0.1, 0.3], [0.9, 0.3], [0.9, 1.0], [0.1, 1.0]] }]\n'
        'lines = [{ name = "gate", points = [[0.5, 0.0], [0.5, 1.0]] }]\n'
        '[[alert]]\nname = "in the hall"\nwhen = "in zone hall"\n'
    )
    command = [*_EDGEATTR, "run", "--config", str(out / "site.toml")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run:
        try:
            assert run.stderr
            found = (re.search(r"live page: (http\S+)", line) for line in run.stderr)
            address = next(match[1] for match in found if match)
            _wait_for_people(browser, address)
            for name, show in _pages(address).items():
                _shoot(browser, out, name, show)
        finally:
            run.terminate()
            run.communicate()
    store = ("--store", out / "people.sqlite", "--limit", "12")
    _run("find", *store, "--contact-sheet", out / "people.html")
    shutil.copy(next((out / "evidence").glob("*.html")), out / "explanation.html")


def _wait_for_people(browser: Browser, address: str, people: int = 6) -> None:
    page = browser.new_page()
    while True:
        found = page.request.get(f"{address}api/people?in_view=false").json()
        if found["matching"] >= people:
            break
        time.sleep(1)
    page.close()


def _pages(address: str) -> dict[str, Callable[[Any], Any]]:
    def live(page: Any) -> None:
        page.goto(address)
        page.click("#live-toggle")
        page.wait_for_timeout(2500)

    def person(page: Any) -> None:
        found = page.request.get(f"{address}api/people?in_view=false&limit=1").json()
        page.goto(f"{address}person?id={found['people'][0]['id']}")

    def wrong(page: Any) -> None:
        page.goto(f"{address}search?query=backpack or long_haar")
        page.wait_for_timeout(500)
        page.fill("#query", "backpack or ")
        page.locator("#query").press_sequentially("ha")

    def zones(page: Any) -> None:
        page.goto(f"{address}zones")
        page.wait_for_timeout(2500)
        box = page.locator("#stage").bounding_box()
        for x, y in ((0.2, 0.4), (0.8, 0.4), (0.9, 0.9), (0.1, 0.9)):
            page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])

    return {
        "page-live": live,
        "page-person": person,
        "page-search": lambda page: page.goto(f"{address}search?query=long_hair or not hat"),
        "page-completion": wrong,
        "page-zones": zones,
    }


def _shoot(browser: Browser, out: Path, name: str, show: Callable[[Any], Any]) -> None:
    for size, (width, height) in _SIZES.items():
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page = context.new_page()
            show(page)
            page.wait_for_timeout(700)
            page.screenshot(path=out / f"{name}-{size}-{scheme}.png")
            context.close()


def _print(browser: Browser, out: Path, name: str, address: str) -> None:
    """A page as PDF, and as a long picture of what is on paper."""
    page = browser.new_page(viewport={"width": 718, "height": 1000})  # between the margins of A4
    page.goto(address)
    page.pdf(path=out / f"{name}.pdf", format="A4")
    page.emulate_media(media="print")
    page.screenshot(path=out / f"{name}-print.png", full_page=True)
    page.close()


def _sheet(browser: Browser, out: Path) -> None:
    """All pictures on one page, and that page as a picture."""
    figures = "".join(
        f'<figure><img src="{path.name}"><figcaption>{path.stem}</figcaption></figure>'
        for path in sorted(out.glob("*.png"))
        if path.stem != "sheet"
    )
    style = (
        "body{font:14px sans-serif;display:flex;flex-wrap:wrap;gap:14px;background:#888}"
        "figure{margin:0}img{height:340px}figcaption{background:#fff;padding:3px}"
    )
    text = f"<!doctype html><meta charset='utf-8'><style>{style}</style>{figures}"
    (out / "sheet.html").write_text(text)
    page = browser.new_page(viewport={"width": 2400, "height": 1400})
    page.goto((out / "sheet.html").absolute().as_uri())
    page.screenshot(path=out / "sheet.png", full_page=True)
    print(out / "sheet.png")


def _run(*arguments: object) -> None:
    subprocess.run([*_EDGEATTR, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
