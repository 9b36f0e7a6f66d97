"""A person embedding learnt from a re-identification network.

Networks that tell persons apart are trained on far more of them than attribute data shows. Their
embedding of each training crop is the target of a linear layer on the model's pooled features.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from edgeattr.core.errors import InputError, importing
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.loader import batches

_BATCH = 32  # crops at a time through the network that teaches


def embedding_loss(embedding: Tensor, target: Tensor) -> Tensor:
    """Squared error, mean over images and dimensions: 1 for a guess of zero.

    Args:
        embedding: the student's, [N, D].
        target: of :func:`embed_persons`, [N, D].
    """
    return (embedding - target).square().mean()


def embed_persons(
    network: Path, data: AttributeDataset, *, threads: int = 2
) -> npt.NDArray[np.float32]:
    """The embedding of each crop as it is, unvaried.

    Args:
        network: an OpenVINO IR or ONNX file that takes BGR crops, 0..255, [n, 3, H, W] and gives
            [n, D], such as Open Model Zoo's person-reidentification-retail-0277.
        data: the crops.
        threads: decoding threads.

    Returns:
        [N, D], every dimension with mean 0 and deviation 1 over ``data``.

    Raises:
        InputError: the file is missing, damaged or of another form.
        MissingDependency: OpenVINO is not installed.
    """
    run, size = _open(network)
    order = np.arange(len(data))
    rows = []
    for batch in batches(data, order, size, _BATCH, threads=threads):
        planes = batch.crops.numpy().transpose(0, 3, 1, 2).astype(np.float32)
        rows.append(run(planes)[0].reshape(len(planes), -1))
    found = np.concatenate(rows)
    centred = found - found.mean(0)
    standard: npt.NDArray[np.float32] = centred / np.maximum(centred.std(0), 1e-6)
    return standard


def _open(network: Path) -> tuple[Any, tuple[int, int]]:
    """Compile a network for any number of crops; its height and width."""
    with importing(
        "openvino", extra="openvino", purpose="run the network of distillation.embedding"
    ):
        import openvino
    core = openvino.Core()
    try:
        model = core.read_model(network)
        (taken,) = model.inputs
        _, channels, height, width = taken.partial_shape
        if len(model.outputs) != 1 or channels.get_length() != 3:
            raise ValueError(
                f"it takes {taken.partial_shape} and gives {len(model.outputs)} tensors"
            )
        size = (height.get_length(), width.get_length())
        model.reshape([-1, 3, *size])
        precise = {"INFERENCE_PRECISION_HINT": "f32"}
        return core.compile_model(model, "CPU", precise), size
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"{network} cannot teach an embedding; expected an OpenVINO IR or ONNX file with one "
            f"input [n, 3, H, W] and one output [n, D]: {error}"
        ) from error
