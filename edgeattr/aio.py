"""A model for asyncio programs: calls run beside the event loop, as many as it can serve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from edgeattr.core.errors import RuntimeFailure
from edgeattr.core.prediction import Prediction
from edgeattr.explain.attention_maps import Explanation
from edgeattr.model import AttributeModel, Boxes, Crops, ImageLike

_Result = TypeVar("_Result")


class AsyncModel:
    """An :class:`edgeattr.AttributeModel` whose calls are awaited.

    As many calls run at once as the engine has streams; the others wait in order, and one that is
    cancelled meanwhile is never run. One that is cancelled while it runs goes on to its end: leave
    its frame as it is until then.

    Args:
        model: what is called; closed with this.

    Example:
        >>> async with edgeattr.AsyncModel(edgeattr.load()) as model:
        ...     predictions = await model.predict(crops)
    """

    def __init__(self, model: AttributeModel) -> None:
        self.model = model
        self._at_once = model.describe().streams
        self._threads = ThreadPoolExecutor(self._at_once, thread_name_prefix="edgeattr-aio")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places = asyncio.Semaphore(self._at_once)
        self._closed = False

    async def predict(self, crops: Crops) -> list[Prediction]:
        """Arguments, result and errors as of :meth:`edgeattr.AttributeModel.predict`."""
        return await self._run(lambda: self.model.predict(crops))

    async def predict_boxes(self, frame: ImageLike, boxes: Boxes) -> list[Prediction]:
        """As :meth:`edgeattr.AttributeModel.predict_boxes`; leave the frame as it is meanwhile."""
        return await self._run(lambda: self.model.predict_boxes(frame, boxes))

    async def explain(self, crops: Crops) -> list[Explanation]:
        """Arguments, result and errors as of :meth:`edgeattr.AttributeModel.explain`."""
        return await self._run(lambda: self.model.explain(crops))

    async def close(self) -> None:
        """Let the calls that run end, then release the engine. May be called twice."""
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(None, self._close)

    async def __aenter__(self) -> AsyncModel:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run(self, call: Callable[[], _Result]) -> _Result:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a program may have one after the other
            self._loop, self._places = loop, asyncio.Semaphore(self._at_once)
        places = self._places
        await places.acquire()
        if self._closed:
            places.release()
            raise RuntimeFailure("this model was closed; load it again")
        running = loop.run_in_executor(self._threads, call)

        def done(future: asyncio.Future[_Result]) -> None:
            places.release()
            if not future.cancelled():
                future.exception()  # nobody may be left to ask for it

        running.add_done_callback(done)
        return await asyncio.shield(running)

    def _close(self) -> None:
        self._threads.shutdown()
        self.model.close()
