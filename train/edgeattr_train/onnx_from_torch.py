"""A trained model to ONNX: uint8 NHWC in, preprocessing inside, any batch, logits out.

Where the model has them, ``visibility`` [N, 4], probabilities, and ``embedding`` [N, D], of unit
length, are further outputs, and so are the attention masks, ``attention_0`` (the finer scale) and
so on, [N, C, h, w]. Those are computed for the logits anyway, so they cost nothing; engines that
are not asked for them leave them out.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeattr import __version__
from edgeattr.core.errors import ContractNotMet, importing
from edgeattr.core.files import atomic_path

if TYPE_CHECKING:
    import onnx
    import torch
    from torch import nn

    from edgeattr_train.model import AttributeNet

OPSET = 18
TOLERANCE = 1e-4  # largest difference of a logit between PyTorch and ONNX Runtime, both float32


def onnx_from_torch(
    model: AttributeNet,
    target: Path,
    crops: npt.NDArray[np.uint8],
    metadata: Mapping[str, str] | None = None,
) -> tuple[npt.NDArray[np.float32], float]:
    """Export and prove the export.

    Args:
        model: in eval mode; left as it is.
        target: the ONNX file to write.
        crops: uint8 [n, H, W, 3]: what parity is measured on.
        metadata: goes into the file, for those who have nothing else of the bundle.

    Returns:
        PyTorch's logits on ``crops``, float32 [n, C], and the largest difference from them.

    Raises:
        MissingDependency: torch, onnx or onnxscript is not installed.
        ContractNotMet: the ONNX model answers otherwise than the PyTorch model.
    """
    with importing("onnx", extra="train", purpose="export a model to ONNX"):
        import onnx
        import onnxscript  # noqa: F401 - torch's exporter imports it
        import torch
    from edgeattr_runtimes.onnx_engine import open_session

    with torch.no_grad():
        reference = model(torch.from_numpy(crops)).logits.float().numpy()
    folded = fold_batch_norms(model)
    proto = _export(_outputs(folded), folded.output_names(), crops)
    onnx.helper.set_model_props(proto, dict(metadata or {}))
    onnx.checker.check_model(proto, full_check=True)
    with atomic_path(target) as temporary:
        onnx.save(proto, str(temporary))
        found = open_session(str(temporary)).run(["logits"], {"crops": crops})[0]
        worst = float(np.abs(found - reference).max())
        if not worst <= TOLERANCE:
            raise ContractNotMet(
                f"the exported model's logits differ from PyTorch's by {worst:.2g}, more than "
                f"{TOLERANCE:g}; nothing was written"
            )
    return reference, worst


def _export(module: nn.Module, names: list[str], crops: npt.NDArray[np.uint8]) -> onnx.ModelProto:
    """The graph with a free batch dimension, simplified, and without the exporter's notes."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            module,
            (torch.from_numpy(crops[:2]),),
            input_names=["crops"],
            output_names=names,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
            opset_version=OPSET,
            dynamo=True,
            optimize=True,  # onnxscript folds constants and drops what does nothing
            verbose=False,
        )
    assert program is not None
    proto: onnx.ModelProto = program.model_proto
    _tidy(proto)
    return proto


def fold_batch_norms(model: AttributeNet) -> AttributeNet:
    """A copy of a model in eval mode with every batch norm folded into the convolution before."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    folded = copy.deepcopy(model).eval()
    for block in list(folded.modules()):
        if not isinstance(block, nn.Sequential):
            continue
        for index in range(len(block) - 1):
            convolution, norm = block[index], block[index + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                block[index] = fuse_conv_bn_eval(convolution, norm)
                block[index + 1] = nn.Identity()
    return folded


def _outputs(model: AttributeNet) -> nn.Module:
    """The model with the outputs of the file alone: logits, then masks.

    Its activations no longer work in place: tracing those takes a third of an export's time.
    """
    from torch import nn

    for block in model.modules():
        if isinstance(block, nn.ReLU | nn.ReLU6 | nn.Hardswish):
            block.inplace = False

    class Outputs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(self.model(crops).exported())

    return Outputs().eval()


def _tidy(proto: onnx.ModelProto) -> None:
    """Drop the exporter's notes, which name files of the machine that exported."""
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        del value.metadata_props[:]
    for initializer in proto.graph.initializer:
        del initializer.metadata_props[:]
    del proto.graph.metadata_props[:], proto.metadata_props[:]
    proto.doc_string, proto.producer_name, proto.producer_version = "", "edgeattr", __version__
