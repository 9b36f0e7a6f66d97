import pytest

from edgeattr.core.errors import BundleError, InputError
from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr_train.data.peta_schema import PETA_SCHEMA


def test_peta_has_the_35_attributes_with_age_exclusive_and_age_and_gender_sensitive() -> None:
    assert len(PETA_SCHEMA) == 35
    sensitive = {a.name for a in PETA_SCHEMA.attributes if a.sensitive}
    ages = {"age_16_30", "age_31_45", "age_46_60", "age_over_60"}
    assert sensitive == ages | {"male"}
    assert [set(group) for group in PETA_SCHEMA.exclusive] == [ages]
    assert len(PETA_SCHEMA.reported(include_sensitive=False)) == 30
    assert len(PETA_SCHEMA.reported(include_sensitive=True)) == 35


def test_names_that_are_repeated_or_unknown_are_refused() -> None:
    hat = Attribute(name="hat", group="accessory")
    with pytest.raises(InputError, match="unique; repeated: hat"):
        AttributeSchema((hat, hat))
    with pytest.raises(InputError, match="unknown attributes: cap"):
        AttributeSchema((hat,), exclusive=(("hat", "cap"),))
    with pytest.raises(InputError, match=r"no attribute 'cap'.*hat"):
        AttributeSchema((hat,)).index("cap")


@pytest.mark.parametrize("value", [{}, {"attributes": [{"name": "x"}]}, {"attributes": 3}])
def test_damaged_json_is_a_bundle_error(value: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="schema is damaged"):
        AttributeSchema.from_json(value)
