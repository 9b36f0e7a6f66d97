"""edgeattr reads people's visual attributes off video at the edge.

>>> import edgeattr
>>> model = edgeattr.load()
>>> model.predict([crop])[0].present
('backpack', 'trousers')
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeattr.aio import AsyncModel as AsyncModel
    from edgeattr.bundle import Bundle as Bundle
    from edgeattr.errors import EdgeAttrError as EdgeAttrError
    from edgeattr.explanation import Explanation as Explanation
    from edgeattr.model import AttributeModel as AttributeModel
    from edgeattr.model import load as load
    from edgeattr.prediction import AttributeAnswer as AttributeAnswer
    from edgeattr.prediction import Prediction as Prediction
    from edgeattr.prediction import TrackRecord as TrackRecord
    from edgeattr.schema import Attribute as Attribute
    from edgeattr.schema import AttributeSchema as AttributeSchema

__version__ = "0.1.0"

_EXPORTS = {  # public name -> module it is defined in, imported on first use
    "AsyncModel": "edgeattr.aio",
    "Attribute": "edgeattr.schema",
    "AttributeAnswer": "edgeattr.prediction",
    "AttributeModel": "edgeattr.model",
    "AttributeSchema": "edgeattr.schema",
    "Bundle": "edgeattr.bundle",
    "EdgeAttrError": "edgeattr.errors",
    "Explanation": "edgeattr.explanation",
    "Prediction": "edgeattr.prediction",
    "TrackRecord": "edgeattr.prediction",
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
