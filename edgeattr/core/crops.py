"""From any image array to the crop that the model takes: the one resize rule.

Training, calibration and every runtime call :func:`resize_crop`, so a crop has the same pixels
wherever it is seen. The rule: stretch to (height, width); average areas (``INTER_AREA``) where
the crop shrinks in both directions, interpolate bilinearly (``INTER_LINEAR``) otherwise.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import InputError
from edgeattr.core.limits import limit_opencv

_UINT8 = np.dtype(np.uint8)
_BLOCK = 1 << 18  # values looked at between two chances to stop

limit_opencv()

Image = npt.NDArray[np.uint8]
"""A picture: uint8 [height, width, 3], blue-green-red, 0..255."""


def read_image(path: Path) -> Image:
    """Decode one image file to uint8 BGR.

    Raises:
        InputError: the file is missing, or is no image that OpenCV can decode.
    """
    if path.exists() and not path.is_file():  # a device or pipe might never end
        raise InputError(f"{path}: not a regular file")
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    try:
        image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    except cv2.error as error:
        raise InputError(
            f"{path}: OpenCV cannot decode it: {error.err}; expected at most 2**30 pixels, or what "
            "OPENCV_IO_MAX_IMAGE_PIXELS says"
        ) from error
    if image is None:
        raise InputError(f"{path}: not an image that OpenCV can decode ({content.size} bytes)")
    return image.astype(np.uint8, copy=False)


def as_bgr(image: npt.ArrayLike, *, name: str = "crop") -> Image:
    """Bring one image array to uint8 BGR, or say why it cannot be done.

    Args:
        image: [h, w], [h, w, 1] grey, [h, w, 3] BGR or [h, w, 4] BGRA. Integers must lie in
            0..255. Floats are taken as 0..1, or as 0..255 where any value exceeds 1.
        name: what to call the image in an error.

    Returns:
        uint8 [h, w, 3], BGR. The input itself where it already is that.

    Raises:
        InputError: wrong number of dimensions or channels, no pixels, not numeric, NaN or
            values outside 0..255.
    """
    array = _picture(image, name)
    return _bgr(array, name, in_unit=_in_unit(array))


def resize_crop(image: Image, height: int, width: int, out: Image | None = None) -> Image:
    """Stretch a BGR crop to the model's input size by the rule above.

    Args:
        image: uint8 [h, w, 3].
        height: rows of the result.
        width: columns of the result.
        out: uint8 [height, width, 3], contiguous, to write into; allocated if None.

    Returns:
        uint8 [height, width, 3].
    """
    if image.shape[:2] == (height, width):
        if out is None:
            return np.ascontiguousarray(image)
        out[...] = image
        return out
    shrinks = image.shape[0] > height and image.shape[1] > width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(image, (width, height), dst=out, interpolation=method)
    return resized.astype(np.uint8, copy=False)


def fill_crops(
    crops: Sequence[npt.ArrayLike] | npt.NDArray[Any],
    out: npt.NDArray[np.uint8],
    *,
    first: int = 0,
) -> None:
    """Resize crops of any size into a batch that is there already.

    Args:
        crops: images that :func:`as_bgr` takes.
        out: uint8 [n, height, width, 3], contiguous; receives ``crops[first : first + n]``, BGR.
        first: the first crop that is taken.

    Raises:
        InputError: an image cannot be used; the text gives its place in ``crops``.
    """
    height, width = out.shape[1:3]
    for index, place in enumerate(out, first):
        image = crops[index]
        if not is_bgr(image):
            image = as_bgr(image, name=f"crop {index}")
        resize_crop(image, height, width, out=place)


def is_bgr(image: object) -> TypeGuard[Image]:
    """Whether this is uint8 [h, w, 3] with pixels already: quick, as it is asked of every crop."""
    return (
        type(image) is np.ndarray
        and image.dtype == _UINT8
        and image.ndim == 3
        and image.shape[2] == 3
        and image.size > 0
    )


def stack_crops(
    crops: Sequence[npt.ArrayLike] | npt.NDArray[Any], height: int, width: int
) -> npt.NDArray[np.uint8]:
    """Resize crops of any size into one batch.

    Args:
        crops: images that :func:`as_bgr` takes; may be empty.
        height: rows of the model's input.
        width: columns of the model's input.

    Returns:
        uint8 [N, height, width, 3], BGR, contiguous.

    Raises:
        InputError: an image cannot be used; the text gives its place in ``crops``.
    """
    batch = np.empty((len(crops), height, width, 3), np.uint8)
    fill_crops(crops, batch)
    return batch


def cut_boxes(
    frame: npt.ArrayLike, boxes: Sequence[Sequence[float] | npt.NDArray[Any]] | npt.NDArray[Any]
) -> list[Image]:
    """What lies inside boxes, as uint8 BGR.

    Only the crops are converted. Of a frame that is uint8 BGR they are views: nothing is copied.

    Args:
        frame: one picture, as :func:`as_bgr` takes it.
        boxes: left, top, right, bottom of each, pixels; what lies outside the frame is cut off.

    Raises:
        InputError: no picture, no list of boxes, a box is not four numbers, nothing of it lies
            inside the frame, or what lies there has values that no picture has.
    """
    array = _picture(frame, "the frame")
    views = _views(array, boxes)
    if is_bgr(array) or not views:
        return views
    in_unit = all(map(_in_unit, views)) and _in_unit(array)
    return [
        _bgr(view, f"the frame in box {index}", in_unit=in_unit) for index, view in enumerate(views)
    ]


def evenly(total: int, count: int) -> npt.NDArray[np.int64]:
    """Up to ``count`` positions in a list of ``total``, from the first to the last, sorted."""
    return np.unique(np.linspace(0, total - 1, count).astype(np.int64))


def _views(
    frame: npt.NDArray[Any],
    boxes: Sequence[Sequence[float] | npt.NDArray[Any]] | npt.NDArray[Any],
) -> list[npt.NDArray[Any]]:
    height, width = frame.shape[:2]
    views = []
    try:
        rows = list(boxes)
    except TypeError as error:
        raise InputError(
            f"boxes are {type(boxes).__name__}; expected a list of [left, top, right, bottom] in "
            "pixels, [] where there is nobody"
        ) from error
    for index, box in enumerate(rows):
        try:
            left, top, right, bottom = (float(value) for value in box)
            x0, x1 = max(0, round(left)), min(width, round(right))
            y0, y1 = max(0, round(top)), min(height, round(bottom))
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"box {index} is {box!r}; expected left, top, right, bottom in pixels"
            ) from error
        if x0 >= x1 or y0 >= y1:
            raise InputError(
                f"box {index} ({left:g}, {top:g}, {right:g}, {bottom:g}) has no pixels inside the "
                f"frame of {width}x{height}; leave it out"
            )
        views.append(frame[y0:y1, x0:x1])
    return views


def _picture(image: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """An array [h, w, channels] with pixels, its values as they are."""
    try:
        array = np.asarray(image)
    except (TypeError, ValueError) as error:  # rows of different lengths, a PyTorch GPU tensor
        raise InputError(
            f"{name}, a {type(image).__name__}, is no array of pixels: {error}. Pass a NumPy array "
            "[height, width, 3], uint8, BGR, as cv2.imread gives"
        ) from error
    if array.ndim == 0:
        given = "None" if image is None else f"{reprlib.repr(image)} ({type(image).__name__})"
        raise InputError(
            f"{name} is {given}; expected the pixels of a picture, as cv2.imread(path) gives them; "
            "it gives None where it cannot read the file"
        )
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise InputError(
            f"{name} has shape {array.shape}; expected [height, width] or "
            "[height, width, channels] with 1, 3 or 4 channels (BGR order)"
        )
    if array.shape[0] == 0 or array.shape[1] == 0:
        raise InputError(f"{name} has no pixels (shape {array.shape}); leave empty boxes out")
    return array


def _in_unit(array: npt.NDArray[Any]) -> bool:
    """Whether these are floats none of which exceeds 1: shares of full brightness."""
    if array.dtype.kind != "f":
        return False
    rows = max(1, _BLOCK // array[0].size)
    return not any(array[first : first + rows].max() > 1.0 for first in range(0, len(array), rows))


def _bgr(array: npt.NDArray[Any], name: str, *, in_unit: bool) -> Image:
    array = _as_uint8(array, name, in_unit=in_unit)
    if array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    return array[:, :, :3]


def _as_uint8(array: npt.NDArray[Any], name: str, *, in_unit: bool) -> npt.NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf":
        raise InputError(f"{name} has dtype {array.dtype}; expected uint8 0..255 or float 0..1")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0.0 and high <= 255.0):  # NaN fails both comparisons
        raise InputError(
            f"{name} has values from {low:g} to {high:g}; expected uint8 0..255 or float 0..1 "
            "(undo any mean and standard deviation normalisation: the model does its own)"
        )
    scaled = array * (255.0 if in_unit else 1.0)
    pixels: npt.NDArray[np.uint8] = np.rint(scaled).astype(np.uint8)
    return pixels
