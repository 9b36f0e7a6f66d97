"""OSNet's weights out of Open Model Zoo's IR, against OpenVINO's own feature map."""

from pathlib import Path

import numpy as np
import pytest
import torch

from edgeattr.core.crops import resize_crop
from edgeattr.core.errors import InputError
from edgeattr_train.backbones import build_backbone
from edgeattr_train.data.datasets import open_dataset

_MAPS = ("939", "1126")  # the nodes of each IR at strides 8 and 16
_CROPS = 12


def _ir(shared: Path, number: str) -> Path:
    name = f"person-reidentification-retail-{number}"
    path = shared / "models" / "backbones" / name / f"{name}.xml"
    if not path.is_file():
        pytest.skip(f"no {name} among the real data")
    return path


@pytest.fixture(scope="module")
def people(shared: Path) -> np.ndarray:
    """PETA's first validation crops, uint8 BGR [n, 256, 128, 3]."""
    data = open_dataset(f"peta:{shared / 'peta'}", "val").first(_CROPS)
    return np.stack([resize_crop(data.read(index), 256, 128) for index in range(_CROPS)])


@pytest.mark.parametrize("number", ["0277", "0286", "0287"])
def test_features_are_those_of_openvino(number: str, shared: Path, people: np.ndarray) -> None:
    openvino = pytest.importorskip("openvino")
    path = _ir(shared, number)
    core = openvino.Core()
    model = core.read_model(path)
    model.add_outputs(list(_MAPS))
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    planes = people.transpose(0, 3, 1, 2).astype(np.float32)
    answers = [compiled(plane[None]) for plane in planes]

    backbone = build_backbone(f"osnet_{number}", str(path)).eval()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (backbone.mean, backbone.std))
    pixels = (torch.from_numpy(planes) - mean) / std
    with torch.no_grad():
        found = [map_.numpy() for map_ in backbone(pixels)]
        swapped = backbone(pixels.flip(1))[1].numpy()
    for place, map_ in enumerate(found, 1):
        expected = np.concatenate([answer[place] for answer in answers])
        assert map_.shape == expected.shape
        assert np.abs(map_ - expected).max() < 1e-4
    assert np.abs(swapped - expected).max() > 0.1 * expected.max()  # colours are in the right order


def test_the_ir_of_another_network_is_refused(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    with pytest.raises(InputError, match="not the IR of this network"):
        build_backbone("osnet_0277", str(_ir(shared, "0287")))
    detector = shared / "models" / "detectors" / "pedestrian-detection-adas-0002" / "FP16"
    other = detector / "pedestrian-detection-adas-0002.xml"
    with pytest.raises(InputError, match=r"adas-0002\.xml: not the IR of this network"):
        build_backbone("osnet_0287", str(other))
    alone = tmp_path / "alone.xml"  # without its .bin
    alone.write_bytes(_ir(shared, "0287").read_bytes())
    with pytest.raises(InputError, match=r"alone\.xml: not the IR of this network"):
        build_backbone("osnet_0287", str(alone))
