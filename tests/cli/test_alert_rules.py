"""Rules of a site's file: checked before anything opens, raised while it runs, replayed."""

import dataclasses
import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

import edgeattr
from edgeattr.cli.alert_rules import AlertSection, alert_rules
from edgeattr.cli.app import app
from edgeattr.cli.site_config import Site, load_site
from edgeattr.cli.site_pipeline import SitePipeline
from edgeattr.core.errors import UsageError
from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr.video.detectors import Detector

from ..search.store.person_events import person, rows_of

_SOURCES = """
[[sources]]
address = "{video}"
name = "hall"
zones = [{{ name = "left", points = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]] }}]
lines = [{{ name = "middle", points = [[0.5, 0], [0.5, 1]] }}]
[[sources]]
address = "yard.mp4"
name = "yard"
zones = [{{ name = "gravel", points = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]] }}]
"""


def _site(folder: Path, rules: str, *, video: object = "hall.mp4", head: str = "") -> Path:
    path = folder / "site.toml"
    path.write_text(head + _SOURCES.format(video=video) + rules)
    return path


def _rule(when: str, more: str = "", name: str = "a rule") -> str:
    return f"[[alert]]\nname = {name!r}\nwhen = {when!r}\n{more}\n"


def test_a_rule_as_it_is_read(tmp_path: Path) -> None:
    (section,) = load_site(
        _site(tmp_path, _rule("hat in zone left after 22:00", "for = '3 s'\ncooldown = '1 min'"))
    ).alert
    assert (section.for_s, section.cooldown_s, section.camera) == (3.0, 60.0, None)
    assert str(section.query) == "hat and in zone left and between 22:00 and 24:00"


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        (_rule("hat and"), "alert 'a rule', when: .*ends too early"),
        (_rule("hat is unknown"), "`yes` or `no`"),
        (_rule("in zone lef"), 'no zone "lef" in this site; did you mean `left`'),
        (
            _rule("in zone left", "camera = 'yard'"),
            'no zone "left" at "yard"; it has: gravel; there is one at "hall"',
        ),
        (_rule("crossed middle", "camera = 'yard'"), 'at "yard"; it has: none; there .* "hall"'),
        (_rule("crossed gate"), 'no line "gate" in this site; it has: middle'),
        (_rule("hat", "camera = 'hal'"), "no source is called 'hal'; did you mean 'hall'"),
        (_rule("hat", "for = 'soon'"), "alert 'a rule', for: `soon` is not understood"),
        (_rule("hat", "cooldown = '5'"), "cooldown: .*a unit of time"),
        (_rule("hat", "for = 3"), r"key alert\[0\].for wants str, got int"),
        (_rule("hat", "fore = '3 s'"), r"did you mean for\?\); expected .*alert.0..for, "),
        (_rule("hat") * 2, "two alerts are called 'a rule'"),
        (_rule("hat", name=" "), "has no name"),
        ("[[alert]]\nname = 'x'\n", "when is missing"),
    ],
)
def test_a_bad_rule_is_refused_at_its_place(tmp_path: Path, rules: str, says: str) -> None:
    with pytest.raises(UsageError, match=f"(?s){says}") as caught:
        load_site(_site(tmp_path, rules))
    assert str(tmp_path / "site.toml") in str(caught.value)


@pytest.fixture(scope="module")
def model() -> edgeattr.AttributeModel:
    return edgeattr.load()


