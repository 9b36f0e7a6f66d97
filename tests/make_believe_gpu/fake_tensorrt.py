"""A module `tensorrt` of exactly the names that a version has, no more."""

from __future__ import annotations

import enum
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import Any

from .fake_context import context_plays
from .listing import Listing
from .real_network import RealNetwork, ports
from .world import World

_LEVELS = ("INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE")


def _strict(name: str, listing: Listing, methods: dict[str, Any], world: World) -> type:
    """A class with the listed members only; those that are not played here must not be used."""
    members = listing.classes[name]

    def recorded(member: str, play: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *arguments: Any) -> Any:
            world.calls.append((f"{name}.{member}", arguments))
            return play(self, *arguments)

        return call

    def guard(self: Any, key: str, value: Any) -> None:
        if not key.startswith("_") and key not in members:
            raise AttributeError(f"{name} of TensorRT {listing.version} has no {key}")
        object.__setattr__(self, key, value)

    body: dict[str, Any] = {"__setattr__": guard}
    for member in members:
        play = methods.get(member)
        if play is not None:
            body[member] = play if isinstance(play, property) else recorded(member, play)
    return type(name, (bytes,) if name == "IHostMemory" else (), body)


def fake_tensorrt(listing: Listing, world: World) -> types.ModuleType:
    """A module `tensorrt` of one version, as strict as the listing."""
    module: Any = types.ModuleType("tensorrt")
    module.__version__, module.__spec__ = listing.version, ModuleSpec("tensorrt", None)
    for name, members in listing.enums.items():
        setattr(module, name, enum.IntEnum(name, members, start=0))
    assert "ILogger" in listing.text

    class ILogger:
        Severity = enum.IntEnum("Severity", _LEVELS, start=0)

        def __init__(self) -> None:
            self.made = True

    module.ILogger = ILogger
    plays = _builder_plays(module, listing, world) | _engine_plays(module, listing, world)
    contexts = context_plays(module, world)
    plays["ICudaEngine"] |= contexts.pop("ICudaEngine")
    plays |= contexts
    for name, methods in plays.items():
        setattr(module, name, _strict(name, listing, methods, world))
    return module


def _start(listing: Listing) -> bytes:
    """How a plan of this version begins."""
    return f"plan {listing.version}".encode()


def _made(module: Any, world: World) -> Callable[[Any, Any], None]:
    def make(self: Any, logger: Any) -> None:
        assert logger.made
        assert world.active(), "no CUDA context is current"
        self._logger = logger
        if world.gpu_error:
            logger.log(module.ILogger.Severity.WARNING, world.gpu_error)
            raise TypeError("pybind11::init(): factory function returned nullptr")

    return make


