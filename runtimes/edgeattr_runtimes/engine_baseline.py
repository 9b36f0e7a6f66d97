"""An engine's own calls, as one would write them without edgeattr: what it is measured against."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle import Bundle, Variant
from edgeattr.core.errors import UsageError
from edgeattr_runtimes.onnx_engine import open_session
from edgeattr_runtimes.openvino_engine import compile_network, read_network
from edgeattr_runtimes.protocol import RuntimeInfo, batch_size

__all__ = ["raw_call"]

Batches = list[npt.NDArray[np.uint8]]


@contextlib.contextmanager
def raw_call(
    bundle: Bundle, variant: Variant, about: RuntimeInfo, crops: npt.NDArray[np.uint8]
) -> Iterator[Callable[[], object]]:
    """A call that scores ready-made crops with the engine alone.

    Threads, streams and batches are those of our engine, so that what is left is what we add.

    Args:
        bundle: the model.
        variant: one of its variants.
        about: what our engine says of itself; a CPU's.
        crops: uint8 [N, H, W, 3], N at least 1.

    Raises:
        UsageError: an engine that has no such call here.
    """
    size = batch_size(len(crops), about.batch, about.streams)
    batches = [crops[start : start + size] for start in range(0, len(crops), size)]
    content = bundle.read_file(variant)
    if about.engine == "onnxruntime" and about.device == "CPU":
        with _onnxruntime(content, about, batches) as call:
            yield call
    elif about.engine == "openvino" and about.device == "CPU":
        yield _openvino(content, about, batches)
    else:
        raise UsageError(
            f"{about.engine} on {about.device} cannot be timed raw; onnxruntime and openvino can, "
            "on a CPU"
        )


@contextlib.contextmanager
def _onnxruntime(
    content: bytes, about: RuntimeInfo, batches: Batches
) -> Iterator[Callable[[], object]]:
    at_once = min(about.streams, len(batches))
    session = open_session(content, max(1, about.threads - at_once + 1))
    name = session.get_inputs()[0].name

    def run(batch: npt.NDArray[np.uint8]) -> object:
        return session.run(["logits"], {name: batch})

    if len(batches) == 1:
        yield lambda: run(batches[0])
        return
    with ThreadPoolExecutor(at_once) as workers:
        yield lambda: list(workers.map(run, batches))


def _openvino(content: bytes, about: RuntimeInfo, batches: Batches) -> Callable[[], object]:
    import openvino

    model = read_network(content)
    at_once = min(about.streams, len(batches))
    queues = {
        size: openvino.AsyncInferQueue(
            compile_network(
                model,
                size,
                threads=about.threads,
                streams=at_once,
                precision=about.precision,
                half=about.arithmetic != "f32",
            ),
            at_once,
        )
        for size in {len(batch) for batch in batches}
    }
    if len(batches) == 1:
        request = next(iter(queues.values()))[0]
        return lambda: request.infer({0: batches[0]}, share_inputs=True)

    def call() -> None:
        for batch in batches:
            queues[len(batch)].start_async({0: batch}, share_inputs=True)
        for waiting in queues.values():
            waiting.wait_all()

    return call
