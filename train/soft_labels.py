"""Soft labels for the recipe `wide`: what networks that know people say of training pictures.

    python train/soft_labels.py --data peta@wide:PETA --pictures CUHK03/images --pictures CCP \
        --network person-reidentification-retail-0277.xml \
        --network person-reidentification-retail-0286.xml \
        --model default --peer person-attributes-recognition-crossroad-0230.xml --made made \
        --out soft.npz

Each re-identification network stays as it is: a small classifier learns on its two feature maps,
pooled; what it says of a training picture comes from classifiers that have not seen the person. Its
answers, those of bundles and those of Open Model Zoo's attribute network (calibrated on
the training labels) are averaged as log-odds. A folder with a ``labels.csv`` of Clothing
Co-Parsing gives its boxes and tags as well. Pictures of ``train/made_pictures.py`` have what was
said of the picture beneath, and what was changed. Needs the extras train and openvino.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

import edgeattr
from edgeattr.core.crops import Image, read_image, resize_crop
from edgeattr_train.data import clothing_parsing
from edgeattr_train.data.annotations import AttributeDataset, cut
from edgeattr_train.data.datasets import open_dataset
from edgeattr_train.losses import balanced_bce
from edgeattr_train.platt import sigmoid

Array = npt.NDArray[np.float32]

SIZE = (256, 128)  # height and width of the crops
MAPS = ("939", "1126")  # operations of the networks' IRs: the maps at strides 8 and 16
STRIPS = 8
UNITS, EPOCHS, BATCH, RATE = 512, 12, 64, 1e-3
FOLDS = 4  # of the training persons
BUNDLE_WEIGHT = 0.7  # in the average; of each network 1
# what the peer says in our names, or the opposite of it, and its weight
PEER = (("male", 1), ("", 0), ("backpack", 1), ("hat", 1), ("not short_sleeves", 1),
        ("not shorts", 1), ("long_hair", 0.5), ("", 0))  # fmt: skip
PEER_OUTPUT = "453"  # probabilities, [1, 8, 1, 1]
TAGS = ("hat", "sunglasses", "jeans", "boots", "sandals", "sneakers", "shorts")
TAG_SHARE = 0.9  # of a tag in the soft label; the rest is the networks'
SURE = 0.96  # probability of what was changed in a picture


class Picture(NamedTuple):
    """One person, cut out."""

    path: Path
    box: tuple[int, int, int, int] = (0, 0, 0, 0)  # x, y, w, h; a width of 0: the whole picture
    tags: frozenset[str] | None = None  # of Clothing Co-Parsing

    def read(self) -> Image:
        """The crop, uint8 BGR."""
        image = read_image(self.path)
        return cut(image, np.array(self.box), self.path) if self.box[2] else image


def main() -> None:
    """Ask all of them, average, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", required=True, metavar="peta@wide:DIR")
    parser.add_argument("--pictures", type=Path, action="append", default=[])
    parser.add_argument("--every", type=int, default=2, help="take each so-manieth of a folder")
    parser.add_argument("--network", type=Path, action="append", required=True)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--made", type=Path, help="a folder of train/made_pictures.py")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    data = open_dataset(options.data, "train")
    pictures = [Picture(path) for path in data.paths]
    for folder in options.pictures:
        pictures += _pictures(folder, options.every)
    prior = (data.labels > 0).mean(0).astype(np.float32)
    voices: list[tuple[Array, Array]] = []  # log-odds [N, C] and weights [C]
    for network in options.network:
        print(f"{network.stem}: reading {len(pictures)} pictures", flush=True)
        found = _classified(_pooled_maps(network, pictures), data, prior)
        voices.append((found - (1 - 2 * prior), np.ones(len(prior), np.float32)))
    for name in options.model:
        voices.append(_said_by_bundle(name, pictures, data.schema.names, prior))
    if options.peer:
        voices.append(_said_by_peer(options.peer, pictures, data))
    total = sum(weight for _, weight in voices)
    summed = sum(np.nan_to_num(odds) * weight for odds, weight in voices)
    probabilities = sigmoid(summed / total)
    _add_tags(probabilities, pictures, data.schema.names)
    if options.made:
        made, theirs = _made(options.made, pictures, probabilities, data)
        pictures += made
        probabilities = np.concatenate([probabilities, theirs])
    np.savez(
        options.out,
        names=np.array(data.schema.names),
        paths=np.array([str(picture.path.resolve()) for picture in pictures]),
        boxes=np.array([picture.box for picture in pictures], np.int32),
        probabilities=probabilities.astype(np.float16),
    )
    print(f"wrote {options.out}: {len(pictures)} pictures, {len(data)} of them labelled")


