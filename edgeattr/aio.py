"""A model for asyncio programs: calls run beside the event loop, and no more than it can serve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from edgeattr.errors import RuntimeFailure
from edgeattr.model import AttributeModel, Boxes, Crops, ImageLike
from edgeattr.prediction import Prediction

__all__ = ["AsyncModel"]

_Result = TypeVar("_Result")


class AsyncModel:
    """An :class:`edgeattr.AttributeModel` whose calls are awaited.

    As many calls run at once as the engine has streams; up to ``waiting`` more wait for their turn
    in order. Beyond that a call waits before it takes anything, so that a burst of frames costs
    no memory. A call that is cancelled while it waits is never run.

    Args:
        model: what is called; closed with this.
        waiting: calls that may wait inside.

    Example:
        >>> async with edgeattr.AsyncModel(edgeattr.load()) as model:
        ...     predictions = await model.predict(crops)
    """

    def __init__(self, model: AttributeModel, *, waiting: int = 16) -> None:
        at_once = model.describe().streams
        self.model = model
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="edgeattr-aio")
        self._places = asyncio.Semaphore(at_once + waiting)
        self._closed = False

    async def predict(self, crops: Crops) -> list[Prediction]:
        """Arguments, result and errors as of :meth:`edgeattr.AttributeModel.predict`."""
        return await self._run(lambda: self.model.predict(crops))

    async def predict_boxes(self, frame: ImageLike, boxes: Boxes) -> list[Prediction]:
        """As :meth:`edgeattr.AttributeModel.predict_boxes`; leave the frame as it is meanwhile."""
        return await self._run(lambda: self.model.predict_boxes(frame, boxes))

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
        async with self._places:
            if self._closed:
                raise RuntimeFailure("this model was closed; load it again")
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _close(self) -> None:
        self._threads.shutdown()
        self.model.close()
