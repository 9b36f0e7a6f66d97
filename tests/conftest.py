"""What tests share: the real data's place, drawn pictures, a tiny data set, a make-believe GPU."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

import edgeattr
from edgeattr.core.bundle import Bundle
from edgeattr.core.crops import Image
from edgeattr.core.schema import AttributeSchema
from edgeattr.video.detectors import Detector, open_detector

from .make_believe_gpu.fake_pycuda import fake_pycuda
from .make_believe_gpu.fake_tensorrt import fake_tensorrt
from .make_believe_gpu.listing import COMMON, parse_listing
from .make_believe_gpu.world import World
from .outputs.mqtt_broker import Broker, mosquitto
from .skips import (  # noqa: F401 - hooks
    pytest_collectreport,
    pytest_runtest_logreport,
    pytest_sessionfinish,
    pytest_terminal_summary,
)

if TYPE_CHECKING:
    from edgeattr_train.checkpoint import Checkpoint

_ROOT = Path(__file__).resolve().parent.parent
_SMALL = (64, 32)


@pytest.fixture(scope="session")
def _compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks that one test had compiled, for the next."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(autouse=True)
def _own_home(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    _compiled: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tests neither read nor write the user's cache, and never download."""
    home = tmp_path_factory.mktemp("home") / "edgeattr"
    monkeypatch.setenv("EDGEATTR_HOME", str(home))
    monkeypatch.setenv("EDGEATTR_OFFLINE", "1")
    if not {"convert", "runtimes"} & set(request.path.parts):  # they test what is kept
        home.mkdir()
        (home / "engines").symlink_to(_compiled)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data, or a skip that says where it was looked for."""
    folder = Path(os.environ.get("EDGEATTR_SHARED", _ROOT.parent / "shared"))
    if not (folder / "peta" / "PETA.mat").is_file():
        pytest.skip(f"no real data at {folder}; set EDGEATTR_SHARED")
    return folder


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """An MQTT broker that was not started yet."""
    with mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture(scope="session")
def model() -> Iterator[edgeattr.AttributeModel]:
    """The default model."""
    with edgeattr.load() as loaded:
        yield loaded


@pytest.fixture(scope="session")
def detector() -> Iterator[Detector]:
    """The person detector."""
    with open_detector("auto") as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, without a window; Playwright's loop ends with it, so that others may run."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium on this machine: apt install chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


def json_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON object of each line of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def crops() -> npt.NDArray[np.uint8]:
    """Five drawn figures, uint8 [5, 96, 40, 3]."""
    from edgeattr_train.golden import golden_crops

    return golden_crops(96, 40, seed=3)[:5]


def write_peta_mat(
    folder: Path, data: npt.NDArray[Any], names: Sequence[str], split: Sequence[dict[str, Any]]
) -> None:
    """PETA.mat: rows [n, 4 + 105] of which the first 35 attributes count; five splits, or one."""
    import scipy.io

    sources = np.empty((105, 1), object)
    sources[:, 0] = [*names, *(f"other{index}" for index in range(len(names), 105))]
    partition = np.empty((5, 1), object)
    partition[:, 0] = [
        {name: np.reshape(rows, (-1, 1)) for name, rows in split[k % len(split)].items()}
        for k in range(5)
    ]
    peta = {
        "data": data,
        "attribute": sources,
        "selected_attribute": np.arange(5, 40, dtype=np.uint8)[None],
        "partion_attribute": partition,
    }
    scipy.io.savemat(folder / "PETA.mat", {"peta": peta})


@pytest.fixture(scope="session")
def tiny_peta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set in PETA's layout: 260 drawn images whose brightness tells the attributes."""
    from edgeattr_train.data.peta_schema import PETA_SCHEMA

    folder = tmp_path_factory.mktemp("peta")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    count, attributes = 260, len(PETA_SCHEMA)
    halves = rng.integers(0, 2, (count, 2))  # bright above, bright below
    labels = halves[:, np.arange(attributes) % 2]
    for row in range(count):
        _write_figure(folder / "images" / f"{row + 1:05d}.png", labels[row], rng)
    data = np.zeros((count, 4 + 105), np.uint16)
    data[:, 0] = np.arange(count) + 1
    data[:, 1] = np.arange(count) // 2 + 1
    data[:, 4 : 4 + attributes] = labels
    order = rng.permutation(count) + 1
    split = {"train": order[:130], "val": order[130:200], "test": order[200:]}
    write_peta_mat(folder, data, [it.source for it in PETA_SCHEMA.attributes], [split])
    return folder


def _write_figure(path: Path, labels: npt.NDArray[np.int64], rng: np.random.Generator) -> None:
    image = rng.integers(0, 60, (80, 36, 3), dtype=np.uint8)
    image[:40] += np.uint8(150) * np.uint8(labels[0])
    image[40:] += np.uint8(150) * np.uint8(labels[1])
    cv2.imwrite(str(path), image)


