"""edgeattr reads people's visual attributes off video at the edge.

>>> import edgeattr
>>> model = edgeattr.load()
>>> model.predict([crop])[0].present
('backpack', 'trousers')
"""

from __future__ import annotations

import importlib

from edgeattr.core.telemetry import disable_telemetry

TYPE_CHECKING = False  # typing itself is not imported: programs that start are interrupted cleanly
if TYPE_CHECKING:
    from typing import Any

    from edgeattr.aio import AsyncModel as AsyncModel
    from edgeattr.core.bundle import Bundle as Bundle
    from edgeattr.core.errors import EdgeAttrError as EdgeAttrError
    from edgeattr.core.prediction import AttributeAnswer as AttributeAnswer
    from edgeattr.core.prediction import Prediction as Prediction
    from edgeattr.core.prediction import TrackRecord as TrackRecord
    from edgeattr.core.schema import Attribute as Attribute
    from edgeattr.core.schema import AttributeSchema as AttributeSchema
    from edgeattr.explain.attention_maps import Explanation as Explanation
    from edgeattr.model import AttributeModel as AttributeModel
    from edgeattr.model import load as load

__version__ = "0.1.0"

disable_telemetry()  # before any engine is imported

_EXPORTS = {  # public name -> module it is defined in, imported on first use
    "AsyncModel": "edgeattr.aio",
    "Attribute": "edgeattr.core.schema",
    "AttributeAnswer": "edgeattr.core.prediction",
    "AttributeModel": "edgeattr.model",
    "AttributeSchema": "edgeattr.core.schema",
    "Bundle": "edgeattr.core.bundle",
    "EdgeAttrError": "edgeattr.core.errors",
    "Explanation": "edgeattr.explain.attention_maps",
    "Prediction": "edgeattr.core.prediction",
    "TrackRecord": "edgeattr.core.prediction",
    "load": "edgeattr.model",
}

__all__ = [
    "AsyncModel",
    "Attribute",
    "AttributeAnswer",
    "AttributeModel",
    "AttributeSchema",
    "Bundle",
    "EdgeAttrError",
    "Explanation",
    "Prediction",
    "TrackRecord",
    "__version__",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'edgeattr' has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
