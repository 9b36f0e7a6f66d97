"""TensorRT on an NVIDIA GPU: runs ``tensorrt-*`` variants, by engines built on first use."""

from __future__ import annotations

import contextlib
from typing import Any

from edgeattr.core.bundle import Bundle, Variant
from edgeattr.core.errors import RuntimeFailure, UsageError
from edgeattr_runtimes.cuda_memory import first_gpu
from edgeattr_runtimes.engine import Engine
from edgeattr_runtimes.protocol import EngineOptions
from edgeattr_runtimes.tensorrt_build import engine_from_variant
from edgeattr_runtimes.tensorrt_installed import import_installed
from edgeattr_runtimes.tensorrt_plan import INPUT, OUTPUT, BuildOptions, shares_profiles
from edgeattr_runtimes.tensorrt_request import CONTEXTS, TensorrtRequest

__all__ = ["TensorrtEngine", "devices"]

_STREAMS = 2  # one batch is copied while another computes
_DEVICES = ("cuda", "gpu")


def devices() -> tuple[str, ...]:
    """What can be asked for here, two names of the first GPU that CUDA shows.

    Raises:
        MissingDependency: PyCUDA is not installed.
        RuntimeFailure: it cannot be used.
    """
    first_gpu()
    return _DEVICES


class TensorrtEngine(Engine):
    """A variant loaded into TensorRT. The first load on a device builds its engine, for minutes.

    Args:
        bundle: the model.
        variant: one of its ``tensorrt-*`` variants.
        options: ``device`` is ``cuda`` or ``gpu``, the first GPU; ``threads`` is not used. Each of
            ``streams`` holds memory for a largest ``batch`` of its own.

    Raises:
        MissingDependency: TensorRT or PyCUDA is not installed.
        UsageError: no such device, or attention masks are asked for, which these variants do not
            have.
        RuntimeFailure: there is no GPU that can be used, or TensorRT cannot build the engine.
        OutputError: the cache of engines cannot be written.
    """

    def __init__(self, bundle: Bundle, variant: Variant, options: EngineOptions) -> None:
        if options.attention:
            raise UsageError("tensorrt gives no attention masks; use --runtime onnxruntime")
        if options.device not in (None, *_DEVICES):
            raise UsageError(
                f"tensorrt has no device {options.device!r}; there are: {', '.join(_DEVICES)}. "
                "For others use --runtime onnxruntime or openvino"
            )
        trt = import_installed("tensorrt")
        gpu = first_gpu()
        streams = options.streams or _STREAMS
        build = _build_options(trt, streams, options.batch or BuildOptions.max_batch)
        shape = (build.max_batch, bundle.input.height, bundle.input.width, 3)
        with gpu.active(), contextlib.ExitStack() as made:
            engine = engine_from_variant(bundle, variant, gpu, build)
            _check_tensors(trt, engine, len(bundle.schema))
            requests = []
            for number in range(streams):
                request = TensorrtRequest(trt, gpu, engine, number, shape, len(bundle.schema))
                made.callback(request.close)
                requests.append(request)
            super().__init__(
                bundle,
                variant,
                requests,
                engine="tensorrt",
                version=str(trt.__version__),
                device=gpu.name,
                threads=1,
            )
            made.pop_all()


def _build_options(trt: Any, streams: int, batch: int) -> BuildOptions:
    return BuildOptions(
        opt_batch=min(BuildOptions.opt_batch, batch),
        max_batch=batch,
        profiles=1 if shares_profiles(trt) else streams * CONTEXTS,
    )


def _check_tensors(trt: Any, engine: Any, attributes: int) -> None:
    """Refuse an engine whose tensors would not fit the memory that is set aside for them."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    found = {name: engine.get_tensor_dtype(name) for name in names}
    expected = {INPUT: trt.DataType.UINT8, OUTPUT: trt.DataType.FLOAT}
    shape = tuple(engine.get_tensor_shape(OUTPUT)) if OUTPUT in found else ()
    if found != expected or shape[1:] != (attributes,):
        raise RuntimeFailure(
            f"the engine has tensors {found} and logits of {shape}; expected {expected} and "
            f"logits [batch, {attributes}]. Make the variant again: edgeattr convert --to tensorrt"
        )