@pytest.fixture
def world() -> World:
    """The state of the make-believe GPU."""
    return World()


@pytest.fixture
def installed(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """TensorRT and PyCUDA can be imported and there is a GPU; gives `pycuda.driver`."""
    from edgeattr_runtimes import engines
    from edgeattr_runtimes.cuda import first_gpu

    made, package = fake_pycuda(world), types.ModuleType("pycuda")
    package.__spec__ = ModuleSpec("pycuda", None)
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", made)
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt(parse_listing(COMMON), world))
    monkeypatch.setattr(engines, "gpu_present", lambda: True)
    first_gpu.cache_clear()
    yield made
    first_gpu.cache_clear()


@pytest.fixture(scope="session")
def walking_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames, 320x240: a drawn person walks through a bright room."""
    path = tmp_path_factory.mktemp("video") / "walk.mp4"
    write_video(path, [_room(step) for step in range(40)])
    return path


def write_video(path: Path, frames: list[Image], rate: int = 10) -> None:
    """Encode frames as H.264, the index in front so that a cut file can still be opened."""
    import av

    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))


def _room(step: int) -> Image:
    rng = np.random.default_rng(step)
    image = np.full((240, 320, 3), 190, np.uint8)
    image[170:] = (90, 120, 150)
    if step >= 5:
        draw_person(image, 27 + 7 * (step - 5))
    noise = rng.integers(0, 6, image.shape, dtype=np.uint8)
    return image + noise


def draw_person(image: Image, x: int) -> None:
    """Draw a person in red and dark blue at `x`, 155 pixels tall, who stands on row 215."""
    skin, hair, shirt, sleeves = (110, 140, 195), (25, 30, 45), (45, 35, 140), (35, 27, 110)
    trousers, shoes, whole = (75, 50, 30), (20, 20, 20), cv2.FILLED
    for side in (-1, 1):
        cv2.line(image, (x + 5 * side, 150), (x + 8 * side, 205), trousers, 11)
        cv2.ellipse(image, (x + 9 * side, 211), (8, 4), 0, 0, 360, shoes, whole)
        cv2.line(image, (x + 13 * side, 100), (x + 17 * side, 135), sleeves, 8)
        cv2.circle(image, (x + 17 * side, 141), 4, skin, whole)
    cv2.rectangle(image, (x - 13, 96), (x + 13, 152), shirt, whole)
    cv2.ellipse(image, (x, 96), (14, 6), 0, 0, 360, shirt, whole)
    cv2.rectangle(image, (x - 4, 84), (x + 4, 94), skin, whole)
    cv2.ellipse(image, (x, 76), (9, 12), 0, 0, 360, skin, whole)
    cv2.ellipse(image, (x, 70), (10, 8), 0, 180, 360, hair, whole)


def with_onnx_int8(bundle: Bundle, speed: Mapping[str, Any] = MappingProxyType({})) -> Bundle:
    """The bundle with two variants of ONNX, of which one is called INT8 and answers as float32."""
    whole = bundle.variants["onnx-fp32"]
    called = dataclasses.replace(whole, precision="int8", parent=whole.name, speed=dict(speed))
    return dataclasses.replace(bundle, variants={entry.name: entry for entry in (whole, called)})


def small_checkpoint(schema: AttributeSchema | None = None) -> Checkpoint:
    """An untrained model for crops of 64x32 whose batch norms have seen data."""
    import torch

    from edgeattr_train.checkpoint import Checkpoint
    from edgeattr_train.data.peta_schema import PETA_SCHEMA
    from edgeattr_train.golden import golden_crops
    from edgeattr_train.model import build_model
    from edgeattr_train.recipe import load_recipe

    schema = schema or PETA_SCHEMA
    torch.manual_seed(0)
    recipe = load_recipe("default", ["height=64", "width=32", "model.attention_channels=16"])
    model = build_model(len(schema), recipe.model, _SMALL)
    model.train()
    with torch.no_grad():  # biases and batch-norm statistics as of a trained model
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.02 * torch.randn(parameter.shape))
        for _ in range(20):
            model(torch.from_numpy(golden_crops(*_SMALL)))
    return Checkpoint(model=model.eval(), recipe=recipe, schema=schema, facts={"dataset": "drawn"})


@pytest.fixture(scope="session")
def make_checkpoint() -> Callable[..., Checkpoint]:
    return small_checkpoint


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The small model's bundle, with ``onnx-fp32`` alone."""
    from edgeattr_train.export import bundle_from_checkpoint

    path = tmp_path_factory.mktemp("made") / "made.edgeattr"
    return bundle_from_checkpoint(small_checkpoint(), path, "made")
