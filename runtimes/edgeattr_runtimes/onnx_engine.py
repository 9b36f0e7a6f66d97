"""ONNX Runtime on the CPU: runs ``onnx-*`` variants."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeattr.bundle import Bundle, Variant
from edgeattr.closing import Closing
from edgeattr.errors import MissingDependency, RuntimeFailure, UsageError
from edgeattr_runtimes.device import available_cores, has_int8_instructions
from edgeattr_runtimes.protocol import (
    Outputs,
    RuntimeInfo,
    check_crops,
    joined_outputs,
    output_names,
)

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["OnnxEngine", "open_session"]

_MAX_BATCH = 32  # crops a run: more gains nothing on a CPU and costs memory


def open_session(model: bytes | str, threads: int | None = None) -> onnxruntime.InferenceSession:
    """Open an ONNX model on the CPU.

    Args:
        model: the file's content, or its path.
        threads: that one run may use; all cores where absent.

    Raises:
        MissingDependency: onnxruntime is not installed.
        UsageError: threads is not a whole number from 1.
        RuntimeFailure: not a model that ONNX Runtime can run.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependency("onnxruntime", extra=None, purpose="run ONNX models") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = thread_count(threads)
    options.log_severity_level = 3  # errors only
    if _int8_overflows(platform.machine(), Path("/proc/cpuinfo")):
        options.add_session_config_entry("session.x64quantprecision", "1")  # exact, and slower
    try:
        return onnxruntime.InferenceSession(
            model, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's exceptions share no public base class
        name = model if isinstance(model, str) else "the model"
        raise RuntimeFailure(f"ONNX Runtime cannot open {name}: {error}") from error


def _int8_overflows(machine: str, cpuinfo: Path) -> bool:
    """Whether products of uint8 and int8 are added in 16 bits here: x86 without VNNI."""
    # where it is not known: rather slow than wrong
    return machine in ("x86_64", "AMD64") and not has_int8_instructions(cpuinfo, unknown=False)


def thread_count(threads: int | None) -> int:
    """Threads that a call may use: as many as asked for, or as there are cores.

    Raises:
        UsageError: threads is not a whole number from 1.
    """
    if threads is None:
        return available_cores()
    if not isinstance(threads, int) or threads < 1:
        raise UsageError(f"threads={threads!r}; expected a whole number from 1")
    return threads


class OnnxEngine(Closing):
    """A variant loaded into ONNX Runtime.

    Args:
        bundle: the model.
        variant: one of its ``onnx-*`` variants.
        threads: that one call may use; all cores where absent.
        attention: whether outputs hold the attention masks.

    Raises:
        UsageError: the variant has no attention masks, or threads is not a whole number from 1.
        RuntimeFailure: ONNX Runtime cannot open the file.
    """

    def __init__(
        self,
        bundle: Bundle,
        variant: Variant,
        *,
        threads: int | None = None,
        attention: bool = False,
    ) -> None:
        self._height, self._width = bundle.input.height, bundle.input.width
        self._attributes = len(bundle.schema)
        self._precision = variant.precision
        self._threads = thread_count(threads)
        self._session: Any = open_session(bundle.read_file(variant), self._threads)
        self._input = self._session.get_inputs()[0].name
        found = (output.name for output in self._session.get_outputs())
        self._outputs = output_names(found, bundle, attention)

    def infer(self, crops: npt.NDArray[np.uint8]) -> Outputs:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.infer`."""
        session = self._session
        if session is None:
            raise RuntimeFailure("this model was closed; load it again")
        check_crops(crops, self._height, self._width)
        parts = [
            self._run(session, np.ascontiguousarray(crops[start : start + _MAX_BATCH]))
            for start in range(0, len(crops), _MAX_BATCH)
        ]
        return joined_outputs(parts, self._attributes)

    def _run(self, session: Any, part: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        try:
            found: list[npt.NDArray[np.float32]] = session.run(self._outputs, {self._input: part})
        except Exception as error:  # ONNX Runtime's exceptions share no public base class
            raise RuntimeFailure(f"ONNX Runtime failed on {len(part)} crops: {error}") from error
        return found

    def describe(self) -> RuntimeInfo:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.describe`."""
        import onnxruntime

        return RuntimeInfo(
            engine="onnxruntime",
            version=str(onnxruntime.__version__),
            device="CPU",
            precision=self._precision,
            threads=self._threads,
        )

    def close(self) -> None:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.close`."""
        self._session = None
