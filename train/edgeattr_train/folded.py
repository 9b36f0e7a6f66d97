"""Weights whose batch norms were folded away, made trainable again."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["has_folded_norms", "set_batch_norms_from_data"]


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
