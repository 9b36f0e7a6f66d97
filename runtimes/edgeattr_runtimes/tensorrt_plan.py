"""From an ONNX file to TensorRT's plan: a serialized engine, for this GPU alone.

One path serves TensorRT 8.6, 10 and 11. What differs is told by what the installed version has:

    NetworkDefinitionCreationFlag.EXPLICIT_BATCH    must be set in 8, is ignored by 10, gone in 11
    NetworkDefinitionCreationFlag.STRONGLY_TYPED    from 10 on: the types in the ONNX file hold
    BuilderFlag.FP16, INT8                          only where types are not strong: 8
    PreviewFeature.PROFILE_SHARING_0806             must be set in 8.6, is always on from 10 on

INT8 is explicit: the ONNX file carries QuantizeLinear and DequantizeLinear, so nothing is
calibrated here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeattr.core.errors import RuntimeFailure
from edgeattr_runtimes.tensorrt_installed import import_installed
from edgeattr_runtimes.tensorrt_log import listening, logger_of

__all__ = ["INPUT", "OUTPUT", "BuildOptions", "Plan", "plan_from_onnx", "shares_profiles"]

INPUT, OUTPUT = "crops", "logits"  # uint8 [batch, H, W, 3]; float32 [batch, C]


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What an engine is built for, beside its model and its GPU."""

    min_batch: int = 1  # crops a run
    opt_batch: int = 8  # crops a run that the engine is tuned for
    max_batch: int = 32  # crops a run; memory for so many is held
    profiles: int = 1  # all alike; one for each context, where :func:`shares_profiles` says no
    workspace: int = 1 << 30  # bytes of GPU memory that layers may take for a while
    recipe: int = 1  # raised when this module would make another engine of the same options


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a build gives."""

    engine: bytes  # the serialized engine
    timing: bytes  # the timing cache: how fast each tactic was, for the next build on this GPU


def shares_profiles(trt: Any) -> bool:
    """Whether several execution contexts may use one optimization profile at the same time.

    From TensorRT 8.6 on they may. 8.5 wants as many profiles as contexts, which costs a longer
    build, and kernels that may differ from one context to the next.

    Args:
        trt: the module ``tensorrt``.
    """
    return _strongly_typed(trt) or _previews_sharing(trt)


def plan_from_onnx(
    model: bytes,
    *,
    precision: str,
    size: tuple[int, int],
    options: BuildOptions,
    log: Path,
    timing: bytes = b"",
) -> Plan:
    """Build. Takes minutes, and the GPU for itself. Call with a CUDA context current.

    Args:
        model: an ONNX file prepared for TensorRT, all weights inside, with the input ``crops``
            and the output ``logits``; other outputs are dropped.
        precision: ``fp16`` (the file is in half precision) or ``int8`` (it has explicit
            symmetric Q/DQ).
        size: height and width of a crop, pixels.
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
            _keep_logits(network)
            config = _configure(trt, builder, precision, size, options)
            _use_timing(config, timing)
            serialized = builder.build_serialized_network(network, config)
            del parser  # it holds the weights: it must live until here
            if serialized is None:
                raise RuntimeError("the builder gave up")
            return Plan(engine=bytes(serialized), timing=_timing(config))
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


def _previews_sharing(trt: Any) -> bool:
    return hasattr(trt.PreviewFeature, "PROFILE_SHARING_0806")


def _parse(trt: Any, network: Any, logger: Any, model: bytes) -> Any:
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        faults = [parser.get_error(index) for index in range(parser.num_errors)]
        told = "; ".join(f"node {fault.node()}: {fault.desc()}" for fault in faults)
        raise RuntimeError(f"its parser refuses the ONNX file: {told or 'without a reason'}")
    return parser


def _keep_logits(network: Any) -> None:
    """Unmark other outputs, so that what only they need is not computed.

    Raises:
        RuntimeError: not a network of crops and logits.
    """
    inputs = [network.get_input(index).name for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    names = [tensor.name for tensor in outputs]
    if inputs != [INPUT] or OUTPUT not in names:
        raise RuntimeError(
            f"the ONNX file has inputs {inputs} and outputs {names}; expected [{INPUT!r}] and "
            f"{OUTPUT!r} among the outputs"
        )
    for tensor in outputs:
        if tensor.name != OUTPUT:
            network.unmark_output(tensor)


def _configure(
    trt: Any, builder: Any, precision: str, size: tuple[int, int], options: BuildOptions
) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace)
    if not _strongly_typed(trt):
        config.set_flag(trt.BuilderFlag.FP16)  # allows it; the fastest of what is allowed is taken
        config.set_flag(trt.BuilderFlag.PREFER_PRECISION_CONSTRAINTS)  # its casts hold
        if precision == "int8":
            config.set_flag(trt.BuilderFlag.INT8)
        if _previews_sharing(trt):
            config.set_preview_feature(trt.PreviewFeature.PROFILE_SHARING_0806, True)
    batches = (options.min_batch, options.opt_batch, options.max_batch)
    for _ in range(options.profiles):
        profile = builder.create_optimization_profile()
        profile.set_shape(INPUT, *((batch, *size, 3) for batch in batches))
        if config.add_optimization_profile(profile) < 0:
            raise RuntimeError(
                f"crops of {size[0]}x{size[1]} in batches of {batches} do not fit it"
            )
    return config


def _use_timing(config: Any, timing: bytes) -> None:
    cache = config.create_timing_cache(timing)
    if cache is None or not config.set_timing_cache(cache, False):
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _timing(config: Any) -> bytes:
    cache = config.get_timing_cache()
    return b"" if cache is None else bytes(cache.serialize())
