"""Live pictures: made while somebody looks, at most one a second, forgotten soon after."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgeattr.web import LivePictures, RecentPeople, live_pictures

from .people import camera, get, open_page

_FRAME = np.full((1440, 2560, 3), 80, np.uint8)


def test_one_a_second_while_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(live_pictures.time, "monotonic", lambda: now)
    live = LivePictures()
    assert not live.wants_frame("door")
    live.write_frame("door", _FRAME, 1.0)
    assert live.ask("door") is None, "what nobody asked for is not kept"
    assert live.wants_frame("door")
    assert not live.wants_frame("yard")
    live.write_frame("door", _FRAME, 1.0)
    picture = live.ask("door")
    assert picture
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape == (720, 1280, 3)
    assert not live.wants_frame("door"), "within the second"
    now += 1.0
    assert live.wants_frame("door")
    now += 4.1
    assert not live.wants_frame("door"), "nobody looks any more"
    assert live.ask("door") is None, "and the picture is forgotten"


def test_no_picture_leaves_unless_it_is_allowed() -> None:
    streams = [camera("door")]
    with open_page(RecentPeople(), lambda: streams) as server:
        assert get(server.address, "/live.jpg", stream="door")[0] == 404
    with open_page(RecentPeople(), lambda: streams, live=LivePictures()) as server:
        assert get(server.address, "/live.jpg", stream="yard")[0] == 404
        assert get(server.address, "/live.jpg")[0] == 404
        assert get(server.address, "/live.jpg", stream="door") == (204, b""), (
            "the camera gives none"
        )
    with open_page(
        RecentPeople(), lambda: streams, live=LivePictures(), token="some long token"
    ) as server:
        assert get(server.address, "/live.jpg", stream="door")[0] == 401
