"""What PETA labels: the 35 attributes that the field evaluates, and all that are not too rare."""

from __future__ import annotations

from edgeattr.core.schema import COLOUR, Attribute, AttributeSchema

_BENCHMARK = (  # (name in PETA, readable name, group) in the order of PETA.mat
    ("personalLess30", "age_16_30", "age"),
    ("personalLess45", "age_31_45", "age"),
    ("personalLess60", "age_46_60", "age"),
    ("personalLarger60", "age_over_60", "age"),
    ("carryingBackpack", "backpack", "carrying"),
    ("carryingOther", "carrying_other", "carrying"),
    ("lowerBodyCasual", "casual_lower", "lower_body"),
    ("upperBodyCasual", "casual_upper", "upper_body"),
    ("lowerBodyFormal", "formal_lower", "lower_body"),
    ("upperBodyFormal", "formal_upper", "upper_body"),
    ("accessoryHat", "hat", "accessory"),
    ("upperBodyJacket", "jacket", "upper_body"),
    ("lowerBodyJeans", "jeans", "lower_body"),
    ("footwearLeatherShoes", "leather_shoes", "footwear"),
    ("upperBodyLogo", "logo", "upper_body"),
    ("hairLong", "long_hair", "hair"),
    ("personalMale", "male", "gender"),
    ("carryingMessengerBag", "messenger_bag", "carrying"),
    ("accessoryMuffler", "muffler", "accessory"),
    ("accessoryNothing", "no_accessory", "accessory"),
    ("carryingNothing", "carrying_nothing", "carrying"),
    ("upperBodyPlaid", "plaid", "upper_body"),
    ("carryingPlasticBags", "plastic_bag", "carrying"),
    ("footwearSandals", "sandals", "footwear"),
    ("footwearShoes", "shoes", "footwear"),
    ("lowerBodyShorts", "shorts", "lower_body"),
    ("upperBodyShortSleeve", "short_sleeves", "upper_body"),
    ("lowerBodyShortSkirt", "short_skirt", "lower_body"),
    ("footwearSneaker", "sneakers", "footwear"),
    ("upperBodyThinStripes", "stripes", "upper_body"),
    ("accessorySunglasses", "sunglasses", "accessory"),
    ("lowerBodyTrousers", "trousers", "lower_body"),
    ("upperBodyTshirt", "t_shirt", "upper_body"),
    ("upperBodyOther", "upper_other", "upper_body"),
    ("upperBodyVNeck", "v_neck", "upper_body"),
)

_FURTHER = (  # with at least 0.3 % positives in the first split's training part
    ("accessoryHeadphone", "headphones", "accessory"),
    ("personalLess15", "age_under_16", "age"),
    ("carryingBabyBuggy", "baby_buggy", "carrying"),
    ("hairBald", "bald", "hair"),
    ("footwearBoots", "boots", "footwear"),
    ("lowerBodyCapri", "capri_trousers", "lower_body"),
    ("carryingShoppingTro", "shopping_trolley", "carrying"),
    ("carryingUmbrella", "umbrella", "carrying"),
    ("carryingFolder", "folder", "carrying"),
    ("accessoryHairBand", "hair_band", "accessory"),
    ("lowerBodyHotPants", "hot_pants", "lower_body"),
    ("accessoryKerchief", "kerchief", "accessory"),
    ("lowerBodyLongSkirt", "long_skirt", "lower_body"),
    ("upperBodyLongSleeve", "long_sleeves", "upper_body"),
    ("carryingLuggageCase", "luggage_case", "carrying"),
    ("upperBodyNoSleeve", "sleeveless", "upper_body"),
    ("hairShort", "short_hair", "hair"),
    ("footwearStocking", "stockings", "lower_body"),
    ("upperBodySuit", "suit_jacket", "upper_body"),
    ("carryingSuitcase", "suitcase", "carrying"),
    ("lowerBodySuits", "suit_trousers", "lower_body"),
    ("upperBodySweater", "sweater", "upper_body"),
    ("upperBodyThickStripes", "thick_stripes", "upper_body"),
)

_COLOURS = (  # (how names in PETA begin, what has the colour, colours with 0.3 %)
    ("upperBody", "upper_body",
     "Black Blue Brown Green Grey Orange Pink Purple Red White Yellow"),
    ("lowerBody", "lower_body", "Black Blue Brown Green Grey Purple Red White"),
    ("hair", "hair", "Black Brown Grey White Yellow"),
    ("footwear", "footwear", "Black Brown Grey Red White"),
)  # fmt: skip

_AGES = ("age_16_30", "age_31_45", "age_46_60", "age_over_60")

# Of these at most one holds: at most 0.6 % of the rarer one's training labels say otherwise.
_EXCLUSIVE = (
    ("age_under_16", *_AGES),
    ("sandals", "shoes", "sneakers", "leather_shoes", "boots"),
    ("short_sleeves", "long_sleeves", "sleeveless"),
    ("casual_upper", "formal_upper"),
    ("casual_lower", "formal_lower"),
    ("long_hair", "short_hair"),
    ("long_hair", "bald"),
    *(
        ("no_accessory", other)
        for other in ("hat", "muffler", "sunglasses", "headphones", "hair_band", "kerchief")
    ),
    *(
        ("carrying_nothing", other)
        for other in ("backpack", "messenger_bag", "plastic_bag", "carrying_other", "baby_buggy",
                      "shopping_trolley", "umbrella", "folder", "luggage_case", "suitcase")
    ),
    *(
        ("jeans", other)
        for other in ("trousers", "short_skirt", "suit_trousers", "hot_pants", "capri_trousers")
    ),
    *(("trousers", other) for other in ("shorts", "hot_pants", "capri_trousers")),
    *(("shorts", other) for other in ("short_skirt", "long_skirt")),
    ("short_skirt", "long_skirt"),
)  # fmt: skip


def _attribute(source: str, name: str, group: str) -> Attribute:
    return Attribute(name=name, group=group, source=source, sensitive=group in ("age", "gender"))


_COLOUR_ATTRIBUTES = tuple(
    _attribute(f"{theirs}{colour}", f"{thing}_{colour.lower()}", f"{thing}{COLOUR}")
    for theirs, thing, colours in _COLOURS
    for colour in colours.split()
)

PETA_SCHEMA = AttributeSchema(tuple(_attribute(*entry) for entry in _BENCHMARK), exclusive=(_AGES,))

PETA_WIDE_SCHEMA = AttributeSchema(
    (
        *PETA_SCHEMA.attributes,
        *_COLOUR_ATTRIBUTES,
        *(_attribute(*entry) for entry in _FURTHER),
    ),
    exclusive=_EXCLUSIVE,
)
