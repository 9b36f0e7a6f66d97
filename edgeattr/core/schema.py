"""What a model says about a person: names, groups, exclusive sets, sensitivity."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeattr.core.errors import BundleError, InputError

PARTS = ("head", "upper_body", "lower_body", "feet")
"""Parts of the body whose visibility a model may tell, in the order of its output."""

COLOUR = "_colour"
"""What the names of groups of colours end with; the rest names what has the colour."""

_PART_OF = {"hair": 0, "accessory": 0, "upper_body": 1, "lower_body": 2, "footwear": 3}


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One yes-or-no attribute of a person."""

    name: str  # lower case, words joined by "_": how users, events and queries call it
    group: str  # what it describes: "hair", "carrying", ...
    source: str = ""  # its name in the data set it was learnt from
    sensitive: bool = False  # reported only when asked for (age, gender)


@dataclass(frozen=True)
class AttributeSchema:
    """The attributes of a model, in the order of its outputs.

    Args:
        attributes: one per model output.
        exclusive: sets of names of which at most one holds for a person.

    Raises:
        InputError: a name is repeated, or an exclusive set names an unknown attribute.
    """

    attributes: tuple[Attribute, ...]
    exclusive: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        names = self.names
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise InputError(f"attribute names must be unique; repeated: {', '.join(repeated)}")
        unknown = sorted({name for group in self.exclusive for name in group} - set(names))
        if any(len(group) < 2 for group in self.exclusive):
            raise InputError("an exclusive set has at least two attributes")
        if unknown:
            raise InputError(f"exclusive sets name unknown attributes: {', '.join(unknown)}")

    def __len__(self) -> int:
        return len(self.attributes)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Names in output order."""
        return tuple(attribute.name for attribute in self.attributes)

    def index(self, name: str) -> int:
        """Output position of ``name``.

        Raises:
            InputError: no such attribute; the text lists those there are.
        """
        try:
            return self.names.index(name)
        except ValueError as error:
            raise InputError(
                f"no attribute {name!r}; this model knows: {', '.join(self.names)}"
            ) from error

    @functools.cached_property
    def parts(self) -> tuple[int | None, ...]:
        """Of each attribute the part of the body that shows it, a place in PARTS; None: no one."""
        return tuple(
            _PART_OF.get(attribute.group.removesuffix(COLOUR)) for attribute in self.attributes
        )

    @functools.cached_property
    def colours(self) -> dict[str, tuple[int, ...]]:
        """Output positions of the colours of each thing that has some: "upper_body", "hair", ..."""
        groups = [attribute.group for attribute in self.attributes]
        return {
            group.removesuffix(COLOUR): tuple(np.flatnonzero(np.array(groups) == group).tolist())
            for group in dict.fromkeys(groups)
            if group.endswith(COLOUR)
        }

    def reported(self, *, include_sensitive: bool) -> tuple[int, ...]:
        """Output positions that may be shown."""
        return tuple(
            index
            for index, attribute in enumerate(self.attributes)
            if include_sensitive or not attribute.sensitive
        )

    def exclusive_indices(self) -> tuple[tuple[int, ...], ...]:
        """The exclusive sets as output positions."""
        return tuple(tuple(self.index(name) for name in group) for group in self.exclusive)

    def to_json(self) -> dict[str, Any]:
        """The schema as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> AttributeSchema:
        """Read what :meth:`to_json` wrote.

        Raises:
            BundleError: a field is missing or of the wrong type.
        """
        try:
            attributes: Sequence[Mapping[str, Any]] = value["attributes"]
            return cls(
                tuple(
                    Attribute(
                        name=str(entry["name"]),
                        group=str(entry["group"]),
                        source=str(entry.get("source", "")),
                        sensitive=bool(entry.get("sensitive", False)),
                    )
                    for entry in attributes
                ),
                tuple(tuple(map(str, group)) for group in value.get("exclusive", ())),
            )
        except (KeyError, TypeError, AttributeError, InputError) as error:
            raise BundleError(f"the attribute schema is damaged: {error!r}") from error
