"""One data set's labels in the attributes of a model that learnt from another."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from edgeattr.core.config import read_toml
from edgeattr.core.errors import InputError
from edgeattr.core.schema import AttributeSchema
from edgeattr_train.data.annotations import AttributeDataset

_NAMES = Path(__file__).with_name("attribute_names.toml")
_NOT = "not "


def aligned(data: AttributeDataset, schema: AttributeSchema) -> AttributeDataset:
    """The same images, labelled in the attributes of ``schema``.

    What a name of another data set stands for is in ``attribute_names.toml``. Attributes that the
    data set does not label are unknown, -1, and count nowhere.

    Raises:
        InputError: it labels none of them.
    """
    if data.schema.names == schema.names:
        return data
    names = read_toml(_NAMES, what="table of names").get(data.name.partition("@")[0], {})
    labels = np.full((len(data), len(schema)), -1, np.int8)
    for index, name in enumerate(schema.names):
        theirs = str(names.get(name, name))
        wanted = theirs.removeprefix(_NOT)
        if wanted not in data.schema.names:
            continue
        column = data.labels[:, data.schema.index(wanted)]
        opposite = np.where(column >= 0, 1 - column, -1)
        labels[:, index] = opposite if theirs.startswith(_NOT) else column
    if not (labels >= 0).any():
        raise InputError(
            f"{data.name} labels none of the model's {len(schema)} attributes: it has "
            f"{', '.join(data.schema.names)}"
        )
    return dataclasses.replace(data, schema=schema, labels=labels)
