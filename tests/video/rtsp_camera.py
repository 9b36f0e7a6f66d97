"""An RTSP camera for tests: GStreamer's server. Run by the system's Python, which has PyGObject.

    python3 rtsp_camera.py PORT WIDTH HEIGHT RATE [NAME...]

Serves rtsp://127.0.0.1:PORT/NAME, and takes commands on standard input, a line each:
``size WIDTH HEIGHT`` changes the picture while it runs, ``garbage`` scrambles all that is sent,
``clean`` ends that. Prints ``ready`` once it serves.
"""

import random
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

_CAPS = "video/x-raw,format=I420,width={},height={},framerate={}/1"
_LAUNCH = (
    "( videotestsrc is-live=true pattern=ball ! capsfilter name=size caps={caps} ! "
    "x264enc name=encoder tune=zerolatency speed-preset=ultrafast key-int-max={rate} ! "
    "video/x-h264,stream-format=byte-stream ! "
    "rtph264pay name=pay0 pt=96 config-interval=1 )"
)


def main() -> None:
    """Serve until killed."""
    port, width, height, rate = sys.argv[1:5]
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=port)
    camera = _Camera(rate)
    for name in sys.argv[5:] or ["stream"]:
        factory = GstRtspServer.RTSPMediaFactory(shared=True)
        factory.set_launch(_LAUNCH.format(caps=_CAPS.format(width, height, rate), rate=rate))
        factory.connect("media-configure", camera.configure)
        server.get_mount_points().add_factory(f"/{name}", factory)
    server.attach(None)
    threading.Thread(target=camera.obey, daemon=True).start()
    print("ready", flush=True)
    GLib.MainLoop().run()


class _Camera:
    def __init__(self, rate: str) -> None:
        self._rate, self._medias = rate, []
        self._garbage = self._pushing = False

    def configure(self, factory, media) -> None:
        element = media.get_element()
        self._medias.append(element)
        pad = element.get_by_name("encoder").get_static_pad("src")
        pad.add_probe(Gst.PadProbeType.BUFFER, self._scramble)

    def obey(self) -> None:
        for line in sys.stdin:
            word, *rest = line.split()
            if word == "size":
                caps = Gst.Caps.from_string(_CAPS.format(*rest, self._rate))
                for element in self._medias:
                    element.get_by_name("size").set_property("caps", caps)
            self._garbage = {"garbage": True, "clean": False}.get(word, self._garbage)

    def _scramble(self, pad, info):
        """Put noise, in the shape of a slice, in place of what the encoder made."""
        if not self._garbage or self._pushing:
            return Gst.PadProbeReturn.OK
        noise = bytes(random.getrandbits(8) | 1 for _ in range(info.get_buffer().get_size()))
        buffer = Gst.Buffer.new_wrapped(b"\0\0\0\1\x65" + noise)
        buffer.pts = info.get_buffer().pts
        self._pushing = True
        pad.push(buffer)
        self._pushing = False
        return Gst.PadProbeReturn.DROP


if __name__ == "__main__":
    main()
