"""Engines that run a bundle's variants, one module each, behind one Protocol."""

from edgeattr_runtimes.choose import (
    ENGINES,
    Choice,
    available,
    choose,
    decide,
    devices_of,
    open_checkpoint,
    open_runtime,
    open_variant,
    remedy,
)
from edgeattr_runtimes.protocol import EngineOptions, Outputs, Runtime, RuntimeInfo

__all__ = [
    "ENGINES",
    "Choice",
    "EngineOptions",
    "Outputs",
    "Runtime",
    "RuntimeInfo",
    "available",
    "choose",
    "decide",
    "devices_of",
    "open_checkpoint",
    "open_runtime",
    "open_variant",
    "remedy",
]
