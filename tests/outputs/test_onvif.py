"""Records as ONVIF's scene description: element names and order of the schema, nothing unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from edgeattr.outputs import MqttOutput
from edgeattr.outputs.onvif import OnvifOutput, onvif_frame, onvif_xml

from ..waiting import until
from .mqtt_broker import Broker, Subscriber

_BODY = "{http://www.onvif.org/ver20/analytics/humanbody}"
_SCHEMA = "{http://www.onvif.org/ver10/schema}"


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
    grey = {"ColorCluster": [{"ColorString": {"@Likelihood": 0.8, "#text": "Gray"}}]}
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
    root = ElementTree.fromstring(onvif_xml(onvif_frame(_event())))
    assert root.tag == f"{_SCHEMA}MetadataStream"
    tops = root.find(f".//{_SCHEMA}HumanBody/{_BODY}Clothing/{_BODY}Tops")
    assert [child.tag for child in tops] == [_BODY + it for it in ("Category", "Color", "Style")]
    colour = tops.find(f"{_BODY}Color/{_SCHEMA}ColorCluster/{_SCHEMA}ColorString")
    assert (colour.text, colour.get("Likelihood")) == ("Gray", "0.8")
    wear = root.find(f".//{_BODY}Scarf/{_BODY}Wear")
    assert wear.text == "true"


@pytest.mark.usefixtures("quick")
def test_it_is_published_beside_the_record(broker: Broker, tmp_path: Path) -> None:
    broker.start()
    subscriber = Subscriber(broker.port, "edgeattr/door/onvif")
    with MqttOutput(f"mqtt://127.0.0.1:{broker.port}", spool=tmp_path / "spool") as mqtt:
        output = OnvifOutput(mqtt)
        output.write(_event())
        output.write({"type": "summary", "stream": "door"})
        until(lambda: len(subscriber.messages) == 1)
    subscriber.close()
    assert json.loads(subscriber.messages[0][1])["Frame"] == [onvif_frame(_event())]
