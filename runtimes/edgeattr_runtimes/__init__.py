"""Engines that run a bundle's variants, one module each, behind one Protocol."""

from edgeattr_runtimes.engines import ENGINES, available, devices_of, remedy
from edgeattr_runtimes.load import (
    open_best,
    open_checkpoint,
    open_runtime,
    open_variant,
    session_from_file,
)
from edgeattr_runtimes.protocol import EngineOptions, Outputs, Runtime, RuntimeInfo
from edgeattr_runtimes.select import Choice, choose, decide
from edgeattr_runtimes.session import Session

__all__ = [
    "ENGINES",
    "Choice",
    "EngineOptions",
    "Outputs",
    "Runtime",
    "RuntimeInfo",
    "Session",
    "available",
    "choose",
    "decide",
    "devices_of",
    "open_best",
    "open_checkpoint",
    "open_runtime",
    "open_variant",
    "remedy",
    "session_from_file",
]
