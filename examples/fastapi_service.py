"""A microservice with FastAPI: pictures of people in, attributes out.

    pip install edgeattr fastapi python-multipart uvicorn
    uvicorn --app-dir examples fastapi_service:app --limit-concurrency 64
    curl -F image=@person.jpg http://127.0.0.1:8000/predict
    curl -F images=@a.jpg -F images=@b.jpg http://127.0.0.1:8000/predict/batch

Each picture shows one person. Pictures stay in memory, at most 16 MiB a request, and are not kept.
EDGEATTR_MODEL names another bundle. Each process has a model of its own: with `--workers 2` set
EDGEATTR_THREADS to the cores that each may use.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(25_000_000))  # small files may be bombs
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

import cv2
import numpy as np
import numpy.typing as npt
from fastapi import FastAPI, File, HTTPException, Request, UploadFile
from fastapi.responses import JSONResponse
from starlette.formparsers import MultiPartParser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import edgeattr
from edgeattr.core.crops import resize_crop

_MAX_BYTES = 16 << 20  # of a request
_MAX_IMAGES = 64  # in a request
_MAX_WAITING = 256  # pictures that wait for the model, of all requests: more are sent away

MultiPartParser.spool_max_size = _MAX_BYTES  # no picture goes to a temporary file


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the model before the first request, and close it after the last."""
    threads = int(os.environ.get("EDGEATTR_THREADS", "0")) or None
    model = edgeattr.load(os.environ.get("EDGEATTR_MODEL"), threads=threads)
    async with edgeattr.AsyncModel(model) as app.state.model:
        app.state.waiting = 0
        yield


class LimitedBody:
    """Refuses requests that are too large, whether or not they say so beforehand."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See https://asgi.readthedocs.io."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = HTTPException(413, f"more than {_MAX_BYTES >> 20} MiB in one request")
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > _MAX_BYTES:
            answer = JSONResponse({"detail": refusal.detail}, refusal.status_code)
            await answer(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > _MAX_BYTES:
                raise refusal
            return message

        await self._app(scope, counted, send)


app = FastAPI(title="edgeattr", version=edgeattr.__version__, lifespan=lifespan)
app.add_middleware(LimitedBody)


@app.exception_handler(edgeattr.EdgeAttrError)
async def failed(request: Request, error: edgeattr.EdgeAttrError) -> JSONResponse:
    """The engine failed, or is being closed."""
    return JSONResponse({"detail": str(error)}, 503)


@app.get("/health")
async def health(request: Request) -> dict[str, Any]:
    """Whether the model is there, and what runs it."""
    about = request.app.state.model.model.describe()
    what = {"engine": about.engine, "precision": about.precision}
    return {"status": "ok", **what, "waiting": request.app.state.waiting}


@app.post("/predict")
async def predict(request: Request, image: Annotated[UploadFile, File()]) -> dict[str, Any]:
    """Attributes of the person in one picture."""
    return (await _predict(request, [image]))[0]


@app.post("/predict/batch")
async def predict_batch(
    request: Request, images: Annotated[list[UploadFile], File()]
) -> dict[str, Any]:
    """Attributes of the person in each picture, in order. One bad picture refuses the request."""
    if len(images) > _MAX_IMAGES:
        raise HTTPException(413, f"{len(images)} images in one request; at most {_MAX_IMAGES}")
    return {"predictions": await _predict(request, images)}


async def _predict(request: Request, uploads: list[UploadFile]) -> list[dict[str, Any]]:
    state = request.app.state
    if state.waiting + len(uploads) > _MAX_WAITING:
        raise HTTPException(503, "too much is waiting already", headers={"Retry-After": "1"})
    state.waiting += len(uploads)
    try:
        contents = [(upload.filename or "image", await upload.read()) for upload in uploads]
        # decoding takes as long as many requests have time for: not in the event loop
        size = state.model.model.bundle.input
        crops = await asyncio.to_thread(
            lambda: [_crop(*content, size.height, size.width) for content in contents]
        )
        predictions = await state.model.predict(crops)
    finally:
        state.waiting -= len(uploads)
    return [{"present": found.present, "attributes": found.to_json()} for found in predictions]


def _crop(name: str, content: bytes, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Decode a picture and bring it to the model's size at once: what waits stays small."""
    image = None
    with suppress(cv2.error):  # too many pixels
        if content:
            image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise HTTPException(
            422, f"{name}: {len(content)} bytes that are no picture, or one of too many pixels; "
            "expected JPEG, PNG, WebP or another format that OpenCV reads"
        )  # fmt: skip
    return resize_crop(image.astype(np.uint8, copy=False), height, width)


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=8000, limit_concurrency=64)
