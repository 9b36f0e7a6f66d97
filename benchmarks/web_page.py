"""What the live page costs the pipeline: microseconds per event, and its share of a core.

A process of its own plays the browsers: it reads the stream of events, as they do.

Run: python benchmarks/web_page.py [--seconds 10]
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import resource
import socket
import threading
import time
import uuid
from multiprocessing.synchronize import Event

import edgeattr
from edgeattr.core.posterior import TrackPosterior
from edgeattr.core.prediction import TrackRecord
from edgeattr.video.status import StreamStatus
from edgeattr.web import PageContent, RecentPeople, WebServer

_CAMERAS, _EACH = 8, 3  # of them, with so many people in view
_REQUEST = b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    seconds = parser.parse_args().seconds
    people = _people(200)
    print("browsers | person event | person in view | core, busy site | core, page idle")
    for browsers in (0, 1, 10, 50):
        board = RecentPeople(list(people[0].attributes))
        with WebServer(PageContent(people=board, status=_status), port=0) as server:
            stop, readers = _open(server.port, browsers)
            events = _each(lambda record, b=board: b.write(record.to_json()), people)
            views = _each(lambda record, b=board: b.watch("door", [record]), people)
            busy = _share(board, people, seconds)
            idle = _share(board, [], seconds / 2)
            stop.set()
            readers.join()
        print(f"{browsers:8} | {events:9.0f} us | {views:11.0f} us | {busy:13.1%} | {idle:10.1%}")


def _people(count: int) -> list[TrackRecord]:
    """Records with as many attributes as the default model has."""
    with edgeattr.load() as model:
        posterior = TrackPosterior(model.decision, model.bundle.track)
        posterior.add([0.3 * (index % 9 - 4) for index in range(len(model.decision.schema))], 0.8)
        answers = posterior.answers()
    record = TrackRecord(
        stream="door", track=1, first_s=1.0, last_s=9.0, frames=200, crops_classified=9,
        box=(1.0, 2.0, 3.0, 4.0), attributes=answers, time="2026-11-25T19:30:00.000Z",
    )  # fmt: skip
    return [dataclasses.replace(record, id=str(uuid.uuid4())) for _ in range(count)]


def _status() -> list[StreamStatus]:
    status = StreamStatus(
        stream="door", state="running", live=True, frames_in=1, frames=1, dropped_frames=0,
        frames_waiting=0, frames_damaged=0, reconnects=0, detections=1, people=1, crops_seen=1,
        crops_classified=1, seconds=1.0, frames_per_second=25.0, last_frame_s=0.0,
    )  # fmt: skip
    return [dataclasses.replace(status, stream=f"camera {n}") for n in range(_CAMERAS)]


def _each(take, people: list[TrackRecord], rounds: int = 25) -> float:  # type: ignore[no-untyped-def]
    """Microseconds of the processor for one, of the median round, as fast as they come."""
    took = []
    for _ in range(rounds):
        begun = time.thread_time()
        for record in people:
            take(record)
        took.append((time.thread_time() - begun) / len(people))
    return 1e6 * sorted(took)[rounds // 2]


def _share(board: RecentPeople, people: list[TrackRecord], seconds: float) -> float:
    """Of one core, for the page of eight cameras, three people in view of each, one a second."""
    begun, cpu = time.monotonic(), _cpu()
    number = 0
    while people and time.monotonic() - begun < seconds:
        for camera in range(_CAMERAS):
            start = number * _CAMERAS * _EACH + camera * _EACH
            records = [people[(start + k) % len(people)] for k in range(_EACH)]
            board.watch(f"camera {camera}", records)
        board.write(people[number % len(people)].to_json())
        number += 1
        time.sleep(max(0.0, begun + number - time.monotonic()))
    time.sleep(max(0.0, begun + seconds - time.monotonic()))
    return (_cpu() - cpu) / (time.monotonic() - begun)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _open(port: int, browsers: int) -> tuple[Event, multiprocessing.Process]:
    context = multiprocessing.get_context("spawn")
    stop, ready = context.Event(), context.Event()
    reader = context.Process(target=_read, args=(port, browsers, stop, ready))
    reader.start()
    ready.wait()
    return stop, reader  # type: ignore[return-value]


def _read(port: int, browsers: int, stop: Event, ready: Event) -> None:
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(browsers)]
    for client in clients:
        client.sendall(_REQUEST)
        threading.Thread(target=_drain, args=(client,), daemon=True).start()
    ready.set()
    stop.wait()


def _drain(client: socket.socket) -> None:
    while client.recv(1 << 16):
        pass


if __name__ == "__main__":
    main()
