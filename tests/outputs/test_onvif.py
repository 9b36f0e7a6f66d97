"""Records as ONVIF's scene description: element names and order of the schema, nothing unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from edgeattr.outputs import onvif
from edgeattr.outputs.onvif import OnvifOutput, onvif_frame, onvif_xml
from edgeattr.video.output import FailsafeOutput

from ..waiting import until
from .mqtt_broker import Broker, Subscriber, mqtt_output

_BODY = "{http://www.onvif.org/ver20/analytics/humanbody}"
_FACE = "{http://www.onvif.org/ver20/analytics/humanface}"
_SCHEMA = "{http://www.onvif.org/ver10/schema}"
_BODY_SEQUENCES = {
    "": "Clothing Belonging",
    "Clothing": "Scarf Tops Bottoms Shoes",
    "Clothing/Tops": "Category Color Grain Style",
    "Clothing/Bottoms": "Category Color Style",
    "Clothing/Shoes": "Category Color",
    "Belonging": "Bag Box Cart",
}
_VALUES = {  # of the schemas' enumerations, those that an attribute of ours could mean
    "Tops": "LongSleeve ShortSleeve Sleeveless Stria Plaid PureColour Decal Tailor Jacket Shirt "
    "Sweater Overcoat Dress Vest SafetyVest",
    "Bottoms": "Trousers Shorts Skirt FormalPants Jeans",
    "Shoes": "Boots LeatherShoes Sneakers Sandal Slipper",
    "Bag": "Backpack SingleShoulderBag Other",
}
_FACE_SEQUENCES = {
    "": "Gender Hair Accessory",
    "Hair": "Style Color",
    "Accessory": "Opticals Hat Kerchief",
}


def _event(**changes: Any) -> dict[str, Any]:
    answers = {
        "short_sleeves": "yes", "jacket": "yes", "plaid": "no", "jeans": "yes", "hat": "no",
        "sunglasses": "unknown", "backpack": "yes", "sneakers": "unknown", "muffler": "yes",
    }  # fmt: skip
    return {
        "type": "person", "stream": "door", "track": 7, "time": "2026-05-01T12:30:15.250Z",
        "attributes": {name: {"p": 0.5, "answer": it} for name, it in answers.items()},
        "colours": {
            "upper_body": {"name": "grey", "p": 0.8, "second": "black"},
            "lower_body": {"name": "unknown", "p": 0.3, "second": "black"},
        },
        **changes,
    }  # fmt: skip


def test_what_is_known_is_told_and_nothing_else() -> None:
    frame = onvif_frame(_event())
    (person,) = frame["Object"]
    assert (frame["@UtcTime"], person["@ObjectId"]) == ("2026-05-01T12:30:15.250Z", 7)
    space = "http://www.onvif.org/ver10/colorspace/RGB"
    rgb = {"@X": 128, "@Y": 128, "@Z": 128, "@Colorspace": space, "@Likelihood": 0.8}
    grey = {"ColorCluster": [{"Color": rgb}]}
    assert person["Appearance"] == {
        "Class": {"Type": [{"#text": "Human"}]},
        "HumanFace": {"Accessory": {"Hat": {"Wear": False}}},
        "HumanBody": {
            "Clothing": {
                "Scarf": {"Wear": True},
                "Tops": {"Category": "ShortSleeve", "Color": grey, "Style": "Jacket"},
                "Bottoms": {"Category": "Trousers", "Style": "Jeans"},
            },
            "Belonging": {"Bag": {"Category": "Backpack"}},
        },
    }


def test_gender_is_told_only_where_records_have_it() -> None:
    assert "Gender" not in json.dumps(onvif_frame(_event()))
    male = onvif_frame(_event(attributes={"male": {"p": 0.1, "answer": "no"}}))
    assert male["Object"][0]["Appearance"]["HumanFace"] == {"Gender": "Female"}
    nothing = onvif_frame(_event(attributes={}, colours={}))["Object"][0]["Appearance"]
    assert list(nothing) == ["Class"]


def test_xml_has_the_namespaces_and_the_order_of_the_schema() -> None:
    worn = {
        name
        for kinds in (onvif._TOPS, onvif._BOTTOMS, onvif._SHOES, onvif._BAG)
        for names in kinds.values()
        for name in names
    } | {"muffler", "suitcase", "baby_buggy", "male", "bald", "sunglasses", "hat", "kerchief"}
    every = _event(
        attributes={name: {"p": 0.9, "answer": "yes"} for name in worn},
        colours={
            part: {"name": "red", "p": 0.7, "second": "pink"}
            for part in ("upper_body", "lower_body", "footwear", "hair")
        },
    )
    root = ElementTree.fromstring(onvif_xml(onvif_frame(every)))
    assert root.tag == f"{_SCHEMA}MetadataStream"
    frame = root.find(f"{_SCHEMA}VideoAnalytics/{_SCHEMA}Frame")
    assert set(frame.attrib) == {"UtcTime", "Source"}
    appearance = frame.find(f"{_SCHEMA}Object/{_SCHEMA}Appearance")
    assert [child.tag for child in appearance] == [
        _SCHEMA + name for name in ("Class", "HumanFace", "HumanBody")
    ]
    for namespace, sequences in ((_FACE, _FACE_SEQUENCES), (_BODY, _BODY_SEQUENCES)):
        for path, names in sequences.items():
            steps = [namespace + step for step in path.split("/") if step]
            top = _SCHEMA + ("HumanFace" if namespace == _FACE else "HumanBody")
            element = appearance.find("/".join([top, *steps]))
            assert [child.tag for child in element] == [namespace + it for it in names.split()]
    for colour in appearance.iter(f"{_SCHEMA}ColorCluster"):
        (value,) = colour
        assert value.tag == f"{_SCHEMA}Color"
        assert [value.get(key) for key in ("X", "Y", "Z", "Likelihood")] == ["255", "0", "0", "0.7"]
    assert len(list(appearance.iter(f"{_SCHEMA}ColorCluster"))) == 4
    assert appearance.find(f".//{_BODY}Scarf/{_BODY}Wear").text == "true"


def test_values_are_those_of_the_schema() -> None:
    ours = {
        "Tops": onvif._TOPS,
        "Bottoms": onvif._BOTTOMS,
        "Shoes": onvif._SHOES,
        "Bag": onvif._BAG,
    }
    for element, kinds in ours.items():
        words = {word for names in kinds.values() for word in names.values()}
        assert words <= set(_VALUES[element].split())


def test_who_wears_no_sunglasses_may_wear_others() -> None:
    no = onvif_frame(_event(attributes={"sunglasses": {"p": 0.0, "answer": "no"}}, colours={}))
    assert "HumanFace" not in no["Object"][0]["Appearance"]


@pytest.mark.usefixtures("quick")
def test_it_is_published_beside_the_record(broker: Broker, tmp_path: Path) -> None:
    broker.start()
    subscriber = Subscriber(broker.port, "edgeattr/door/onvif")
    with mqtt_output(f"mqtt://127.0.0.1:{broker.port}", spool=tmp_path / "spool") as mqtt:
        output = OnvifOutput(mqtt)
        output.write(_event())
        output.write(_event(time=None))  # of a file: a frame must have a time
        output.write({"type": "summary", "stream": "door"})
        until(lambda: len(subscriber.messages) == 1)
    subscriber.close()
    assert json.loads(subscriber.messages[0][1])["Frame"] == [onvif_frame(_event())]


def test_what_is_passed_over_does_not_count_as_written(tmp_path: Path) -> None:
    with mqtt_output("mqtt://127.0.0.1:9", spool=tmp_path / "spool") as mqtt:
        output = FailsafeOutput(OnvifOutput(mqtt))
        for event in (_event(), _event(time=None), {"type": "summary", "stream": "door"}):
            output.write(event)
        assert output.status().written == mqtt.delivery().waiting == 1
