"""Opening a model on an engine, and refusing what answers wrongly."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from edgeattr.core.bundle import Bundle
from edgeattr.core.bundle_files import BundleFiles
from edgeattr.core.bundle_format import Variant
from edgeattr.core.errors import (
    BundleError,
    EdgeAttrError,
    InputError,
    MissingDependency,
    OutputError,
    RuntimeFailure,
    UsageError,
)
from edgeattr.core.limits import available_cores
from edgeattr_runtimes.engines import ENGINES, REFERENCE, engine_module, missing_packages
from edgeattr_runtimes.protocol import EngineOptions, Runtime
from edgeattr_runtimes.select import Choice, candidates
from edgeattr_runtimes.session import Session


class _Closable(Protocol):
    def close(self) -> None: ...


_Opened = TypeVar("_Opened", bound=_Closable)
_DEFAULTS = EngineOptions()
_NAMES = {"onnxruntime": "ONNX Runtime", "tensorrt": "TensorRT"}
_log = logging.getLogger("edgeattr")


def open_runtime(
    bundle: Bundle,
    runtime: str = "auto",
    precision: str = "auto",
    options: EngineOptions = _DEFAULTS,
) -> Runtime:
    """Open a bundle on the best engine, and refuse to serve wrong answers.

    The variant's answers on the bundle's golden crops must agree with the reference within the
    tolerance that its conversion measured. Where engine, precision and device are left open, what
    is best but cannot be opened, or answers wrongly, makes room for the next that is proven; the
    logger ``edgeattr`` warns of it.

    Args:
        bundle: the model.
        runtime: see :func:`edgeattr_runtimes.decide`.
        precision: see :func:`edgeattr_runtimes.decide`.
        options: how the engine is to run.

    Raises:
        UsageError, RuntimeFailure, BundleError: as :func:`edgeattr_runtimes.select`, or the file
            is damaged, or the answers differ; UsageError also where the engine has no such
            device, or attention was asked of what has none.
    """
    choice, opened = open_best(bundle, runtime, precision, options)
    warn_of_others(choice)
    return opened


def warn_of_others(choice: Choice) -> None:
    """Say in the log what was better but cannot be used."""
    if choice.instead_of:
        _log.warning("%s runs, because %s", choice, "; ".join(choice.instead_of))


def open_best(
    bundle: Bundle,
    runtime: str = "auto",
    precision: str = "auto",
    options: EngineOptions = _DEFAULTS,
) -> tuple[Choice, Runtime]:
    """The same as :func:`open_runtime`, with what was chosen, and without a warning."""
    return first_that_serves(
        bundle,
        candidates(bundle, runtime, precision, options),
        lambda choice: open_variant(bundle, choice.variant, choice.engine, choice.options),
        lambda choice, opened: check_golden(bundle, choice.variant, opened),
    )


def first_that_serves(
    bundle: BundleFiles,
    choices: Iterable[Choice],
    opens: Callable[[Choice], _Opened],
    check: Callable[[Choice, _Opened], object],
) -> tuple[Choice, _Opened]:
    """The first choice that opens and answers rightly, with why those before it do not.

    Args:
        bundle: the model, for errors.
        choices: best first.
        opens: a choice; what it raises of damaged files and wrong options is raised.
        check: raises BundleError where what was opened answers wrongly.

    Raises:
        BundleError, RuntimeFailure: none does.
    """
    failures: list[tuple[Choice, EdgeAttrError]] = []
    for choice in choices:
        try:
            opened = opens(choice)
        except (MissingDependency, OutputError, RuntimeFailure) as error:
            failures.append((choice, error))
            continue
        try:
            check(choice, opened)
        except (BundleError, RuntimeFailure) as error:
            opened.close()
            failures.append((choice, error))
            continue
        except BaseException:
            opened.close()
            raise
        told = tuple(f"{other} cannot be used: {error}" for other, error in failures)
        return dataclasses.replace(choice, instead_of=told), opened
    if len(failures) == 1:
        raise failures[0][1]
    kind: type[EdgeAttrError] = RuntimeFailure
    if all(isinstance(error, BundleError) for _, error in failures):
        kind = BundleError
    raise kind(
        f"nothing can run {bundle.path or bundle.name} here; tried were "
        + "; ".join(f"{choice}: {error}" for choice, error in failures)
    ) from failures[0][1]


def open_variant(
    bundle: Bundle, variant: Variant, engine: str, options: EngineOptions = _DEFAULTS
) -> Runtime:
    """Open one variant on one engine, as it is: :func:`open_runtime` without the comparison."""
    build = getattr(engine_module(engine), ENGINES[engine].partition(":")[2])
    opened: Runtime = build(bundle, variant, options)
    return opened


def open_checkpoint(path: Path, options: EngineOptions = _DEFAULTS) -> tuple[Bundle, Runtime]:
    """Open a checkpoint of training that was not exported, in PyTorch.

    Raises:
        MissingDependency: PyTorch is not installed.
        InputError: not a checkpoint of edgeattr.
    """
    if missing := missing_packages(REFERENCE):
        raise MissingDependency(missing[0], extra="train", purpose="run a checkpoint")
    opened: tuple[Bundle, Runtime] = engine_module(REFERENCE).open_checkpoint(path, options)
    return opened


def check_golden(bundle: Bundle, variant: Variant, runtime: Runtime) -> None:
    """Compare a runtime's answers on the golden crops with the reference.

    Raises:
        BundleError: they differ by more than the variant's tolerance.
    """
    logits = runtime.infer(bundle.golden.crops).logits
    worst = float(np.abs(logits - bundle.golden.logits).max(initial=0.0))
    if not worst <= variant.tolerance:  # NaN is refused too
        raise BundleError(
            f"{variant.name} of {bundle.name} answers wrongly on this device: its logits on the "
            f"golden crops are off by {worst:.3g}, at most {variant.tolerance:.3g} is allowed "
            f"({runtime.describe()}). Use another --precision, or convert again on this device"
        )


def session_from_file(path: Path, *, engine: str = "auto", threads: int | None = None) -> Session:
    """Open an ONNX file or an OpenVINO IR; its content tells which it is, not its name.

    Args:
        path: the ONNX file, or the IR's XML with the weights beside it.
        engine: ``onnxruntime``, ``openvino``, ``tensorrt``, or ``auto``: ONNX Runtime for ONNX
            files, which OpenVINO does not run faster by as much as 15 %
            (``benchmarks/detectors.py``), and OpenVINO for its IR.
        threads: that one run may use; all cores where absent.

    Raises:
        InputError: no such file, or an IR without its weights.
        UsageError: no such engine, or one that cannot read this kind of file.
        MissingDependency: the engine is not installed.
        RuntimeFailure: the engine cannot read it.
    """
    if engine not in ("auto", "onnxruntime", "openvino", "tensorrt"):
        raise UsageError(
            f"no engine {engine!r} for detectors; known: auto, onnxruntime, openvino, tensorrt"
        )
    if not path.is_file():
        raise InputError(f"{path}: no such detector file")
    if _is_ir(path):
        if engine not in ("auto", "openvino"):
            raise UsageError(f"{path} is an OpenVINO IR, which {_NAMES[engine]} cannot run")
        weights = path.with_suffix(".bin")
        if not weights.is_file():
            raise InputError(f"{path}: its weights are missing; {weights.name} belongs beside it")
        engine = "openvino"
    return open_session("onnxruntime" if engine == "auto" else engine, path, threads=threads)


def open_session(
    engine: str,
    model: bytes | Path,
    *,
    threads: int | None = None,
    precision: str = "fp32",
    half: bool | None = None,
    kept: str = "",
) -> Session:
    """Open a network by itself, for one run at a time on each of ``threads``.

    Args:
        engine: ``onnxruntime``, ``openvino`` or ``tensorrt``.
        model: an ONNX file, its content, or what else the engine reads.
        threads: that one run may use; all cores where absent.
        precision: of the file: ``fp32``, ``fp16`` or ``int8``.
        half: see :attr:`EngineOptions.half`; OpenVINO's choice.
        kept: the file's SHA-256, where OpenVINO is to keep what it compiles for the next start.

    Raises:
        MissingDependency: the engine is not installed.
        RuntimeFailure: the engine cannot read it.
    """
    if engine == "openvino":
        from edgeattr_runtimes.openvino_engine import OpenvinoSession

        each = threads or available_cores()
        streams = max(1, available_cores() // each)
        # threads that are not pinned may leave a core where frames are being decoded
        return OpenvinoSession(
            model, threads=each * streams, streams=streams, pinning=False, precision=precision,
            half=half, kept=kept,
        )  # fmt: skip
    if engine == "tensorrt":
        from edgeattr_runtimes.tensorrt_engine import OnnxFileSession

        return OnnxFileSession(model, precision)
    from edgeattr_runtimes.onnx_engine import OnnxSession

    return OnnxSession(model, threads=threads)


def _is_ir(path: Path) -> bool:
    with open(path, "rb") as stream:
        head = stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith((b"<?xml", b"<net"))
