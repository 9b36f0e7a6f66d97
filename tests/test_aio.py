"""A model in an asyncio program."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

import edgeattr
from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError, RuntimeFailure


def _crops() -> list[Image]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (90, 40, 3), dtype=np.uint8) for _ in range(3)]


def test_calls_are_answered_beside_the_loop() -> None:
    async def program() -> None:
        async with edgeattr.AsyncModel(edgeattr.load()) as model:
            expected = model.model.logits(_crops())
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    ticks += 1
                    await asyncio.sleep(0)

            ticking = asyncio.create_task(tick())
            answers = await asyncio.gather(*(model.predict(_crops()) for _ in range(6)))
            ticking.cancel()
            assert ticks > 20, "the loop was not held up"
            for predictions in answers:
                found = np.stack([prediction.logits for prediction in predictions])
                assert np.nanmax(np.abs(found - expected)) < 0.05
            (boxed,) = await model.predict_boxes(_crops()[0], [(0, 0, 40, 90)])
            assert np.nanmax(np.abs(boxed.logits - expected[0])) < 0.05
            (explained,) = await model.explain(_crops()[:1])
            assert abs(float(explained.masks["hat"][0].sum()) - 1) < 1e-5
            with pytest.raises(InputError, match="crop 0"):
                await model.predict([np.zeros((0, 3, 3))])
        with pytest.raises(RuntimeFailure, match="closed"):
            await model.predict(_crops())
        await model.close()

    asyncio.run(program())


def test_no_more_is_taken_than_can_be_served(monkeypatch: pytest.MonkeyPatch) -> None:
    async def program() -> None:
        model = edgeattr.AsyncModel(edgeattr.load(streams=1))
        running, most, calls, lock = 0, 0, 0, threading.Lock()

        def predict(crops: object) -> list[edgeattr.Prediction]:
            nonlocal running, most, calls
            with lock:
                running, calls = running + 1, calls + 1
                most = max(most, running)
            time.sleep(0.05)
            with lock:
                running -= 1
            return []

        monkeypatch.setattr(model.model, "predict", predict)
        tasks = [asyncio.create_task(model.predict([])) for _ in range(5)]
        await asyncio.sleep(0.02)
        assert calls == 1
        tasks[1].cancel()  # it waits
        tasks[4].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(each, asyncio.CancelledError) for each in done] == [
            False, True, False, False, True,
        ]  # fmt: skip
        assert (most, calls) == (1, 3)
        await model.close()

    asyncio.run(program())


def test_one_loop_after_the_other() -> None:
    model = edgeattr.AsyncModel(edgeattr.load(streams=1))

    async def program() -> None:
        answers = await asyncio.gather(*(model.predict(_crops()) for _ in range(3)))
        assert [len(predictions) for predictions in answers] == [3, 3, 3]

    asyncio.run(program())
    asyncio.run(program())
    asyncio.run(model.close())


def test_a_call_that_is_cancelled_keeps_its_place_while_it_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def program() -> None:
        model = edgeattr.AsyncModel(edgeattr.load(streams=1))
        ended, calls = threading.Event(), 0

        def predict(crops: object) -> list[edgeattr.Prediction]:
            nonlocal calls
            calls += 1
            ended.wait(5)
            return []

        monkeypatch.setattr(model.model, "predict", predict)
        for _ in range(4):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(model.predict([]), 0.02)
        assert calls == 1, "the others were never taken"
        ended.set()
        assert await model.predict([]) == []
        await model.close()

    asyncio.run(program())
