"""The variants that can be made: of what, how, and what each must keep to.

    requires -> drafts -> ensures

``drafts`` yields a variant's file and then, on request, files that lose less accuracy.
What a draft must ensure is validated in one place for all: edgeattr_convert.conversion.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import MissingDependency, UsageError
from edgeattr.core.progress import Tell, Tick, no_tick, silent
from edgeattr_convert.fp16 import fp16_from_onnx
from edgeattr_convert.int8 import Quantizer
from edgeattr_convert.openvino_from_onnx import openvino_from_onnx
from edgeattr_convert.qdq import CPU, OPENVINO, TENSORRT, QdqScheme
from edgeattr_convert.tensorrt_from_onnx import tensorrt_from_onnx
from edgeattr_convert.validation_result import LayerError

_REPAIRS = (1, 2, 4, 8)  # layers that go back to float before each further trial
_HALF = 0.1  # of a logit: half precision keeps 11 bits, over some 60 layers


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """What drafts are made of."""

    source: Path  # the parent's file
    folder: Path  # where drafts are put
    crops: npt.NDArray[np.uint8] | None = None  # calibration, [n, H, W, 3]; INT8 needs it
    judged: npt.NDArray[np.uint8] | None = None  # other crops, on which ways are compared
    tell: Tell = silent
    tick: Tick = no_tick


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A variant's file, not proven yet."""

    file: Path
    layers: tuple[LayerError, ...] = ()  # sensitivity, where it was measured
    tried: Mapping[str, float] = field(default_factory=dict)  # way -> RMS of logits
    notes: tuple[str, ...] = ()  # what was done


Drafts = Callable[[Job], Iterator[Draft]]


@dataclass(frozen=True, kw_only=True)
class Step:
    """How one variant is made."""

    makes: str  # "onnx-int8"
    requires: str  # the variant whose file is taken
    drafts: Drafts
    baseline: str | None  # the variant that its speed is compared with, on the same engine
    packages: tuple[str, ...]  # of the extra `convert` that it imports
    tolerance: float | None = None  # of a logit on golden crops; None: by what is measured

    @property
    def family(self) -> str:
        """ "onnx", "openvino" or "tensorrt"."""
        return self.makes.partition("-")[0]

    @property
    def precision(self) -> str:
        """ "fp16" or "int8"."""
        return self.makes.partition("-")[2]


def steps_for(families: Sequence[str], precisions: Sequence[str]) -> list[Step]:
    """The steps that make these, in the order in which they can run.

    Raises:
        UsageError: one of them is not known.
    """
    known = {step.family for step in STEPS.values()}
    for family in families:
        if family not in known:
            raise UsageError(f"--to {family}: there are {', '.join(sorted(known))}")
    return [
        step for step in STEPS.values() if step.family in families and step.precision in precisions
    ]


def check_packages(steps: Sequence[Step]) -> None:
    """See that all is installed before any long work begins.

    Raises:
        MissingDependency: the first package that is not.
    """
    for step in steps:
        for package in step.packages:
            if not importlib.util.find_spec(package):
                raise MissingDependency(package, extra="convert", purpose=f"make {step.makes}")


def _onnx_fp16(job: Job) -> Iterator[Draft]:
    file = job.folder / "onnx-fp16.onnx"
    fp16_from_onnx(job.source, file)
    yield Draft(file=file, notes=("weights and arithmetic in float16, attention in float32",))


def _onnx_int8(job: Job) -> Iterator[Draft]:
    yield from _quantized(job, CPU, job.folder / "onnx-int8.onnx")


def _openvino_fp16(job: Job) -> Iterator[Draft]:
    file = job.folder / "openvino-fp16.zip"
    openvino_from_onnx(job.source, file)
    yield Draft(
        file=file,
        notes=("weights in float16; arithmetic in half precision where the device has it",),
    )


def _openvino_int8(job: Job) -> Iterator[Draft]:
    yield from _quantized(job, OPENVINO, job.folder / "openvino-int8.onnx")


def _tensorrt_fp16(job: Job) -> Iterator[Draft]:
    for draft in _onnx_fp16(job):
        yield _for_tensorrt(draft, job.folder / "tensorrt-fp16.onnx")


def _tensorrt_int8(job: Job) -> Iterator[Draft]:
    for draft in _quantized(job, TENSORRT, job.folder / "symmetric.onnx"):
        yield _for_tensorrt(draft, job.folder / "tensorrt-int8.onnx")


STEPS: Mapping[str, Step] = MappingProxyType(
    {
        step.makes: step
        for step in (
            Step(
                makes="onnx-fp16", requires="onnx-fp32", drafts=_onnx_fp16,
                baseline="onnx-fp32", packages=("onnx",), tolerance=_HALF,
            ),
            Step(
                makes="openvino-fp16", requires="onnx-fp32", drafts=_openvino_fp16,
                baseline="onnx-fp32", packages=("openvino",), tolerance=_HALF,
            ),
            Step(
                makes="tensorrt-fp16", requires="onnx-fp32", drafts=_tensorrt_fp16,
                baseline=None, packages=("onnx",), tolerance=_HALF,
            ),
            Step(
                makes="onnx-int8", requires="onnx-fp32", drafts=_onnx_int8,
                baseline="onnx-fp32", packages=("onnx",),
            ),
            Step(
                makes="openvino-int8", requires="onnx-fp32", drafts=_openvino_int8,
                baseline="onnx-fp32", packages=("onnx", "openvino"),
            ),
            Step(
                makes="tensorrt-int8", requires="onnx-fp32", drafts=_tensorrt_int8,
                baseline="tensorrt-fp16", packages=("onnx",),
            ),
        )
    }
)  # fmt: skip
"""Every variant but the first, which edgeattr_train.export makes of a checkpoint."""


def _quantized(job: Job, scheme: QdqScheme, file: Path) -> Iterator[Draft]:
    """Explicit Q/DQ: the best way found, then with the most harmful layers in float."""
    assert job.crops is not None
    judged = job.crops if job.judged is None else job.judged
    quantizer = Quantizer(job.source, job.crops, judged, scheme, tell=job.tell, tick=job.tick)
    quantizer.search()
    quantizer.measure_layers()
    quantizer.write(file)
    yield _draft(quantizer, file)
    for more in _REPAIRS:
        given = quantizer.keep_in_float(more)
        if not given:
            return
        job.tell(f"back to float: {', '.join(given)}")
        quantizer.write(file)
        yield _draft(quantizer, file)


def _draft(quantizer: Quantizer, file: Path) -> Draft:
    return Draft(
        file=file, layers=quantizer.layers, tried=dict(quantizer.tried), notes=quantizer.notes
    )


def _for_tensorrt(draft: Draft, file: Path) -> Draft:
    tensorrt_from_onnx(draft.file, file)
    return Draft(file=file, layers=draft.layers, tried=draft.tried, notes=draft.notes)
