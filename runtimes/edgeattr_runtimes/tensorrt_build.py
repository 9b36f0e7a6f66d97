"""A variant's TensorRT engine: from the cache, or built on this GPU when it is not there."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

from edgeattr.core.bundle import Bundle, Variant
from edgeattr.core.errors import OutputError, RuntimeFailure
from edgeattr_runtimes.cuda_memory import Gpu
from edgeattr_runtimes.tensorrt_cache import beside, entry_path, locked, read_entry, write_entry
from edgeattr_runtimes.tensorrt_installed import import_installed
from edgeattr_runtimes.tensorrt_log import listening, logger_of
from edgeattr_runtimes.tensorrt_plan import BuildOptions, plan_from_onnx

__all__ = ["device_facts", "engine_facts", "engine_from_variant"]

_log = logging.getLogger(__name__)


def device_facts(trt: Any, gpu: Gpu) -> dict[str, Any]:
    """What an engine, and a tactic's timing, hold for: not one of these may differ."""
    return {
        "gpu": gpu.name,
        "compute_capability": gpu.compute_capability,
        "driver": gpu.driver,
        "tensorrt": str(trt.__version__),
    }


def engine_facts(trt: Any, gpu: Gpu, variant: Variant, options: BuildOptions) -> dict[str, Any]:
    """All that a variant's engine depends on: the cache's key."""
    return {
        "variant": variant.sha256,
        "precision": variant.precision,
        "options": dataclasses.asdict(options),
        **device_facts(trt, gpu),
    }


def engine_from_variant(
    bundle: Bundle, variant: Variant, gpu: Gpu, options: BuildOptions | None = None
) -> Any:
    """The variant's engine, a ``tensorrt.ICudaEngine``. Call with the GPU active.

    A cached engine that is damaged, was built for something else, or that TensorRT does not take
    is built again. Processes that want the same engine wait for the one that builds it.

    Args:
        bundle: the model.
        variant: one of its ``tensorrt-*`` variants: an ONNX file.
        gpu: to build for.
        options: see :class:`BuildOptions`.

    Raises:
        MissingDependency: TensorRT is not installed.
        BundleError: the variant's file is damaged.
        RuntimeFailure: TensorRT cannot build it.
        OutputError: the cache cannot be written.
    """
    trt = import_installed("tensorrt")
    options = options or BuildOptions()
    facts = engine_facts(trt, gpu, variant, options)
    path = entry_path(f"{variant.name}.engine", facts)
    with locked(path), listening(logger_of(trt)) as heard:
        content = read_entry(path, facts)
        engine = None if content is None else _deserialize(trt, content)
        if engine is None:
            content = _build(bundle, variant, device_facts(trt, gpu), options, beside(path, ".log"))
            write_entry(path, content, facts)
            engine = _deserialize(trt, content)
        if engine is None:
            raise RuntimeFailure(
                f"TensorRT {trt.__version__} cannot load the {variant.name} engine that it just "
                f"built on {gpu.name}: {heard.last()}. Close other programs that use the GPU, or "
                "use --runtime onnxruntime"
            )
        return engine


def _build(
    bundle: Bundle, variant: Variant, device: dict[str, Any], options: BuildOptions, log: Path
) -> bytes:
    """Build, and keep the tactics' timing, which other variants' builds profit from too."""
    timing = entry_path("timing.cache", device)
    _log.warning("building %s for %s: takes minutes, once", variant.name, device["gpu"])
    try:
        plan = plan_from_onnx(
            bundle.read_file(variant),
            precision=variant.precision,
            size=(bundle.input.height, bundle.input.width),
            options=options,
            log=log,
            timing=read_entry(timing, device) or b"",
        )
    except OSError as error:
        raise OutputError(f"cannot write {log}: {error}; make room there") from error
    write_entry(timing, plan.timing, device)
    return plan.engine


def _deserialize(trt: Any, content: bytes) -> Any:
    """The engine in a plan, or nothing where TensorRT does not take it.

    Raises:
        RuntimeFailure: TensorRT cannot use the GPU.
    """
    with listening(logger_of(trt)) as heard:
        try:
            runtime = trt.Runtime(logger_of(trt))
            return runtime.deserialize_cuda_engine(content)
        except TypeError as error:  # the bindings' way to say that it was not made
            raise RuntimeFailure(
                f"TensorRT {trt.__version__} cannot use the GPU: {heard.last()}. Install the "
                "TensorRT and the NVIDIA driver of one CUDA release, or use --runtime onnxruntime"
            ) from error
