"""People's records as ONVIF scene description: human bodies with clothing and belongings.

``tt:MetadataStream`` of the Analytics Service Specification, with ``humanbody.xsd`` and
``humanface.xsd`` (for hair, hats, glasses and gender); as JSON by the rules of that specification
(an attribute ``@name``, a text beside attributes ``#text``), and as XML. What is unknown is left
out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from edgeattr.outputs.mqtt import MqttOutput

_NAMESPACES = {
    "tt": "http://www.onvif.org/ver10/schema",
    "bd": "http://www.onvif.org/ver20/analytics/humanbody",
    "fc": "http://www.onvif.org/ver20/analytics/humanface",
}
_TOPS = {
    "Category": {
        "sleeveless": "Sleeveless", "short_sleeves": "ShortSleeve", "long_sleeves": "LongSleeve",
    },
    "Grain": {"stripes": "Stria", "thick_stripes": "Stria", "plaid": "Plaid", "logo": "Decal"},
    "Style": {
        "suit_jacket": "Tailor", "jacket": "Jacket", "shirt": "Shirt", "sweater": "Sweater",
        "long_coat": "Overcoat", "padded_coat": "Overcoat", "dress": "Dress", "vest": "Vest",
    },
}  # fmt: skip
_BOTTOMS = {
    "Category": {
        "shorts": "Shorts", "hot_pants": "Shorts", "short_skirt": "Skirt", "long_skirt": "Skirt",
        "skirt": "Skirt", "trousers": "Trousers", "jeans": "Trousers",
        "capri_trousers": "Trousers", "suit_trousers": "Trousers",
    },
    "Style": {"jeans": "Jeans", "suit_trousers": "FormalPants"},
}  # fmt: skip
_SHOES = {
    "Category": {
        "boots": "Boots", "leather_shoes": "LeatherShoes", "sneakers": "Sneakers",
        "sandals": "Sandal",
    }
}  # fmt: skip
_BAG = {
    "Category": {
        "backpack": "Backpack", "messenger_bag": "SingleShoulderBag",
        "shoulder_bag": "SingleShoulderBag", "handbag": "Other", "plastic_bag": "Other",
    }
}  # fmt: skip
_RGB_SPACE = "http://www.onvif.org/ver10/colorspace/RGB"
_RGB = {
    "black": (0, 0, 0), "white": (255, 255, 255), "grey": (128, 128, 128), "red": (255, 0, 0),
    "green": (0, 128, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0), "orange": (255, 165, 0),
    "brown": (165, 42, 42), "pink": (255, 192, 203), "purple": (128, 0, 128),
}  # fmt: skip
"""ONVIF has numbers for colours and no names: those that CSS has for the name."""


class OnvifOutput:
    """An output that publishes each person's record as ONVIF JSON, by way of the MQTT output.

    Args:
        mqtt: takes it as an event of the type ``onvif``; closed by its owner.
    """

    name = "ONVIF"
    promise = "what is published has the promise of the MQTT output"

    def __init__(self, mqtt: MqttOutput) -> None:
        self._mqtt = mqtt

    def write(self, event: Mapping[str, Any]) -> bool:
        """Publish a person's record that has a time, as every frame must; other events pass.

        Returns:
            Whether it was published.

        Raises:
            OutputError: the spool cannot take it.
        """
        if event.get("type") != "person" or not event.get("time"):
            return False
        frame = onvif_frame(event)
        self._mqtt.write({"type": "onvif", "stream": event["stream"], "Frame": [frame]})
        return True


def onvif_frame(event: Mapping[str, Any]) -> dict[str, Any]:
    """A person's event as ``tt:Frame`` in JSON, elements in the schema's order.

    Args:
        event: ``{"type": "person", ...}`` of the events file, with its time.
    """
    yes = {name for name, it in event["attributes"].items() if it["answer"] == "yes"}
    no = {name for name, it in event["attributes"].items() if it["answer"] == "no"}
    clothing = _filled({
        "Scarf": {"Wear": True} if "muffler" in yes else None,
        "Tops": _garment(_TOPS, yes, event, "upper_body"),
        "Bottoms": _garment(_BOTTOMS, yes, event, "lower_body"),
        "Shoes": _garment(_SHOES, yes, event, "footwear"),
    })  # fmt: skip
    belonging = _filled({
        "Bag": _garment(_BAG, yes),
        "Box": {"Lug": True} if yes & {"suitcase", "luggage_case"} else None,
        "Cart": {"Category": "BabyCarriage"} if "baby_buggy" in yes else None,
    })  # fmt: skip
    accessory = _filled({
        "Opticals": {"Wear": True} if "sunglasses" in yes else None,  # other glasses may be worn
        "Hat": {"Wear": "hat" in yes} if "hat" in yes | no else None,
        "Kerchief": {"Wear": True} if "kerchief" in yes else None,
    })  # fmt: skip
    hair = _filled({
        "Style": "Bald" if "bald" in yes else None,
        "Color": _colour(event, "hair"),
    })  # fmt: skip
    gender = "Male" if "male" in yes else "Female" if "male" in no else None
    appearance = {
        "Class": {"Type": [{"#text": "Human"}]},
        **_filled({
            "HumanFace": _filled({"Gender": gender, "Hair": hair, "Accessory": accessory}),
            "HumanBody": _filled({"Clothing": clothing, "Belonging": belonging}),
        }),
    }  # fmt: skip
    person = {"@ObjectId": event["track"], "Appearance": appearance}
    return {"@UtcTime": event["time"], "@Source": event["stream"], "Object": [person]}


def onvif_xml(frame: Mapping[str, Any]) -> bytes:
    """A frame of :func:`onvif_frame` as a ``tt:MetadataStream`` in XML."""
    for prefix, uri in _NAMESPACES.items():
        ElementTree.register_namespace(prefix, uri)
    root = ElementTree.Element(_tag("tt", "MetadataStream"))
    analytics = ElementTree.SubElement(root, _tag("tt", "VideoAnalytics"))
    _append(analytics, "tt", "Frame", frame)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _append(parent: ElementTree.Element, prefix: str, name: str, value: Any) -> None:
    """One element for each value; what lies inside a body or a face is of its own schema."""
    for one in value if isinstance(value, list) else [value]:
        element = ElementTree.SubElement(parent, _tag(prefix, name))
        if not isinstance(one, Mapping):
            element.text = str(one).lower() if isinstance(one, bool) else str(one)
            continue
        inside = {"HumanBody": "bd", "HumanFace": "fc", "Color": "tt"}.get(name, prefix)
        for key, inner in one.items():
            if key == "#text":
                element.text = str(inner)
            elif key.startswith("@"):
                element.set(key[1:], str(inner))
            else:
                _append(element, inside, key, inner)


def _garment(
    kinds: Mapping[str, Mapping[str, str]],
    yes: set[str],
    event: Mapping[str, Any] | None = None,
    part: str = "",
) -> dict[str, Any]:
    """The fields of a garment that are known; colours come after the category."""
    fields = {kind: next((word for name, word in names.items() if name in yes), None)
              for kind, names in kinds.items()}  # fmt: skip
    colour = _colour(event, part) if event else None
    return _filled({"Category": fields.pop("Category"), "Color": colour, **fields})


def _colour(event: Mapping[str, Any], part: str) -> dict[str, Any] | None:
    """A part's colour as ``tt:ColorDescriptor``; None where it is unknown."""
    colour = (event.get("colours") or {}).get(part, {})
    rgb = _RGB.get(colour.get("name"))
    if rgb is None:
        return None
    numbers = dict(zip(("@X", "@Y", "@Z"), rgb, strict=True))
    of_cluster = {**numbers, "@Colorspace": _RGB_SPACE, "@Likelihood": colour["p"]}
    return {"ColorCluster": [{"Color": of_cluster}]}


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is None or empty."""
    return {name: value for name, value in values.items() if value}


def _tag(prefix: str, name: str) -> str:
    return f"{{{_NAMESPACES[prefix]}}}{name}"
