"""From an ONNX file to TensorRT's plan: a serialized engine, for this GPU alone.

One path serves TensorRT 8.6, 10 and 11. What differs is told by what the installed version has:

    NetworkDefinitionCreationFlag.EXPLICIT_BATCH    must be set in 8, is ignored by 10, gone in 11
    NetworkDefinitionCreationFlag.STRONGLY_TYPED    from 10 on: the types in the ONNX file hold
    BuilderFlag.FP16, INT8                          only where types are not strong: 8
    PreviewFeature.PROFILE_SHARING_0806             8.6: several contexts use one profile; always so
                                                    from 10 on

INT8 is explicit: the ONNX file carries QuantizeLinear and DequantizeLinear, so nothing is
calibrated here. What is in float32 is computed in float32: TF32 is off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeattr.core.errors import RuntimeFailure
from edgeattr_runtimes.tensorrt_installed import import_installed
from edgeattr_runtimes.tensorrt_log import listening, logger_of


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What an engine is built for, beside its model and its GPU."""

    rows: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # shape of an input's row
    outputs: tuple[str, ...] = ()  # that are kept
    min_batch: int = 1  # rows a run
    opt_batch: int = 8  # rows a run that the engine is tuned for
    max_batch: int = 32  # rows a run; memory for so many is held
    workspace: int = 1 << 30  # bytes of GPU memory that layers may take for a while
    recipe: int = 2  # raised when this module would make another engine of the same options


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a build gives."""

    engine: bytes  # the serialized engine
    timing: bytes  # the timing cache: how fast each tactic was, for the next build on this GPU


def plan_from_onnx(
    model: bytes, *, precision: str, options: BuildOptions, log: Path, timing: bytes = b""
) -> Plan:
    """Build. Takes minutes, and the GPU for itself. Call with a CUDA context current.

    Args:
        model: an ONNX file, all weights inside, with the options' inputs and outputs; other outputs
            are dropped.
        precision: ``fp32``, ``fp16`` (the file is in half precision) or ``int8`` (it has explicit
            symmetric Q/DQ).
        options: see :class:`BuildOptions`.
        log: is written anew with what TensorRT said.
        timing: the timing cache of an earlier build; one that does not fit is left out.

    Raises:
        MissingDependency: TensorRT is not installed.
        RuntimeFailure: TensorRT cannot build it; the text has its last errors.
        OSError: the log cannot be written.
    """
    trt = import_installed("tensorrt")
    logger = logger_of(trt)
    with listening(logger, log) as heard:
        try:
            builder = trt.Builder(logger)
            network = builder.create_network(_network_flags(trt))
            parser = _parse(trt, network, logger, model)
            _keep_outputs(network, options)
            config = _configure(trt, builder, precision, options)
            cache = config.create_timing_cache(timing)
            if cache is None or not config.set_timing_cache(cache, False):
                config.set_timing_cache(config.create_timing_cache(b""), False)
            serialized = builder.build_serialized_network(network, config)
            del parser  # it holds the weights: it must live until here
            if serialized is None:
                raise RuntimeError("the builder gave up")
            cache = config.get_timing_cache()
            kept = b"" if cache is None else bytes(cache.serialize())
            return Plan(engine=bytes(serialized), timing=kept)
        except (RuntimeError, TypeError, ValueError, MemoryError) as error:
            # What the bindings raise; TypeError where a class cannot be made, as without a GPU.
            raise RuntimeFailure(
                f"TensorRT {trt.__version__} cannot build the {precision} engine: {error}. It "
                f"said: {heard.last()}. All that it said is in {log}. Use another --precision, or "
                "--runtime onnxruntime"
            ) from error


def _network_flags(trt: Any) -> int:
    """Batch size explicit, types strong, as far as this version lets one choose."""
    flags = 0
    if hasattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH"):
        flags |= 1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)
    if _strongly_typed(trt):
        flags |= 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    return flags


def _strongly_typed(trt: Any) -> bool:
    return hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")


def _parse(trt: Any, network: Any, logger: Any, model: bytes) -> Any:
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        faults = [parser.get_error(index) for index in range(parser.num_errors)]
        told = "; ".join(f"node {fault.node()}: {fault.desc()}" for fault in faults)
        raise RuntimeError(f"its parser refuses the ONNX file: {told or 'without a reason'}")
    return parser


def _keep_outputs(network: Any, options: BuildOptions) -> None:
    """Unmark other outputs, so that what only they need is not computed.

    Raises:
        RuntimeError: other inputs, or an output is missing.
    """
    inputs = [network.get_input(index).name for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    names = [tensor.name for tensor in outputs]
    if sorted(inputs) != sorted(options.rows) or not set(options.outputs) <= set(names):
        raise RuntimeError(
            f"the ONNX file has inputs {inputs} and outputs {names}; expected {[*options.rows]} "
            f"and {[*options.outputs]} among the outputs"
        )
    for tensor in outputs:
        if tensor.name not in options.outputs:
            network.unmark_output(tensor)


def _configure(trt: Any, builder: Any, precision: str, options: BuildOptions) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace)
    config.clear_flag(trt.BuilderFlag.TF32)  # it is on by default
    if not _strongly_typed(trt):
        if precision != "fp32":
            config.set_flag(trt.BuilderFlag.FP16)  # allows it; the fastest allowed is taken
            config.set_flag(trt.BuilderFlag.PREFER_PRECISION_CONSTRAINTS)  # the file's casts hold
        if precision == "int8":
            config.set_flag(trt.BuilderFlag.INT8)
        config.set_preview_feature(trt.PreviewFeature.PROFILE_SHARING_0806, True)
    batches = (options.min_batch, options.opt_batch, options.max_batch)
    profile = builder.create_optimization_profile()
    for name, row in options.rows.items():
        profile.set_shape(name, *((batch, *row) for batch in batches))
    if config.add_optimization_profile(profile) < 0:
        raise RuntimeError(f"rows of {dict(options.rows)} in batches of {batches} do not fit it")
    return config
