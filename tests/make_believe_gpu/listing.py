"""What names a version of TensorRT has, read from a listing of them."""

from __future__ import annotations

from dataclasses import dataclass

VERSIONS = ("8.6.1", "10.3", "11.4")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The names that one version of TensorRT has."""

    version: str
    text: str
    enums: dict[str, list[str]]
    classes: dict[str, dict[str, str]]  # class -> member -> "attribute" or its signature


def parse_listing(text: str) -> Listing:
    """Read a listing: headings `## enum NAME` and `## class NAME`, members below."""
    enums: dict[str, list[str]] = {}
    classes: dict[str, dict[str, str]] = {}
    for section in text.split("\n## ")[1:]:
        heading, *lines = section.splitlines()
        kind, _, name = heading.partition(" ")
        if kind == "enum" and lines[0] != "ABSENT":
            enums[name] = lines[0].split(", ")
        elif kind == "class" and lines[0] != "ABSENT":
            rows = [line[2:].split(" | ", 1) for line in lines if line.startswith("- ")]
            classes[name] = {row[0]: row[1] if len(row) > 1 else "" for row in rows}
    return Listing(version=text.split()[2], text=text, enums=enums, classes=classes)


COMMON = """# TensorRT 10.9.9 as far as it is used here; mentions ILogger
## enum BuilderFlag
TF32
## enum NetworkDefinitionCreationFlag
STRONGLY_TYPED
## enum MemoryPoolType
WORKSPACE
## enum PreviewFeature
ALIASED_PLUGIN_IO_10_03
## enum DataType
FLOAT, HALF, UINT8
## class Builder
- __init__
- build_serialized_network
- create_builder_config
- create_network
- create_optimization_profile
## class IBuilderConfig
- add_optimization_profile
- clear_flag
- create_timing_cache
- get_timing_cache
- set_memory_pool_limit
- set_timing_cache
## class INetworkDefinition
- get_input
- get_output
- num_inputs | attribute
- num_outputs | attribute
- unmark_output
## class OnnxParser
- __init__
- get_error
- num_errors | attribute
- parse
## class ParserError
- desc
- node
## class IOptimizationProfile
- set_shape
## class Runtime
- __init__
- deserialize_cuda_engine
## class ICudaEngine
- create_execution_context
- get_tensor_dtype
- get_tensor_name
- get_tensor_shape
- num_io_tensors | attribute
## class IExecutionContext
- execute_async_v3
- set_input_shape
- set_optimization_profile_async
- set_tensor_address
## class IHostMemory
- nbytes | attribute
## class ITensor
- name | attribute
## class ITimingCache
- serialize
"""
