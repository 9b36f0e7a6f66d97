"""Labels of one data set in the attributes of a model that learnt from another."""

from pathlib import Path

import numpy as np
import pytest

from edgeattr.core.errors import InputError, UsageError
from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr_train.data.align import aligned
from edgeattr_train.data.datasets import open_dataset
from edgeattr_train.data.peta_schema import PETA_SCHEMA, PETA_WIDE_SCHEMA

_NAMES = (
    "path,Female,AgeOver60,Age18-60,AgeLess18,Front,Side,Back,Hat,Glasses,HandBag,ShoulderBag,"
    "Backpack,HoldObjectsInFront,ShortSleeve,LongSleeve,UpperStride,UpperLogo,UpperSplice,"
    "UpperPlaid,LowerStripe,LowerPattern,LongCoat,Trousers,Shorts,Skirt&Dress,boots"
)


def _table(folder: Path) -> Path:
    """A woman in a plaid shirt and a skirt, and a man with a hat and a backpack."""
    woman = "1,0,1,0,1,0,0,0,0,0,1,0,0,0,1,0,0,0,1,0,0,0,0,0,1,0"
    man = "0,0,1,0,0,0,1,1,0,0,0,1,0,1,0,1,0,1,0,0,0,0,1,0,0,0"
    (folder / "labels.csv").write_text(f"{_NAMES}\nimages/1.jpg,{woman}\nimages/2.jpg,{man}\n")
    import cv2

    (folder / "images").mkdir()
    for name in "12":
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), np.zeros((40, 20, 3), np.uint8))
    return folder


@pytest.mark.parametrize("schema", [PETA_SCHEMA, PETA_WIDE_SCHEMA], ids=["benchmark", "wide"])
def test_names_that_mean_the_same_and_the_opposite(tmp_path: Path, schema: AttributeSchema) -> None:
    data = aligned(open_dataset(f"pa100k:{_table(tmp_path)}", "val"), schema)
    assert data.schema is schema

    def labels(name: str) -> list[int]:
        return data.labels[:, schema.index(name)].tolist()

    assert labels("male") == [0, 1]
    assert labels("hat") == labels("backpack") == labels("short_sleeves") == [0, 1]
    assert labels("stripes") == [0, 1]
    assert labels("plaid") == labels("short_skirt") == labels("messenger_bag") == [1, 0]
    assert labels("v_neck") == [-1, -1]


def test_the_folder_is_for_measuring(tmp_path: Path) -> None:
    _table(tmp_path)
    with pytest.raises(UsageError, match="no train"):
        open_dataset(f"pa100k:{tmp_path}", "train")


def test_a_data_set_of_other_things(tmp_path: Path) -> None:
    data = open_dataset(f"pa100k:{_table(tmp_path)}", "val")
    helmets = AttributeSchema((Attribute(name="helmet", group="accessory"),))
    with pytest.raises(InputError, match="labels none of the model's 1 attributes"):
        aligned(data, helmets)


def test_plaid_is_plaid_in_the_pictures(shared: Path) -> None:
    """Checked patterns vary in both directions; shirts of two parts do not.

    The two names are exchanged in the annotation that was published.
    """
    folder = shared / "pa100k"
    if not folder.is_dir():
        pytest.skip("no pa100k among the real data")
    data = open_dataset(f"pa100k:{folder}", "val")
    found = {}
    for name in ("plaid", "upper_spliced"):
        yes = np.flatnonzero(data.labels[:, data.schema.index(name)] == 1)[:40]
        found[name] = float(np.median([_checkedness(data.read(int(index))) for index in yes]))
    assert found["plaid"] > 1.1 * found["upper_spliced"]


def _checkedness(image: np.ndarray) -> float:
    """Fine contrast of the chest in both directions, as a share of all its contrast."""
    import cv2

    height, width = image.shape[:2]
    chest = image[height // 5 : height // 2, width // 4 : 3 * width // 4]
    grey = cv2.resize(cv2.cvtColor(chest, cv2.COLOR_BGR2GRAY), (48, 64)).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 3)
    across, along = (np.abs(np.diff(fine, axis=axis)).mean() for axis in (0, 1))
    return float(min(across, along) / (grey.std() + 1))
