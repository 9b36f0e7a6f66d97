"""Converts a bundle: variants are validated on data and this device; none or all are written."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr import __version__
from edgeattr.core.bundle import Bundle
from edgeattr.core.bundle_format import Variant, variant_file
from edgeattr.core.errors import ContractNotMet, UsageError
from edgeattr.core.files import check_writable, sha256_of
from edgeattr.core.progress import Tell, Tick, no_tick, silent
from edgeattr.model import AttributeModel
from edgeattr_convert.accuracy import Evaluation, evaluate_model, metrics_json
from edgeattr_convert.calibration import Calibration, sampled_crops
from edgeattr_convert.contract import (
    Contract,
    accuracy_holds,
    attribute_changes,
    flips,
    judged,
)
from edgeattr_convert.report import refusal, write_report
from edgeattr_convert.speed import compare_speed
from edgeattr_convert.steps import Draft, Job, Step, check_packages
from edgeattr_convert.validation_result import ConversionRecord, Speed, ValidationResult
from edgeattr_runtimes import EngineOptions, Runtime, available, open_variant
from edgeattr_runtimes.device import device_name
from edgeattr_runtimes.engines import ENGINE_OF, has_half_precision
from edgeattr_runtimes.load import check_golden
from edgeattr_runtimes.tensorrt_cache import forget
from edgeattr_train.data.align import aligned
from edgeattr_train.data.annotations import AttributeDataset

_TOLERANCE_FACTOR = 2.0  # INT8 kernels differ between devices: twice what was measured here
_TOLERANCE_FLOOR = 0.5  # of an INT8 logit
_TIMED = 8  # crops a call: people in a frame
_JUDGED = 256  # held crops on which ways to quantize are compared
_NOT_HERE = (
    "TensorRT cannot run here: parity and accuracy are ONNX Runtime's on the prepared file; the "
    "engine is built on the device when the bundle is first loaded there, and its speed was not "
    "measured"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ConversionData:
    """What variants are made with and proven on."""

    calibration: Calibration | None = None  # INT8 needs it
    held: AttributeDataset | None = None  # not seen in calibration; INT8 needs it


def convert(
    bundle: Bundle,
    target: Path,
    steps: Sequence[Step],
    data: ConversionData,
    contract: Contract | None = None,
    *,
    tell: Tell = silent,
    tick: Tick = no_tick,
) -> Bundle:
    """Make variants and write the bundle that has them, and the report beside it.

    Args:
        bundle: has ``onnx-fp32``.
        target: ``NAME.edgeattr``, where the bundle is written; it may be the bundle's own place.
        steps: of :func:`edgeattr_convert.steps.steps_for`.
        data: without data, FP16 is held to parity alone.
        contract: what each variant must keep to.
        tell: receives a line for each result.
        tick: receives the progress of each long part.

    Returns:
        The bundle as it was written.

    Raises:
        BundleError, RuntimeFailure: ``onnx-fp32`` is damaged or answers wrongly.
        ContractNotMet: at least one variant does not hold; the report says why, and what lies at
            ``target`` stays as it is.
        UsageError: INT8 without data.
        InputError: the held data label none of the attributes, or an image cannot be read.
        MissingDependency: a package that one of the steps needs is not installed.
        OutputError: nothing can be written at ``target``; said before any long work.
    """
    contract = contract or Contract()
    _check(bundle, steps, data)
    check_writable(target, folder=True)
    if data.held is not None:
        data = dataclasses.replace(data, held=aligned(data.held, bundle.schema))
    made = bundle
    with tempfile.TemporaryDirectory(prefix="edgeattr-") as folder:
        work = _Conversion(bundle, Path(folder), data, contract, tell, tick)
        try:
            for step in steps:
                work.run(step)
            record = work.record()
            if record.met:
                made = work.bundle.write(target, work.files)
        finally:
            for variant in work.built - {entry.sha256 for entry in made.variants.values()}:
                forget(variant)
        crops = data.calibration.crops if data.calibration else None
        write_report(record, target, crops)
    if not record.met:
        raise ContractNotMet(refusal(record, target))
    return made


def _check(bundle: Bundle, steps: Sequence[Step], data: ConversionData) -> None:
    """Refuse before any long work begins what could not end well."""
    wants_data = [step.makes for step in steps if step.precision == "int8"]
    if wants_data and (data.calibration is None or data.held is None):
        raise UsageError(f"{', '.join(wants_data)}: INT8 needs images to calibrate on (--calib)")
    check_packages(steps)
    first = bundle.variant("onnx-fp32")
    with open_variant(bundle, first, "onnxruntime") as runtime:
        check_golden(bundle, first, runtime)  # what is wrong already is not worth converting


class _Conversion:
    """One run: the bundle as it grows, and what has been proven.

    Args:
        bundle: to start from.
        folder: for everything that is not proven yet.
        data, contract, tell, tick: of :func:`convert`.
    """

    def __init__(
        self,
        bundle: Bundle,
        folder: Path,
        data: ConversionData,
        contract: Contract,
        tell: Tell,
        tick: Tick,
    ) -> None:
        self.bundle = bundle
        self.files: dict[str, Path] = {}  # of the new variants, by their name in the bundle
        self.results: list[ValidationResult] = []
        self.built: set[str] = set()  # SHA-256 of drafts that TensorRT keeps an engine of
        self._folder, self._data, self._contract = folder, data, contract
        self._tell, self._tick = tell, tick

    def run(self, step: Step) -> None:
        """Take drafts until one holds or there are no more."""
        self._tell(f"{step.makes}, from {step.requires}")
        result, job = None, self._job(step)
        for draft in step.drafts(job):
            variant = self._variant(step, draft)
            trial = self.bundle.with_variant(variant).write(
                self._folder / "trial.edgeattr", {**self.files, variant.file: draft.file}
            )
            engine = _engine(step.family)
            if engine == "tensorrt":
                self.built.add(variant.sha256)
            result = self._proven(step, draft, job, trial, engine)
            if result.met:
                self._take(variant, draft.file, result)
            if accuracy_holds(result, self._contract):
                break
            self._tell(f"{step.makes}: not yet: {result.verdict}")
        assert result is not None
        self._tell(f"{step.makes}: {'met' if result.met else 'NOT MET'}: {result.verdict}")
        self.results.append(result)

    def _proven(
        self, step: Step, draft: Draft, job: Job, trial: Bundle, engine: str
    ) -> ValidationResult:
        """The draft's result; where the device has half precision, INT8 must hold without it too.

        FP16 that does not hold in half precision may hold in float32.
        """
        variant = trial.variant(step.makes)
        with open_variant(trial, variant, engine, EngineOptions()) as runtime:
            result = self._validated(step, draft, job, trial, runtime)
        holds = accuracy_holds(result, self._contract)
        if step.precision != ("int8" if holds else "fp16") or not has_half_precision(engine):
            return result
        with open_variant(trial, variant, engine, EngineOptions(half=False)) as runtime:
            if step.precision == "fp16":
                self._tell(f"{step.makes} in half precision: {result.verdict}; now in float32")
                return self._validated(step, draft, job, trial, runtime)
            whole = judged(self._accuracy(step, draft, job, runtime), self._contract)
        if not whole.met:
            return whole
        note = f"without half precision: {whole.verdict}"
        return dataclasses.replace(
            result, tolerance=max(result.tolerance, whole.tolerance), notes=(*result.notes, note)
        )

    def record(self) -> ConversionRecord:
        """What the report says of the steps that have run; it is written if all of them hold."""
        calibration, met = self._data.calibration, all(result.met for result in self.results)
        facts = dict(calibration.facts) if calibration else {}
        if calibration and calibration.warnings:
            facts["warnings"] = list(calibration.warnings)
        return ConversionRecord(
            model=self.bundle.name,
            version=__version__,
            made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            device=device_name(),
            max_drop=self._contract.max_drop,
            min_speedup=self._contract.min_speedup,
            met=met,
            written=met,
            results=tuple(self.results),
            calibration=facts,
        )

    def _validated(
        self, step: Step, draft: Draft, job: Job, trial: Bundle, runtime: Runtime
    ) -> ValidationResult:
        """What the draft's accuracy is, its speed where the accuracy holds, and the verdict."""
        result = self._accuracy(step, draft, job, runtime)
        if accuracy_holds(result, self._contract):
            result = self._speed(step, trial, runtime, result)
        return judged(result, self._contract)

    def _job(self, step: Step) -> Job:
        source = self._folder / "source.onnx"
        source.write_bytes(self.bundle.read_file(self.bundle.variant(step.requires)))
        calibration = self._data.calibration
        return Job(
            source=source,
            folder=self._folder,
            crops=calibration.crops if calibration else None,
            judged=self._judged if step.precision == "int8" else None,
            tell=self._tell,
            tick=self._tick,
        )

    @functools.cached_property
    def _judged(self) -> npt.NDArray[np.uint8] | None:
        """A sample of the held data, on which ways to quantize are compared."""
        held = self._data.held
        return None if held is None else sampled_crops(held, *self._size, count=_JUDGED)

    @property
    def _size(self) -> tuple[int, int]:
        return self.bundle.input.height, self.bundle.input.width

    def _variant(self, step: Step, draft: Draft) -> Variant:
        """The draft's description, as far as it is known before it has run."""
        digest = sha256_of(draft.file)
        calibration = self._data.calibration
        return Variant(
            engine=step.family,
            precision=step.precision,
            file=variant_file(step.makes, digest, draft.file.suffix),
            sha256=digest,
            parent=step.requires,
            parity=0.0,  # not measured yet
            tolerance=0.0,
            calibration=calibration.facts if calibration and step.precision == "int8" else {},
        )

    def _accuracy(self, step: Step, draft: Draft, job: Job, runtime: Runtime) -> ValidationResult:
        """The result without speed and verdict."""
        golden, held = self.bundle.golden, self._data.held
        parity = float(np.abs(runtime.infer(golden.crops).logits - golden.logits).max())
        tolerance = step.tolerance
        if tolerance is None:
            tolerance = max(_TOLERANCE_FLOOR, _TOLERANCE_FACTOR * parity)
        result = ValidationResult(
            variant=step.makes,
            parent=step.requires,
            bytes=draft.file.stat().st_size,
            parent_bytes=job.source.stat().st_size,
            parity=parity,
            tolerance=tolerance,
            layers=draft.layers,
            tried=draft.tried,
            notes=(*draft.notes, *((_NOT_HERE,) if _uses_onnxruntime(step.family) else ())),
        )
        if held is None or not parity <= tolerance:  # NaN is refused too
            return result
        before = self._before
        after = self._evaluate(runtime, step.makes)
        return dataclasses.replace(
            result,
            before=_facts(before, held),
            after=_facts(after, held),
            flips=flips(before, after),
            attributes=attribute_changes(self.bundle.schema, before, after),
        )

    @functools.cached_property
    def _before(self) -> Evaluation:
        """What the float32 model does on the held data."""
        first = self.bundle.variant("onnx-fp32")
        with open_variant(self.bundle, first, "onnxruntime") as runtime:
            return self._evaluate(runtime, first.name)

    def _evaluate(self, runtime: Runtime, name: str) -> Evaluation:
        held = self._data.held
        assert held is not None

        def progress(done: int, total: int) -> None:
            self._tick(f"accuracy of {name}", done, total)

        return evaluate_model(AttributeModel(self.bundle, runtime), held, progress=progress)

    def _speed(
        self, step: Step, trial: Bundle, child: Runtime, result: ValidationResult
    ) -> ValidationResult:
        """The result with the speed beside the step's baseline, on the same engine."""
        if step.baseline is None or _uses_onnxruntime(step.family):
            return result
        if step.baseline not in trial.variants:
            missing = f"speed was not measured: there is no {step.baseline} to compare with"
            return dataclasses.replace(result, notes=(*result.notes, missing))
        limit = self._contract.min_speedup if step.precision == "int8" else 0.0
        crops = self.bundle.golden.crops
        with open_variant(trial, trial.variant(step.baseline), _engine(step.family)) as parent:
            about = child.describe()
            found = compare_speed(
                parent.infer, child.infer, np.resize(crops, (_TIMED, *crops.shape[1:])),
                device=about.device, arithmetic=about.arithmetic, limit=limit, tick=self._tick,
            )  # fmt: skip
        return dataclasses.replace(result, speed=dataclasses.replace(found, parent=step.baseline))

    def _take(self, variant: Variant, file: Path, result: ValidationResult) -> None:
        """The variant holds: it goes into the bundle."""
        kept = self._folder / variant.file
        kept.write_bytes(file.read_bytes())  # the next draft may take the file's name
        if result.after:
            parent = self.bundle.variant("onnx-fp32")
            self.bundle = self.bundle.with_variant(
                dataclasses.replace(parent, metrics=result.before)
            )
        ways = {"ways": list(result.notes)} if variant.calibration else {}
        proven = dataclasses.replace(
            variant,
            parity=result.parity,
            tolerance=result.tolerance,
            metrics={**result.after, "flips_percent": result.flips} if result.after else {},
            speed=_rounded(result.speed) if result.speed else {},
            verdict=result.verdict,
            calibration={**variant.calibration, **ways},
        )
        self.bundle = self.bundle.with_variant(proven)
        self.files[variant.file] = kept


def _engine(family: str) -> str:
    return "onnxruntime" if _uses_onnxruntime(family) else ENGINE_OF[family]


def _uses_onnxruntime(family: str) -> bool:
    """Whether ONNX Runtime stands in for a family's engine, which cannot run here."""
    return family == "tensorrt" and "tensorrt" not in available()


def _facts(found: Evaluation, held: AttributeDataset) -> dict[str, Any]:
    """Metrics, with what they were measured on."""
    about = {"dataset": held.name, "split": held.split, "images": len(held)}
    return {**about, **metrics_json(found.scores)}


def _rounded(speed: Speed) -> dict[str, Any]:
    return {
        key: round(value, 3) if isinstance(value, float) else value
        for key, value in dataclasses.asdict(speed).items()
    }
