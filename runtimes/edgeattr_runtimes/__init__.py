"""Engines that run a bundle's variants, one module each, behind one Protocol."""

from edgeattr_runtimes.choose import (
    ENGINES,
    available,
    choose,
    open_runtime,
    open_variant,
    remedy,
)
from edgeattr_runtimes.protocol import EngineOptions, Outputs, Runtime, RuntimeInfo

__all__ = [
    "ENGINES",
    "EngineOptions",
    "Outputs",
    "Runtime",
    "RuntimeInfo",
    "available",
    "choose",
    "open_runtime",
    "open_variant",
    "remedy",
]
