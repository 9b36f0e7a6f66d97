"""Starting from a trained model: a checkpoint, or the float network inside a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgeattr.core import hub
from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import InputError
from edgeattr_train.checkpoint import read_state
from edgeattr_train.model import AttributeNet

_PREFIX = "model."  # of the exported graph's names


def start_facts(start: str) -> dict[str, Any]:
    """What a start says of its own training.

    Args:
        start: a ``best.pt``, or a bundle's name or path.
    """
    if start.endswith(".pt"):
        facts: dict[str, Any] = read_state(Path(start)).get("facts", {})
        return facts
    keys = ("dataset", "split", "images", "licence", "epoch", "mA", "f1")
    training = Bundle.read(hub.resolve_bundle(start)).training
    return {key: training[key] for key in keys if key in training}


@torch.no_grad()
def take_bundle(model: AttributeNet, start: str) -> None:
    """Give a model the weights of a bundle's ``onnx-fp32`` variant.

    The export folded the batch norms into the convolutions before them; their biases go back to
    the norms, which :func:`set_batch_norms_from_data` completes.

    Args:
        model: of the same options and attributes as the one that was exported.
        start: a bundle's name or path.

    Raises:
        InputError: the bundle's network is another one.
    """
    weights = _float_weights(start, model)
    mine = model.state_dict()
    wanted = {name for name, _ in model.named_parameters()} | {"mean", "std"}
    standing = ("necks.", "pooled_neck.", "strips.")  # norms that no convolution comes before
    wanted |= {name for name in mine if name.startswith(standing) and "running" in name}
    if model.on_strips:  # no exported output depends on it
        wanted = {name for name in wanted if not name.startswith("pooled_neck.")}
    norms = _norms_by_convolution(model)
    folded = {f"{norm}.{kind}" for norm in norms.values() for kind in ("weight", "bias")}
    missing = sorted(
        name
        for name in wanted - folded
        if name not in weights or weights[name].shape != mine[name].shape
    )
    missing += [name for name in norms if f"{name}.bias" not in weights]
    if missing:
        raise InputError(
            f"{start}: its network is not the one of this recipe: {len(missing)} of its tensors "
            f"do not fit, such as {missing[0]}"
        )
    model.load_state_dict({name: weights[name] for name in wanted - folded}, strict=False)
    for convolution, norm_name in norms.items():
        norm = model.get_submodule(norm_name)
        norm.register_buffer("folded_bias", weights[f"{convolution}.bias"], persistent=False)


def has_folded_norms(model: nn.Module) -> bool:
    """Whether a model waits for :func:`set_batch_norms_from_data`."""
    return any(hasattr(module, "folded_bias") for module in model.modules())


@torch.no_grad()
def set_batch_norms_from_data(model: nn.Module, crops: Tensor) -> None:
    """Make each folded batch norm start as the identity plus its bias, on these crops.

    Layers are set in the order in which they run, each on the statistics that the layers before
    it produce: gamma = sqrt(var + eps), beta = mean + bias.

    Args:
        model: holds batch norms with a ``folded_bias``; others are left alone.
        crops: a batch that the model takes.
    """

    def set_from_input(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].float()
        variance, mean = torch.var_mean(values, dim=(0, 2, 3), correction=0)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean + getattr(norm, "folded_bias"))  # noqa: B009 - a buffer

    norms = [
        module
        for module in model.modules()
        if isinstance(module, nn.BatchNorm2d) and hasattr(module, "folded_bias")
    ]
    was_training = model.training
    hooks = [norm.register_forward_pre_hook(set_from_input) for norm in norms]
    try:
        model.eval()(crops)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()


def _float_weights(start: str, model: nn.Module) -> dict[str, Tensor]:
    """The tensors of the exported graph, by the names that the model has for them.

    Two things of an export are undone. Tensors that are equal are kept once: a tensor that is
    absent is taken from its sibling in another branch. A group norm becomes an instance norm with
    a product and a sum after it, whose constants have no names of the model's: they follow its
    group norms in order.
    """
    import onnx
    from onnx import numpy_helper

    bundle = Bundle.read(hub.resolve_bundle(start))
    graph = onnx.load_from_string(bundle.read_file(bundle.variant("onnx-fp32"))).graph
    weights = {
        tensor.name.removeprefix(_PREFIX): torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in graph.initializer
    }
    norms = [name for name, module in model.named_modules() if isinstance(module, nn.GroupNorm)]
    for name, (scale, shift) in zip(norms, _group_norm_constants(graph), strict=False):
        weights[f"{name}.weight"] = weights[scale].flatten()
        weights[f"{name}.bias"] = weights[shift].flatten()
    for name, equal in (
        ("mean", "std"),
        ("std", "mean"),
        ("branches.0.bias", "branches.1.bias"),
        ("branches.1.bias", "branches.0.bias"),
    ):
        if name not in weights and equal in weights:
            weights[name] = weights[equal]
    return weights


def _group_norm_constants(graph: Any) -> list[tuple[str, str]]:
    """Scale and shift of each group norm, in the order in which they first run."""
    constants = {tensor.name for tensor in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    found: dict[tuple[str, str], None] = {}
    for node in graph.node:
        if node.op_type != "Add" or node.input[1] not in constants:
            continue
        product = makers.get(node.input[0])
        if product is None or product.op_type != "Mul" or product.input[1] not in constants:
            continue
        reshaped = makers.get(product.input[0])
        normalised = makers.get(reshaped.input[0]) if reshaped is not None else None
        if normalised is not None and normalised.op_type == "InstanceNormalization":
            found.setdefault((product.input[1], node.input[1]))
    return list(found)


def _norms_by_convolution(model: nn.Module) -> dict[str, str]:
    """Which batch norm follows each convolution that has no bias of its own."""
    found, waiting = {}, None
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            waiting = name if module.bias is None else None
        elif isinstance(module, nn.BatchNorm2d) and waiting:
            found[waiting], waiting = name, None
    return found
