"""TensorRT engines, built on this GPU when they are not kept under ``EDGEATTR_HOME/engines``.

tensorrt-int8-3f0c....engine         what was built
tensorrt-int8-3f0c....engine.json    what it was built from and for, and its SHA-256
tensorrt-int8-3f0c....engine.log     what TensorRT said while it built
tensorrt-int8-3f0c....engine.lock    held while a process looks for it or builds it
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edgeattr.core.errors import OutputError, RuntimeFailure
from edgeattr.core.hub import home
from edgeattr_runtimes.compiled_cache import (
    beside,
    entry_path,
    read_entry,
    unwritable,
    write_entry,
)
from edgeattr_runtimes.cuda import Gpu
from edgeattr_runtimes.tensorrt_installed import import_installed
from edgeattr_runtimes.tensorrt_log import listening, logger_of
from edgeattr_runtimes.tensorrt_plan import BuildOptions, plan_from_onnx

_log = logging.getLogger(__name__)


def engine_from_onnx(
    name: str,
    sha256: str,
    read: Callable[[], bytes],
    gpu: Gpu,
    precision: str,
    options: BuildOptions,
) -> Any:
    """The engine of an ONNX file, a ``tensorrt.ICudaEngine``. Call with the GPU active.

    A cached engine that is damaged, was built for something else, or that TensorRT does not take
    is built again. Processes that want the same engine wait for the one that builds it.

    Args:
        name: what the file's entries are called: ``tensorrt-int8``.
        sha256: of the file.
        read: returns its content; called where the engine is built.
        gpu: to build for.
        precision: see :func:`plan_from_onnx`.
        options: see :class:`BuildOptions`.

    Raises:
        MissingDependency: TensorRT is not installed.
        RuntimeFailure: TensorRT cannot build it.
        OutputError: the cache cannot be written.
        Exception: what ``read`` raises.
    """
    trt = import_installed("tensorrt")
    facts = engine_facts(trt, gpu, sha256, precision, options)
    path = entry_path(f"{name}.engine", facts)
    with locked(path), listening(logger_of(trt)) as heard:
        content = read_entry(path, facts)
        engine = None if content is None else _deserialize(trt, content)
        if engine is None:
            _log.warning("building %s for %s: takes minutes, once", name, gpu.name)
            content = _build(read(), precision, _device_facts(trt, gpu), options, path)
            write_entry(path, content, facts)
            engine = _deserialize(trt, content)
        if engine is None:
            raise RuntimeFailure(
                f"TensorRT {trt.__version__} cannot load the {name} engine that it just built on "
                f"{gpu.name}: {heard.last()}. Close other programs that use the GPU, or use "
                "--runtime onnxruntime"
            )
        return engine


def engine_facts(
    trt: Any, gpu: Gpu, sha256: str, precision: str, options: BuildOptions
) -> dict[str, Any]:
    """All that an engine depends on: the cache's key."""
    about = json.loads(json.dumps(dataclasses.asdict(options)))  # as it is read again
    return {"variant": sha256, "precision": precision, "options": about, **_device_facts(trt, gpu)}


def _device_facts(trt: Any, gpu: Gpu) -> dict[str, Any]:
    """What an engine, and a tactic's timing, hold for: not one of these may differ."""
    return {
        "gpu": gpu.name,
        "compute_capability": gpu.compute_capability,
        "driver": gpu.driver,
        "tensorrt": str(trt.__version__),
    }


def _build(
    model: bytes, precision: str, device: dict[str, Any], options: BuildOptions, path: Path
) -> bytes:
    """Build, and keep the tactics' timing, which other files' builds profit from too."""
    timing, log = entry_path("timing.cache", device), beside(path, ".log")
    try:
        plan = plan_from_onnx(
            model,
            precision=precision,
            options=options,
            log=log,
            timing=read_entry(timing, device) or b"",
        )
    except OSError as error:
        raise OutputError(f"cannot write {log}: {error}; make room there") from error
    write_entry(timing, plan.timing, device)
    return plan.engine


def forget(variant: str) -> None:
    """Remove the entries that were made of a variant.

    What cannot be removed stays, and so does an entry that a process looks for or builds just now.

    Args:
        variant: the SHA-256 of its file, the fact ``variant`` in an entry's description.
    """
    for described in (home() / "engines").glob("*.engine.json"):
        if _variant(described) == variant:
            _remove(described.with_suffix(""))


def _remove(path: Path) -> None:
    """Remove an entry, unless somebody holds its lock, which stays."""
    with contextlib.suppress(OSError, OutputError), locked(path, wait=False):
        for suffix in ("", ".json", ".log"):
            beside(path, suffix).unlink(missing_ok=True)


def _variant(described: Path) -> object:
    """What a description names as the variant, or nothing where it cannot be read."""
    try:
        return json.loads(described.read_text())["facts"]["variant"]
    except (OSError, ValueError, LookupError, TypeError):
        return None


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Keep other processes and threads from this entry until the block ends.

    The lock goes with the process that holds it, so one that is killed blocks nobody.

    Raises:
        BlockingIOError: somebody else holds it, and this one is not to wait.
        OutputError: the cache's folder cannot be written to.
    """
    lock = beside(path, ".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


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
