"""The program as users call it: another process, its output, its exit code."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeattr.cli.predict import described
from edgeattr.core.bundle import Bundle
from edgeattr.core.hub import default_bundle, resolve_bundle
from edgeattr.core.label_ranking import LabelRanking
from edgeattr.core.prediction import AttributeAnswer, Prediction

from ..conftest import json_lines
from ..waiting import until
from .program import edgeattr


def _process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """In a process of its own."""
    command = [sys.executable, "-m", "edgeattr", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.parametrize(
    "command",
    ["run", "find", "predict", "train", "eval", "convert", "bench", "info", "doctor",
     "models pull"],
)  # fmt: skip
def test_help_of_every_command_shows_an_example(command: str) -> None:
    said = edgeattr(*command.split(), "--help").stdout
    assert "edgeattr " + command in " ".join(said.split())


def test_version_and_wrong_usage() -> None:
    assert _process("--version").stdout.startswith("edgeattr 0.")
    for wrong in (["run"], ["nonsense"], ["predict", __file__, "--precision", "int4"]):
        edgeattr(*wrong, code=2)


def test_info_states_the_licence_and_marks_sensitive_attributes() -> None:
    text = edgeattr("info").stdout
    assert "research use only" in text
    assert "male*" in text
    assert "onnx-fp32" in text
    assert "-int8" in text
    assert json.loads(edgeattr("info", "--json").stdout)["format"] == 1


def test_doctor_loads_the_model() -> None:
    said = _process("doctor").stdout
    assert "  chosen   openvino-int8 on openvino: by what is installed" in said
    assert "  ok       onnx-fp32 on onnxruntime" in said
    assert "  ok       openvino on auto, cpu" in said
    assert "  chosen   int8 on " in said.split("person detector")[1]


def test_models() -> None:
    assert "yolox_nano" in edgeattr("models").stdout
    verified = edgeattr("models", "verify").stdout
    assert "ok       default" in verified
    assert "ok       person: onnx-fp32" in verified
    assert "EDGEATTR_OFFLINE" in edgeattr("models", "pull", "yolox_nano", code=1).stderr
    assert "known:" in edgeattr("models", "pull", "yolo99", code=2).stderr


def test_predict(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    cv2.imwrite(str(good), np.full((80, 40, 3), 90, np.uint8))
    bad.write_text("no image")
    line = json.loads(edgeattr("predict", good, "--json").stdout)
    assert line["image"] == str(good)
    assert "male" not in line["attributes"]
    assert set(line["attributes"]["hat"]) == {"p", "answer"}
    assert "male" in edgeattr("predict", good, "--json", "--include-sensitive").stdout
    out = tmp_path / "out"
    shown = edgeattr("predict", bad, good, "--explain", out, "--explain-all", "--json", code=1)
    assert json.loads(shown.stdout) == line
    assert bad.name in shown.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        f"{good.stem}.explain.html", f"{good.stem}.explain.json",
    ]  # fmt: skip
    edgeattr("predict", good, "--explain-all", code=2)
    done = edgeattr("predict", bad, good, code=1)
    assert "bad.png: not an image" in done.stderr
    assert str(good) in done.stdout


def test_predict_says_what_tells_people_apart() -> None:
    ranking = LabelRanking.of_bundle(Bundle.read(resolve_bundle("default")))
    yes = ("casual_lower", "no_accessory", "hair_black", "upper_body_red", "backpack")
    answers = {name: AttributeAnswer(0.99, "yes") for name in yes}
    said = described(Prediction(answers, np.zeros(1, np.float32)), ranking).split(", ")
    assert {"red top", "black hair", "backpack"} <= set(said[:3])
    assert "no accessory" not in said
    nobody = Prediction(answers, np.zeros(1, np.float32), visibility={"head": 0.1})
    assert described(nobody, ranking) == "no person to be seen"


def test_run_writes_events_and_video(walking_video: Path, tmp_path: Path) -> None:
    events, video = tmp_path / "e.jsonl", tmp_path / "v.mp4"
    done = _process("run", walking_video, "--events", events, "--output", video)
    assert "1 person," in done.stderr
    person, summary = json_lines(events)
    assert set(person) == {
        "type", "id", "stream", "track", "first_s", "last_s", "frames", "crops_classified", "box",
        "attributes", "colours", "labels",
    }  # fmt: skip
    assert set(summary) == {
        "type", "stream", "frames", "seconds", "people", "detections", "crops_classified",
        "crops_seen", "dropped_frames",
    }  # fmt: skip
    capture = cv2.VideoCapture(str(video))
    assert sum(1 for _ in iter(lambda: capture.read()[0], False)) == 40


def test_run_needs_no_download(walking_video: Path) -> None:
    done = edgeattr("run", walking_video)
    assert "detector: person, int8 on " in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["type"] == "summary"


def test_run_on_text_still_does_the_good_one(walking_video: Path, tmp_path: Path) -> None:
    text, events = tmp_path / "text.mp4", tmp_path / "e.jsonl"
    text.write_text("this is no video")
    done = edgeattr("run", text, walking_video, "--events", events, code=1)
    assert "text.mp4: not a video that can be decoded" in done.stderr
    kinds = [(line["type"], Path(str(line["stream"])).name) for line in json_lines(events)]
    assert kinds == [("summary", "text.mp4"), ("person", "walk.mp4"), ("summary", "walk.mp4")]
    assert "not a video" in str(json_lines(events)[0]["error"])


def test_a_missing_source_touches_no_old_result(walking_video: Path, tmp_path: Path) -> None:
    events = tmp_path / "e.jsonl"
    events.write_text("old")
    done = edgeattr("run", walking_video, tmp_path / "none.mp4", "--events", events, code=1)
    assert "none.mp4: no such file" in done.stderr
    assert events.read_text() == "old"


def test_run_refuses_a_bad_detector_and_output(walking_video: Path, tmp_path: Path) -> None:
    (tmp_path / "d.onnx").write_text("x")
    content = walking_video.read_bytes()
    for options, code, said in (
        (["--detector", "yolo99"], 2, "neither a file nor a folder"),
        (["--detector", tmp_path / "d.onnx"], 1, "cannot open"),
        (["--output", tmp_path / "o.avi"], 2, "only .mp4"),
        (["--output", walking_video], 2, "an input of this run"),
        (["--events", walking_video], 2, "an input of this run"),
        (["--events", "/dev/full"], 1, "No space left"),
    ):
        assert said in edgeattr("run", walking_video, *options, code=code).stderr
    assert walking_video.read_bytes() == content


def test_a_window_without_a_desktop_leaves_nothing_behind(
    walking_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    video = tmp_path / "out.mp4"
    done = edgeattr("run", walking_video, "--show", "--output", video, code=1)
    assert "needs a desktop" in done.stderr
    assert not list(tmp_path.glob("*.mp4"))
    assert not list(tmp_path.glob(".*.mp4"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_everything_known_written(
    walking_video: Path, tmp_path: Path, number: signal.Signals
) -> None:
    long, events, video = tmp_path / "long.mp4", tmp_path / "e.jsonl", tmp_path / "v.mp4"
    _repeat(walking_video, long)
    process = subprocess.Popen(
        [sys.executable, "-m", "edgeattr", "run", str(long),
         "--events", str(events), "--output", str(video)],
        stderr=subprocess.PIPE, text=True,
        # a shell's background job has SIGINT ignored, and would hand that down
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while not any(part.stat().st_size > 1000 for part in tmp_path.glob(".v-*.mp4")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors
    summary = json_lines(events)[-1]
    assert (summary["type"], summary["error"]) == ("summary", "stopped")
    capture = cv2.VideoCapture(str(video))
    written = sum(1 for _ in iter(lambda: capture.read()[0], False))
    assert 0 < int(str(summary["frames"])) <= written <= int(str(summary["frames"])) + 1


def test_that_several_were_stopped_is_said_once(walking_video: Path, tmp_path: Path) -> None:
    site, events = tmp_path / "site.toml", tmp_path / "e.jsonl"
    _repeat(walking_video, tmp_path / "long.mp4")
    sources = "".join(f"[[sources]]\nname = {it!r}\naddress = 'long.mp4'\n" for it in "ab")
    site.write_text(f"events = {{ path = 'e.jsonl' }}\npipeline = {{ workers = 2 }}\n{sources}")
    command = [sys.executable, "-m", "edgeattr", "run", "--config", str(site)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until(lambda: events.exists() and all(f'"stream": "{it}"' in events.read_text() for it in "ab"))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors.count("edgeattr: stopped\n") == 1


def _repeat(video: Path, target: Path) -> None:
    import av

    with av.open(str(video)) as source, av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        frames = [frame.to_ndarray(format="bgr24") for frame in source.decode(video=0)]
        for image in frames * 60:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        out.mux(stream.encode(None))


def test_convert_fp16_alone_makes_the_default_faster_to_move(tmp_path: Path) -> None:
    done = edgeattr("convert", "--fp16")
    assert "onnx-fp16" in done.stderr
    assert "onnx-fp16" in edgeattr("info").stdout
    image = tmp_path / "x.png"
    cv2.imwrite(str(image), np.full((80, 40, 3), 90, np.uint8))
    edgeattr("predict", image, "--precision", "fp16")


def test_convert_refuses_what_it_cannot_prove(tiny_peta: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.edgeattr"
    shutil.copytree(default_bundle(), copy)
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    (tmp_path / "empty").mkdir()
    known = f"peta:{tiny_peta}"
    for options, code, said in (
        (["--int8"], 2, "--calib"), ([], 2, ""),
        (["--fp16", "--to", "coreml"], 2, "there are onnx"),
        (["--int8", "--calib", f"peta:{tmp_path}"], 1, "PETA.mat is missing"),
        (["--int8", "--calib", tmp_path / "none", "--eval", known], 2,
         "none: no such folder of calibration images"),
        (["--int8", "--calib", tmp_path / "empty", "--eval", known], 1,
         "0 images (.bmp, .jpeg, .jpg, .png, .webp) under"),
        (["--int8", "--calib", tiny_peta / "images"], 2, "pass --eval NAME:DIR"),
        (["--int8", "--calib", tiny_peta / "PETA.mat", "--eval", known], 1,
         "PETA.mat: not a video"),
    ):  # fmt: skip
        assert said in edgeattr("convert", copy, *options, code=code).stderr
    edgeattr("convert", tmp_path / "none.edgeattr", "--fp16", code=1)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_convert_to_tensorrt_prepares_where_there_is_no_gpu(tmp_path: Path) -> None:
    out = tmp_path / "jetson.edgeattr"
    done = edgeattr("convert", "--fp16", "--to", "tensorrt", "--out", out)
    assert "the engine will be built on the device" in done.stderr
    assert "tensorrt-fp16" in edgeattr("info", out).stdout
    assert (tmp_path / "jetson.report.html").is_file()
    assert "no NVIDIA GPU" in edgeattr(
        "predict", __file__, "--model", out, "--runtime", "tensorrt", code=1
    ).stderr.replace('install it: pip install "edgeattr[tensorrt]"', "no NVIDIA GPU")


@pytest.mark.parametrize(
    "arguments",
    [
        ("convert", "--fp16", "--out", "/proc/x.edgeattr"),
        ("eval", "--data", "peta:nowhere", "--json", "/proc/x.json"),
        ("bench", "--json", "/proc/x.json"),
        ("bench", "--tune"),
        ("train", "--data", "peta:nowhere", "--out", "/proc/x"),
    ],
    ids=" ".join,
)
def test_a_long_command_looks_at_its_place_before_it_works(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEATTR_HOME", "/proc/home")
    done = edgeattr(*arguments, code=1)
    assert re.search(r"/proc/(x|home)\S* cannot be written", done.stderr)
    assert done.stderr.count("\n") == 1, "nothing was begun"


def test_convert_says_what_is_wrong_with_a_model(tmp_path: Path) -> None:
    """A checkpoint that is not there, a cut ONNX file, one that no engine can read."""
    assert "none.pt" in edgeattr("convert", tmp_path / "none.pt", "--fp16", code=1).stderr
    assert not list(tmp_path.iterdir())
    copy = tmp_path / "copy.edgeattr"
    shutil.copytree(default_bundle(), copy)
    (model,) = copy.glob("model-onnx-fp32-*")
    whole = model.read_bytes()
    model.write_bytes(whole[:100_000])
    assert "is damaged: its SHA-256" in edgeattr("convert", copy, "--fp16", code=1).stderr
    index = json.loads((copy / "bundle.json").read_text())
    index["variants"]["onnx-fp32"]["sha256"] = hashlib.sha256(whole[:100_000]).hexdigest()
    (copy / "bundle.json").write_text(json.dumps(index))
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    assert "edgeattr: " in edgeattr("convert", copy, "--fp16", code=1).stderr
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_train_then_use_the_bundle(tiny_peta: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    changes = ("height=64", "width=32", "schedule.epochs=1", "schedule.small_epochs=0",
               "schedule.batch=26", "name=tiny")  # fmt: skip
    options = [part for change in changes for part in ("--set", change)]
    arguments = ["train", "--data", f"peta:{tiny_peta}", "--out", out, *options]
    assert "validation mA" in edgeattr(*arguments).stderr
    bundle = out / "tiny.edgeattr"
    image = next((tiny_peta / "images").iterdir())
    assert "backpack" in edgeattr("predict", image, "--model", bundle, "--json").stdout
    assert "pass --resume" in edgeattr(*arguments, code=2).stderr
    assert "wrote" in edgeattr(*arguments, "--resume").stderr
    again = tmp_path / "again.edgeattr"
    edgeattr("convert", out / "best.pt", "--out", again)
    assert json.loads((again / "bundle.json").read_text())["name"] == "again"
    whole = (out / "best.pt").read_bytes()
    (out / "best.pt").write_bytes(whole[: len(whole) // 2])
    assert "best.pt" in edgeattr("convert", out / "best.pt", "--out", again, code=1).stderr
    edgeattr("info", again)


def test_commands_that_need_no_torch_do_not_import_it() -> None:
    code = (
        "import sys; from edgeattr.cli import app; import edgeattr_runtimes;"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'lap', 'scipy', 'trackers'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
