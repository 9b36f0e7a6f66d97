"""Types of a recipe's values: what lies outside is refused when the recipe is read."""

from __future__ import annotations

import sys
from typing import Annotated, TypeAlias

from msgspec import Meta

Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
PositiveShare: TypeAlias = Annotated[float, Meta(gt=0, le=1)]
BelowOne: TypeAlias = Annotated[float, Meta(ge=0, lt=1)]
NotNegative: TypeAlias = Annotated[float, Meta(ge=0, le=sys.float_info.max)]  # and a number
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Positive: TypeAlias = Annotated[int, Meta(ge=1)]
