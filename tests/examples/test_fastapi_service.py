"""The microservice, as a real process with real requests."""

from __future__ import annotations

import concurrent.futures
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import edgeattr
from edgeattr.core.crops import Image

from ..bomb import bomb
from ..outputs.mqtt_broker import free_port
from .conftest import EXAMPLES

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")
pytest.importorskip("python_multipart")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running service, which ends cleanly."""
    port, log = free_port(), tmp_path_factory.mktemp("service") / "log"
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES),
               "fastapi_service:app", "--port", str(port)]  # fmt: skip
    with open(log, "wb") as output, subprocess.Popen(
        command, stderr=output, stdout=output
    ) as process:  # fmt: skip
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    said = log.read_text()
    assert "Application shutdown complete" in said
    assert "Traceback" not in said


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def _encoded(image: Image) -> bytes:
    return bytes(cv2.imencode(".png", image)[1])


def _post(address: str, *files: tuple[str, Any]) -> Any:
    return httpx.post(address, files=list(files), timeout=60)


def test_many_at_once_get_what_the_sdk_says(service: str, crops: Image) -> None:
    with edgeattr.load() as model:
        expected = [prediction.present for prediction in model.predict(crops)]

    def ask(index: int) -> tuple[str, ...]:
        answer = _post(f"{service}/predict", ("image", ("a.png", _encoded(crops[index]))))
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert "male" not in body["attributes"]  # sensitive
        return tuple(body["present"])

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, [0, 1, 2, 3, 4] * 6)) == expected * 6
    files = [("images", (f"{index}.png", _encoded(crop))) for index, crop in enumerate(crops)]
    together = _post(f"{service}/predict/batch", *files).json()["predictions"]
    assert [tuple(one["present"]) for one in together] == expected
    health = json.loads(urllib.request.urlopen(f"{service}/health").read())
    assert (health["status"], health["waiting"]) == ("ok", 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello", "a.png: 5 bytes that are no picture"),
        (b"", "a.png: 0 bytes"),
        (bomb(20_000), "one of too many pixels"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "no picture"),
    ],
    ids=["text", "empty", "bomb", "damaged"],
)
def test_a_bad_picture_is_refused(service: str, content: bytes, said: str, crops: Image) -> None:
    answer = _post(f"{service}/predict", ("image", ("a.png", content)))
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    good = ("images", ("good.png", _encoded(crops[0])))
    answer = _post(f"{service}/predict/batch", good, ("images", ("a.png", content)))
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_too_much_is_refused_whether_or_not_it_is_announced(service: str) -> None:
    huge = bytes(17 << 20)
    answer = _post(f"{service}/predict", ("image", ("a.png", huge)))
    assert (answer.status_code, answer.json()["detail"]) == (413, "more than 16 MiB in one request")

    def unannounced() -> Iterator[bytes]:
        yield b'--x\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n'
        for start in range(0, len(huge), 1 << 20):
            yield huge[start : start + (1 << 20)]
        yield b"\r\n--x--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = httpx.post(f"{service}/predict", content=unannounced(), headers=headers, timeout=60)
    assert answer.status_code == 413
    tiny = _encoded(np.zeros((2, 2, 3), np.uint8))
    answer = _post(f"{service}/predict/batch", *[("images", ("a.png", tiny))] * 65)
    assert (answer.status_code, "at most 64" in answer.json()["detail"]) == (413, True)


def test_a_request_without_a_picture_is_refused(service: str) -> None:
    assert httpx.post(f"{service}/predict").status_code == 422
    assert httpx.post(f"{service}/predict", data={"image": "text"}).status_code == 422
    assert httpx.get(f"{service}/predict").status_code == 405