def _builder_plays(trt: Any, listing: Listing, world: World) -> dict[str, dict[str, Any]]:
    severity = trt.ILogger.Severity
    start = _start(listing)

    def tensor(name: str) -> Any:
        made = trt.ITensor()
        made.name = name
        return made

    def create_network(self: Any, flags: int = 0) -> Any:
        network = trt.INetworkDefinition()
        network._inputs, network._outputs = [], []
        return network

    def create_config(self: Any) -> Any:
        config = trt.IBuilderConfig()
        config._timing, config._profiles = None, 0
        config._shared = not listing.version.startswith("8.")
        return config

    def add_profile(self: Any, profile: Any) -> int:
        self._profiles += 1
        return int(self._profiles - 1)

    def set_preview(self: Any, feature: Any, enable: bool) -> None:
        assert feature is trt.PreviewFeature.PROFILE_SHARING_0806
        assert enable
        assert not self._shared, "cannot be changed any more"
        self._shared = True

    def build(self: Any, network: Any, config: Any) -> Any:
        assert world.active(), "no CUDA context is current"
        self._logger.log(severity.INFO, "trying tactics")
        self._logger.log(severity.VERBOSE, "tactic 1 of 1000")
        world.pause()
        if world.build_error:
            self._logger.log(severity.ERROR, world.build_error)
            return None
        inputs = ",".join(item.name for item in network._inputs)
        outputs = ",".join(item.name for item in network._outputs)
        assert config._profiles == 1
        assert config._shared, "contexts could not run at once"
        end = f"{inputs} {outputs}".encode()
        return trt.IHostMemory(b" ".join((start, network._model, end)))

    def make_parser(self: Any, network: Any, logger: Any) -> None:
        self._network = network

    def parse(self: Any, model: bytes) -> bool:
        if world.parser_errors:
            return False
        self._network._model = model
        inputs, outputs = ports(model) if world.real else (["crops"], list(world.outputs))
        self._network._inputs.extend(map(tensor, inputs))
        self._network._outputs.extend(map(tensor, outputs))
        return True

    def get_error(self: Any, index: int) -> Any:
        error = trt.ParserError()
        error._index = index
        return error

    def create_cache(self: Any, content: bytes) -> Any:
        if content == b"damaged":
            return None
        cache = trt.ITimingCache()
        cache._content = content
        return cache

    def set_cache(self: Any, cache: Any, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        self._timing = cache
        return bool(cache._content != b"of another GPU")

    return {
        "Builder": {
            "__init__": _made(trt, world),
            "create_network": create_network,
            "create_builder_config": create_config,
            "create_optimization_profile": lambda self: trt.IOptimizationProfile(),
            "build_serialized_network": build,
        },
        "INetworkDefinition": {
            "num_inputs": property(lambda self: len(self._inputs)),
            "num_outputs": property(lambda self: len(self._outputs)),
            "get_input": lambda self, index: self._inputs[index],
            "get_output": lambda self, index: self._outputs[index],
            "unmark_output": lambda self, item: self._outputs.remove(item),
        },
        "IBuilderConfig": {
            "set_flag": lambda self, flag: None,
            "clear_flag": lambda self, flag: None,
            "set_memory_pool_limit": lambda self, pool, size: None,
            "add_optimization_profile": add_profile,
            "set_preview_feature": set_preview,
            "create_timing_cache": create_cache,
            "set_timing_cache": set_cache,
            "get_timing_cache": lambda self: self._timing,
        },
        "IOptimizationProfile": {"set_shape": lambda self, name, least, best, most: None},
        "OnnxParser": {
            "__init__": make_parser,
            "parse": parse,
            "num_errors": property(lambda self: len(world.parser_errors)),
            "get_error": get_error,
        },
        "ParserError": {
            "desc": lambda self: world.parser_errors[self._index],
            "node": lambda self: 40 + self._index,
        },
        "ITensor": {},
        "IHostMemory": {"nbytes": property(len)},
        "ITimingCache": {
            "serialize": lambda self: trt.IHostMemory(self._content + b"+1"),
        },
    }


def _engine_plays(trt: Any, listing: Listing, world: World) -> dict[str, dict[str, Any]]:
    severity = trt.ILogger.Severity
    start = _start(listing)

    def deserialize(self: Any, content: bytes) -> Any:
        assert world.active(), "no CUDA context is current"
        if world.refused or not content.startswith(start):
            world.refused = max(0, world.refused - 1)
            self._logger.log(severity.ERROR, "magic tag does not match")
            return None
        engine = trt.ICudaEngine()
        head, inputs, outputs = content.rsplit(b" ", 2)
        engine._names = [*inputs.decode().split(","), *outputs.decode().split(",")]
        engine._model, engine._logger = head[len(start) + 1 :], self._logger
        engine._runs = RealNetwork(engine._model) if world.real else None
        return engine

    def dtype(self: Any, name: str) -> Any:
        kind = world.input_dtype if name == "crops" else world.dtype
        return getattr(trt.DataType, self._runs.kinds[name] if self._runs else kind)

    def shape(self: Any, name: str) -> list[int]:
        return self._runs.shapes[name] if self._runs else [-1, world.columns]

    return {
        "Runtime": {"__init__": _made(trt, world), "deserialize_cuda_engine": deserialize},
        "ICudaEngine": {
            "num_io_tensors": property(lambda self: len(self._names)),
            "get_tensor_name": lambda self, index: self._names[index],
            "get_tensor_dtype": dtype,
            "get_tensor_shape": shape,
        },
    }
