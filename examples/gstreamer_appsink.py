"""Frames of a GStreamer pipeline into edgeattr, through an appsink.

    apt install python3-gi python3-gst-1.0 gstreamer1.0-plugins-good gstreamer1.0-libav
    python3 -m venv --system-site-packages venv && venv/bin/pip install edgeattr
    venv/bin/python examples/gstreamer_appsink.py "filesrc location=camera.mp4 ! decodebin"

Debian's PyGObject belongs to the system's own Python, hence `--system-site-packages`. The argument
is the head of a pipeline, up to raw video; on a Jetson, for example,

    "nvarguscamerasrc ! nvvidconv ! video/x-raw,format=BGRx"

With python3-gst-1.0 the frame is GStreamer's own memory, not copied; without it, copied once.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

import edgeattr
from edgeattr.video.detectors import open_detector

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstApp", "1.0")
    gi.require_version("GstVideo", "1.0")
    from gi.repository import Gst, GstApp, GstVideo  # noqa: F401 - GstApp gives appsink its methods
except (ImportError, ValueError) as error:
    sys.exit(
        f"{error}; this example needs: apt install python3-gi python3-gst-1.0, "
        "and a virtual environment made with --system-site-packages"
    )

_TAIL = "videoconvert ! video/x-raw,format=BGR ! appsink name=sink max-buffers=2 sync=false"
_PATIENCE = 10  # seconds without a frame


def samples(head: str) -> Generator[Any, None, None]:
    """What arrives at the appsink, one frame at a time, until the pipeline ends.

    Raises:
        RuntimeError: the pipeline cannot be built or started, fails, or falls silent.
    """
    Gst.init(None)
    try:
        pipeline = Gst.parse_launch(f"{head} ! {_TAIL}")
    except gi.repository.GLib.Error as error:
        raise RuntimeError(f"no pipeline: {error.message}") from error
    sink, bus = pipeline.get_by_name("sink"), pipeline.get_bus()
    pipeline.set_state(Gst.State.PLAYING)
    try:
        while sample := sink.try_pull_sample(_PATIENCE * Gst.SECOND):
            yield sample
        failure = bus.pop_filtered(Gst.MessageType.ERROR)
        if failure:
            raise RuntimeError(failure.parse_error()[0].message)
        if not sink.is_eos():
            raise RuntimeError(f"no frame came for {_PATIENCE} seconds")
    finally:
        pipeline.set_state(Gst.State.NULL)


@contextlib.contextmanager
def frame_of(sample: Any) -> Iterator[npt.NDArray[np.uint8]]:
    """A sample's picture, uint8 [h, w, 3] BGR, read-only; valid inside the `with` block alone."""
    buffer, info = sample.get_buffer(), GstVideo.VideoInfo.new_from_caps(sample.get_caps())
    ok, mapped = buffer.map(Gst.MapFlags.READ)
    if not ok:
        raise RuntimeError("a frame's memory cannot be mapped")
    try:  # rows may be longer than the picture is wide
        shape, strides = (info.height, info.width, 3), (info.stride[0], 3, 1)
        yield np.ndarray(shape, np.uint8, mapped.data, info.offset[0], strides)
    finally:
        buffer.unmap(mapped)


def main() -> None:
    """Print who is in the picture, now and then."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline", help="its head, up to raw video")
    parser.add_argument("--detector", default="auto", help="NAME or PATH")
    parser.add_argument("--every", type=int, default=10, help="look at one frame of so many")
    parser.add_argument("--frames", type=int, help="stop after so many")
    arguments = parser.parse_args()
    try:
        with edgeattr.load() as model, contextlib.closing(samples(arguments.pipeline)) as frames:
            finder = open_detector(arguments.detector)
            for index, sample in enumerate(frames):
                if index == arguments.frames:
                    break
                if index % arguments.every:
                    continue
                with frame_of(sample) as frame:
                    boxes = finder.detect(frame).boxes
                    predictions = model.predict_boxes(frame, boxes)
                for box, prediction in zip(boxes.round().astype(int), predictions, strict=True):
                    print(index, box.tolist(), ", ".join(prediction.present), flush=True)
    except (edgeattr.EdgeAttrError, RuntimeError) as error:
        sys.exit(f"gstreamer_appsink: {error}")


if __name__ == "__main__":
    main()