def test_an_attribute_that_the_model_does_not_report_is_refused_before_anything_opens(
    tmp_path: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    head = "events = { path = 'people.jsonl' }\n"
    for when, says in (("hatt", "did you mean `hat`"), ("male", "`male` is sensitive")):
        site = load_site(_site(tmp_path, _rule(when), head=head))
        with pytest.raises(UsageError, match=f"alert 'a rule', when: .*{says}"):
            SitePipeline(site, model, detector)
    assert not (tmp_path / "people.jsonl").exists()


def test_rules_know_the_colours_of_a_model_by_both_names(model: edgeattr.AttributeModel) -> None:
    names = ("upper_body_red", "upper_body_blue")
    schema = AttributeSchema(
        tuple(Attribute(name=name, group="upper_body_colour") for name in names)
    )
    decision = dataclasses.replace(
        model.decision, schema=schema, thresholds=(0.5, 0.5), scale=(1, 1), offset=(0, 0),
        yes_margin=(), no_margin=(), prior=(),
    )  # fmt: skip
    for when in ("red upper_body", "upper_body_red"):
        (rule,) = alert_rules([AlertSection(name="a", when=when)], {}, decision)
        assert rule.name == "a"


def test_alerts_go_to_every_output_and_are_replayed(
    walking_video: Path, tmp_path: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    rules = (
        _rule("in zone left and hat and not hat", name="never")
        + _rule("in zone left", "for = '0.2 s'", name="left")
        + _rule("crossed middle", "camera = 'hall'", name="crossing")
    )  # fmt: skip
    head = (
        "events = { path = 'people.jsonl' }\nstore = { path = 'people.sqlite' }\n"
        "crops = { path = 'crops' }\n"
    )
    path = _site(tmp_path, rules, video=walking_video, head=head)
    site: Site = load_site(path)
    with SitePipeline(site, model, detector) as runner:
        while not runner.advance(0.1):
            pass
    events = [json.loads(line) for line in (tmp_path / "people.jsonl").read_text().splitlines()]
    alerts = [event for event in events if event["type"] == "alert"]
    raised = Counter(event["alert"] for event in alerts)
    people = {event["id"]: event for event in events if event["type"] == "person"}
    (summary,) = (it for it in events if it["type"] == "summary" and it["stream"] == "hall")
    assert summary["alerts"] == {"never": 0, "left": raised["left"], "crossing": raised["crossing"]}
    assert raised["left"] == 1
    assert raised["crossing"] == sum(summary["lines"]["middle"].values()) == 1
    for event in alerts:
        assert event["person"] in people
        assert event["track"] == people[event["person"]]["track"]
        if event["alert"] == "crossing":  # late enough that a crop is there
            assert Path(event["crop"]).is_file()
    stored = rows_of(tmp_path / "people.sqlite", "alerts")
    assert {it["id"] for it in stored} == {event["id"] for event in alerts}
    for where in (["--store", str(tmp_path / "people.sqlite")],
                  ["--events", str(tmp_path / "people.jsonl")]):  # fmt: skip
        replayed = CliRunner().invoke(app, ["find", "--alerts", str(path), "--count", *where])
        assert replayed.exit_code == 0
        counts = [line.split(maxsplit=1) for line in replayed.stdout.splitlines()]
        found = {name: int(count) for count, name in counts}
        assert found == {"never": 0, "left": raised["left"], "crossing": raised["crossing"]}


def test_a_replay_pauses_by_the_clock_of_the_video(tmp_path: Path) -> None:
    """Records of a file are told faster than it plays."""
    told = [
        person(number, last_s=20.0 * number, time=f"2026-05-01T12:30:1{number}.000Z")
        for number in (1, 2, 3)
    ]
    events = tmp_path / "people.jsonl"
    events.write_text("".join(json.dumps(event) + "\n" for event in told))
    rules = _rule("backpack", "cooldown = '30 s'", name="bags") + _rule("helmet", name="unknown")
    path = _site(tmp_path, rules)
    found = CliRunner().invoke(
        app, ["find", "--alerts", str(path), "--count", "--events", str(events)]
    )
    assert found.stdout.split() == ["2", "bags"]
    assert found.exit_code == 2
    assert "helmet" in found.stderr


def test_a_replay_reads_rules_as_a_run_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORN", "backpack")
    events = tmp_path / "people.jsonl"
    events.write_text(json.dumps(person(1)) + "\n")
    asked = ["find", "--events", str(events), "--alerts"]
    head = "mqtt = { url = '${UNSET}' }\n"  # which a replay does not need
    path = _site(tmp_path, _rule("${WORN}", name="bags of ${WORN}"), head=head)
    found = CliRunner().invoke(app, [*asked, str(path)])
    assert "bags of backpack: person 1" in found.stdout
    assert "bags of backpack: 1 alert\n" in found.stderr
    path = _site(tmp_path, _rule("hat") * 2)
    refused = CliRunner().invoke(app, [*asked, str(path)])
    assert "two alerts are called 'a rule'" in str(refused.exception)
