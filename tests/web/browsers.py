"""Browsers for the tests of the page: Chromium by Playwright, Firefox by Marionette."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ..outputs.mqtt_broker import free_port

CONTRAST = """
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

    def __init__(self, browser: Any, address: str) -> None:
        self.context = browser.new_context(viewport={"width": 1440, "height": 900})
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
        assert self.page.evaluate(CONTRAST) == []
        self.check_fit()
        self.context.close()

    def check_fit(self) -> None:
        fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert self.page.evaluate(fits), "scrolls sideways"


def axe_source() -> str:
    """The script of axe-core, which finds what hinders people with disabilities."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("axe-playwright-python is not installed")
    return Path(found.origin).with_name("axe.min.js").read_text()


def violations(results: Mapping[str, Any]) -> list[str]:
    """What axe-core found, one line each."""
    return [
        f"{it['id']} ({it['impact']}): {node['html'][:120]}"
        for it in results["violations"]
        for node in it["nodes"]
    ]


class Firefox:
    """A Firefox without a window, driven over a socket.

    https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
    """

    def __init__(self, socket_file: Any) -> None:
        self._file = socket_file
        self._number = 0
        self._receive()  # its greeting
        self.call("WebDriver:NewSession", {})

    def call(self, command: str, parameters: Mapping[str, Any]) -> Any:
        """The value that a WebDriver command gives."""
        self._number += 1
        text = json.dumps([0, self._number, command, parameters])
        self._file.write(f"{len(text.encode())}:{text}".encode())
        self._file.flush()
        _, _, error, result = self._receive()
        assert error is None, error
        return result.get("value") if isinstance(result, dict) else result

    def open(self, address: str) -> None:
        self.call("WebDriver:Navigate", {"url": address})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns, or the promise that it returns comes to."""
        given = {"script": script, "args": list(arguments), "sandbox": None, "newSandbox": False}
        return self.call("WebDriver:ExecuteScript", given)

    def until(self, script: str, seconds: float = 20.0) -> Any:
        """Wait until a script returns something that is true."""
        end = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < end, f"not in time: {script}"
            time.sleep(0.05)
        return found

    def _receive(self) -> Any:
        digits = b""
        while (byte := self._file.read(1)) != b":":
            assert byte, "Firefox ended"
            digits += byte
        return json.loads(self._file.read(int(digits)))


@contextlib.contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """Start Firefox, in its dark scheme, with a profile in a folder; skip where there is none."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        pytest.skip("no browser: Firefox is not installed")
    port = free_port()
    wanted = {"marionette.port": port, "layout.css.prefers-color-scheme.content-override": 0}
    lines = [f'user_pref("{name}", {value});\n' for name, value in wanted.items()]
    (folder / "user.js").write_text("".join(lines))
    command = [program, "--headless", "--marionette", "--no-remote", "--profile", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        try:
            with _connected(port) as file:
                yield Firefox(file)
        finally:
            run.terminate()


@contextlib.contextmanager
def _connected(port: int, seconds: float = 60.0) -> Iterator[Any]:
    end = time.monotonic() + seconds
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=60)
            break
        except OSError:
            assert time.monotonic() < end, "Firefox does not listen"
            time.sleep(0.1)
    with connection, connection.makefile("rwb") as file:
        yield file
