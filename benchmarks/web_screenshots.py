"""Pictures of the live page in all its states, to look at: phone and desktop, light and dark.

Run: python benchmarks/web_screenshots.py --out FOLDER
"""

from __future__ import annotations

import argparse
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from web_scene import CAMERAS, Scene, camera, troubled, without_time

from edgeattr.outputs import EventsFile
from edgeattr.video.output import FailsafeOutput
from edgeattr.video.status import StreamStatus
from edgeattr.web import RecentPeople, WebServer

_SIZES = {"phone": (390, 844), "desktop": (1440, 900)}
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    parser.add_argument("--only", default="", help="only states whose name holds this")
    arguments = parser.parse_args()
    logging.basicConfig()
    arguments.out.mkdir(parents=True, exist_ok=True)
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        scene = Scene(Path(folder))
        for name, show in _STATES.items():
            if arguments.only in name:
                show(_Camera(browser, arguments.out, name), scene, Path(folder))
        browser.close()


class _Camera:
    """Takes the pictures of one state."""

    def __init__(self, browser: Browser, out: Path, name: str) -> None:
        self._browser, self._out, self._name = browser, out, name

    def shoot(
        self, address: str, prepare: Callable[[Page], Any] = lambda page: None, whole: bool = True
    ) -> None:
        """Pictures of the page at every size and in both schemes."""
        for size, (width, height) in _SIZES.items():
            for scheme in ("light", "dark"):
                context = self._browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=scheme
                )
                page = context.new_page()
                page.goto(address)
                page.wait_for_timeout(1200)
                prepare(page)
                path = self._out / f"{self._name}-{size}-{scheme}.png"
                page.screenshot(path=path, full_page=whole)
                context.close()
                print(path)


def _site(
    streams: list[StreamStatus], board: RecentPeople, folder: Path | None, **more: Any
) -> WebServer:
    return WebServer(board, lambda: streams, crops=folder, **{"port": 0, **more})


def _empty(shots: _Camera, scene: Scene, folder: Path) -> None:
    waiting = camera("front door", state="connecting", frames_per_second=0.0, people=0,
                     crops_seen=0, crops_classified=0)  # fmt: skip
    with _site([waiting], RecentPeople(scene.names), None) as server:
        shots.shoot(server.address)


def _one(shots: _Camera, scene: Scene, folder: Path) -> None:
    """One video file, no pictures kept."""
    board = RecentPeople(scene.names)
    for number in range(5):
        record = without_time(scene.person(number, "camera.mp4", ago=0, picture=False))
        board.write(record.to_json())
    record = without_time(scene.person(6, "camera.mp4", ago=0, picture=False))
    board.watch("camera.mp4", [record])
    with _site([camera("camera.mp4", live=False)], board, None) as server:
        shots.shoot(server.address)


def _busy(scene: Scene, people: int) -> RecentPeople:
    board = RecentPeople(scene.names, pictures=True)
    for number in range(people):
        stream = CAMERAS[number * 5 % len(CAMERAS)]
        board.write(scene.person(number, stream, ago=11.0 * (people - number)).to_json())
    for number, stream in enumerate(CAMERAS[:3]):
        record = scene.person(people + number, stream, ago=0.0, picture=False)
        board.watch(stream, [record])
    return board


def _eight(shots: _Camera, scene: Scene, folder: Path) -> None:
    events = FailsafeOutput(EventsFile(folder / "people.jsonl"))
    streams = [camera(name, number) for number, name in enumerate(CAMERAS)]
    with _site(streams, _busy(scene, 130), folder, outputs=lambda: [events.status()]) as server:
        shots.shoot(server.address, whole=False)
    events.close()


def _trouble(shots: _Camera, scene: Scene, folder: Path) -> None:
    events = FailsafeOutput(EventsFile(folder / "people.jsonl"))
    events.write({"p": float("nan")})
    missing = {"yard.mp4": "yard.mp4: no such file"}
    board = _busy(scene, 12)
    with _site(
        troubled(), board, folder, outputs=lambda: [events.status()], unopened=lambda: missing
    ) as server:
        shots.shoot(server.address)
    events.close()


def _filtered(shots: _Camera, scene: Scene, folder: Path) -> None:
    def choose(page: Page) -> None:
        page.select_option("[name=attribute]", scene.names[0])
        page.check("[name=no]")
        page.wait_for_timeout(300)

    streams = [camera(name, number) for number, name in enumerate(CAMERAS)]
    with _site(streams, _busy(scene, 40), folder) as server:
        shots.shoot(server.address, choose)


def _hostile(shots: _Camera, scene: Scene, folder: Path) -> None:
    name = "<img src=x onerror=alert(1)>" + "W" * 120
    board = RecentPeople(scene.names)
    board.write(scene.person(1, name, ago=4.0, picture=False).to_json())
    with _site([camera(name, error="E" * 300)], board, None) as server:
        shots.shoot(server.address)


def _stopped(shots: _Camera, scene: Scene, folder: Path) -> None:
    streams = [camera(name, number) for number, name in enumerate(CAMERAS)]
    servers = [_site(streams, _busy(scene, 12), folder)]

    def stop(page: Page) -> None:
        servers[0].close()
        page.wait_for_timeout(500)
        servers[0] = _site(streams, _busy(scene, 12), folder, port=servers[0].port)

    shots.shoot(servers[0].address, stop, whole=False)
    servers[0].close()


def _token(shots: _Camera, scene: Scene, folder: Path) -> None:
    with _site([], RecentPeople(), None, token="a token of some length") as server:
        shots.shoot(server.address)


_STATES = {
    "empty": _empty,
    "one": _one,
    "eight": _eight,
    "trouble": _trouble,
    "filtered": _filtered,
    "hostile": _hostile,
    "stopped": _stopped,
    "token": _token,
}

if __name__ == "__main__":
    main()
