"""From a data set's table of names to a schema."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgeattr.core.schema import Attribute, AttributeSchema

_SENSITIVE = ("age", "gender")  # groups that are reported only when asked for


def schema_from_names(
    names: Iterable[tuple[str, str, str]], *, exclusive: Sequence[str] = ()
) -> AttributeSchema:
    """Build a schema.

    Args:
        names: (name in the data set, readable name, group) of each attribute, in label order.
        exclusive: groups of whose attributes at most one holds for a person.
    """
    table = list(names)
    return AttributeSchema(
        tuple(
            Attribute(name=name, group=group, source=source, sensitive=group in _SENSITIVE)
            for source, name, group in table
        ),
        exclusive=tuple(
            tuple(name for _, name, group in table if group == wanted) for wanted in exclusive
        ),
    )
