"""H.264 settings beside each other: processor time a frame, size, and look (SSIM).

    python benchmarks/encoding.py VIDEO [--height 720] [--frames 60]

The first row is what version 0.1 wrote, the second what annotated videos are written with now.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.outputs.video_file import ENCODERS
from edgeattr_runtimes.device import device_name

_SETTINGS: tuple[tuple[str, dict[str, str]], ...] = (  # conversion to YUV, options of x264
    ("swscale", {"preset": "veryfast", "crf": "23"}),
    ("opencv", ENCODERS["libx264"]),
    ("opencv", {"preset": "veryfast", "crf": "23"}),
    ("opencv", {"preset": "superfast", "crf": "23", "x264-params": "rc-lookahead=0:bframes=0"}),
    ("opencv", {"preset": "ultrafast", "crf": "20"}),
)
_Picture = npt.NDArray[np.uint8]


def encoded(
    frames: list[_Picture], conversion: str, options: dict[str, str]
) -> tuple[float, bytes]:
    """Seconds of processor time, and the file."""
    file = io.BytesIO()
    height, width = frames[0].shape[:2]
    before = time.process_time()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(converted(frame, conversion)))
        container.mux(stream.encode(None))
    return time.process_time() - before, file.getvalue()


def converted(frame: _Picture, conversion: str) -> av.VideoFrame:
    """A frame for the encoder; swscale converts inside it."""
    if conversion == "swscale":
        return av.VideoFrame.from_ndarray(frame, format="bgr24")
    planes = cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420)
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


def ssim(one: _Picture, other: _Picture) -> float:
    """Structural similarity of the grey pictures (Wang et al. 2004), Gaussian windows."""
    a, b = (cv2.cvtColor(it, cv2.COLOR_BGR2GRAY).astype(np.float64) for it in (one, other))

    def mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5))

    mean_a, mean_b = mean(a), mean(b)
    variances = mean(a * a) - mean_a**2 + mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    first, second = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = ((2 * mean_a * mean_b + first) * (2 * covariance + second)) / (
        (mean_a**2 + mean_b**2 + first) * (variances + second)
    )
    return float(similarity.mean())


def main() -> None:
    """Encode the same frames with each setting, in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--frames", type=int, default=60)
    arguments = parser.parse_args()
    frames: list[_Picture] = []
    with av.open(str(arguments.video)) as container:
        for frame in container.decode(video=0):
            width = round(frame.width * arguments.height / frame.height / 2) * 2
            picture = frame.to_ndarray(format="bgr24")
            frames.append(cv2.resize(picture, (width, arguments.height)).astype(np.uint8))
            if len(frames) == arguments.frames:
                break
    times: dict[int, list[float]] = {index: [] for index in range(len(_SETTINGS))}
    files: dict[int, bytes] = {}
    for _ in range(3):
        for index, (conversion, options) in enumerate(_SETTINGS):
            seconds, files[index] = encoded(frames, conversion, options)
            times[index].append(seconds)
    print(f"{device_name()}; {len(frames)} frames of {frames[0].shape[1]}x{frames[0].shape[0]}")
    for index, (conversion, options) in enumerate(_SETTINGS):
        with av.open(io.BytesIO(files[index])) as container:
            decoded = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
        look = np.mean([ssim(a, b) for a, b in list(zip(frames, decoded, strict=True))[::5]])
        cost = 1000 * min(times[index]) / len(frames)
        size = len(files[index]) / len(frames) / 1024
        print(
            f"{cost:6.1f} ms/frame  {size:6.1f} KiB/frame  SSIM {look:.4f}  {conversion} {options}"
        )


if __name__ == "__main__":
    main()