def _pictures(folder: Path, every: int) -> Iterator[Picture]:
    if (folder / "labels.csv").is_file():
        for photo in clothing_parsing.photos(folder):
            yield Picture(photo.path, photo.box, photo.tags)
    else:
        yield from map(Picture, sorted(folder.glob("*.jpg"))[::every])


def _pooled_maps(network: Path, pictures: list[Picture]) -> Array:
    """Mean, maximum and strips of both maps of a frozen network, [N, features]."""
    import openvino

    core = openvino.Core()
    model = core.read_model(network)
    operations = [o for o in model.get_ordered_ops() if o.get_friendly_name() in MAPS]
    model.add_outputs([operation.output(0) for operation in operations])
    model.reshape([-1, 3, *SIZE])
    compiled = core.compile_model(model, "CPU")
    rows = []
    for first in range(0, len(pictures), 16):
        crops = [resize_crop(p.read(), *SIZE) for p in pictures[first : first + 16]]
        found = compiled(np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32))
        rows.append(np.concatenate([_pooled(found[1]), _pooled(found[2])], 1))
    return np.concatenate(rows)


def _pooled(maps: Array) -> Array:
    count, channels, height, width = maps.shape
    strips = maps.reshape(count, channels, STRIPS, height // STRIPS, width).mean((3, 4))
    return np.concatenate([maps.mean((2, 3)), maps.max((2, 3)), strips.reshape(count, -1)], 1)


def _classified(features: Array, data: AttributeDataset, prior: Array) -> Array:
    """Log-odds of small classifiers, learnt on the first ``len(data)`` rows, [N, C].

    Each leaves out a fold of the persons, and is asked of these; of all others the mean counts.
    """
    torch.manual_seed(0)
    learnt = features[: len(data)]
    inputs = torch.from_numpy((features - learnt.mean(0)) / (learnt.std(0) + 1e-4)).float()
    _, persons = np.unique(data.persons, return_inverse=True)
    fold = torch.from_numpy(
        np.random.default_rng(0).permutation(persons.max() + 1)[persons] % FOLDS
    )
    found = torch.zeros(len(features), len(prior))
    for left_out in range(FOLDS):
        classifier = _learnt(inputs, torch.where(fold != left_out)[0], data, prior)
        with torch.no_grad():
            said = classifier(inputs)
        found[: len(data)][fold == left_out] = said[: len(data)][fold == left_out]
        found[len(data) :] += said[len(data) :] / FOLDS
    return np.asarray(found.numpy(), np.float32)


def _learnt(inputs: Tensor, rows: Tensor, data: AttributeDataset, prior: Array) -> nn.Module:
    labels, weights = torch.from_numpy(data.labels.astype(np.float32)), torch.from_numpy(prior)
    classifier = nn.Sequential(
        nn.Dropout(0.2), nn.Linear(inputs.shape[1], UNITS), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(UNITS, len(prior)),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(classifier.parameters(), RATE, weight_decay=0.02)
    steps = EPOCHS * (len(rows) // BATCH)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    for _ in range(EPOCHS):
        order = rows[torch.randperm(len(rows))]
        for batch in order[: len(rows) // BATCH * BATCH].view(-1, BATCH):
            with torch.autocast("cpu", torch.bfloat16):
                answers = classifier(inputs[batch])
            loss = _loss(answers.float(), labels[batch], weights)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
    return classifier.eval()


def _loss(logits: Tensor, labels: Tensor, prior: Tensor) -> Tensor:
    known = labels >= 0
    return (balanced_bce(logits, labels.clamp_min(0), prior) * known).sum() / len(labels)


def _said_by_bundle(
    name: str, pictures: list[Picture], names: tuple[str, ...], prior: Array
) -> tuple[Array, Array]:
    odds = np.zeros((len(pictures), len(names)), np.float32)
    weights = np.zeros(len(names), np.float32)
    with edgeattr.load(name, precision="fp32") as model:
        theirs = model.bundle.schema.names
        columns = [theirs.index(attribute) if attribute in theirs else -1 for attribute in names]
        for first in range(0, len(pictures), 64):
            crops = [picture.read() for picture in pictures[first : first + 64]]
            said = model.logits(crops)
            for place, column in enumerate(columns):
                if column >= 0:
                    odds[first : first + 64, place] = said[:, column] - (1 - 2 * prior[place])
                    weights[place] = BUNDLE_WEIGHT
    return odds, weights


def _said_by_peer(
    network: Path, pictures: list[Picture], data: AttributeDataset
) -> tuple[Array, Array]:
    """The peer's answers, their log-odds fitted to the training labels."""
    import openvino
    from sklearn.linear_model import LogisticRegression

    compiled = openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    _, _, height, width = compiled.input(0).shape
    crops = (cv2.resize(picture.read(), (width, height)) for picture in pictures)
    said = np.stack(
        [
            compiled(c.transpose(2, 0, 1)[None].astype(np.float32))[PEER_OUTPUT].ravel()
            for c in crops
        ]
    ).clip(1e-5, 1 - 1e-5)
    odds = np.zeros((len(pictures), len(data.schema)), np.float32)
    weights = np.zeros(len(data.schema), np.float32)
    for column, (name, weight) in enumerate(PEER):
        if weight:
            place = data.schema.index(name.removeprefix("not "))
            theirs = np.log(said[:, [column]] / (1 - said[:, [column]]))
            labelled = theirs[: len(data)]
            fit = LogisticRegression(C=100).fit(labelled, data.labels[:, place] > 0)
            odds[:, place] = fit.decision_function(theirs)
            weights[place] = weight
    return odds, weights


def _add_tags(probabilities: Array, pictures: list[Picture], names: tuple[str, ...]) -> None:
    for row, picture in zip(probabilities, pictures, strict=True):
        for tag in TAGS if picture.tags is not None else ():
            place = names.index(tag)
            row[place] = TAG_SHARE * (tag in (picture.tags or ())) + (1 - TAG_SHARE) * row[place]
        if clothing_parsing.FORMAL & (picture.tags or frozenset()):
            for name, share in (("formal_upper", TAG_SHARE), ("casual_upper", 0)):
                place = names.index(name)
                row[place] = share + (1 - TAG_SHARE) * row[place]


def _made(
    folder: Path, pictures: list[Picture], probabilities: Array, data: AttributeDataset
) -> tuple[list[Picture], Array]:
    """Pictures made from others, and what is so of them, [N, C].

    Where the picture beneath has labels they count half, as in training.
    """
    places = {picture.path.resolve(): place for place, picture in enumerate(pictures)}
    found, said = [], []
    for row in csv.DictReader((folder / "origins.csv").open(encoding="utf-8")):
        if not row["origin"]:  # it shows nobody: nothing is said
            found.append(Picture(folder / row["path"]))
            said.append(np.full(probabilities.shape[1], np.nan, np.float32))
            continue
        place = places[Path(row["origin"])]
        theirs = probabilities[place].copy()
        if place < len(data):
            labels = data.labels[place]
            theirs = np.where(labels >= 0, (theirs + labels) / 2, theirs)
        for key, value in (("yes", SURE), ("no", 1 - SURE), ("unknown", np.nan)):
            theirs[[data.schema.index(name) for name in row[key].split()]] = value
        found.append(Picture(folder / row["path"]))
        said.append(theirs.astype(np.float32))
    return found, np.stack(said)


if __name__ == "__main__":
    main()
