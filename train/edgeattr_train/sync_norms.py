"""Batch norms over the whole batch of several processes, on any device.

PyTorch's own SyncBatchNorm refuses CPUs ("expected input tensor to be on GPU"), on which N
processes should normalise as one does with the same global batch, too.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn

from edgeattr_train.layers import at_least_float32


def synchronize_batch_norms(model: nn.Module) -> None:
    """Make every batch norm of a model take its statistics over all processes, in place."""
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = _SyncBatchNorm2d
        elif type(module) is nn.BatchNorm1d:
            module.__class__ = _SyncBatchNorm1d


class _Sum(torch.autograd.Function):
    """Sum over processes; so is the gradient."""

    @staticmethod
    def forward(context: object, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: object, *gradients: Tensor) -> Tensor:
        return _Sum.forward(context, gradients[0].contiguous())


def _normalize(norm: nn.BatchNorm1d | nn.BatchNorm2d, values: Tensor) -> Tensor:
    """What a batch norm does in training, with statistics over all processes."""
    axes = [axis for axis in range(values.ndim) if axis != 1]
    shape = [1, -1] + [1] * (values.ndim - 2)
    wide = at_least_float32(values)
    count = wide.new_tensor([wide.numel() / wide.shape[1]])
    sums: Tensor = _Sum.apply(torch.cat((wide.sum(axes), count)))  # type: ignore[no-untyped-call]
    total = sums[-1].detach()
    mean = sums[:-1] / total
    centred = wide - mean.view(shape)
    squares: Tensor = _Sum.apply(centred.square().sum(axes))  # type: ignore[no-untyped-call]
    variance = squares / total
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    with torch.no_grad():
        norm.num_batches_tracked.add_(1)
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(squares / (total - 1).clamp_min(1), norm.momentum)
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    return (centred * scale.view(shape) + norm.bias.view(shape)).to(values.dtype)


class _SyncBatchNorm2d(nn.BatchNorm2d):
    def forward(self, values: Tensor) -> Tensor:
        return _normalize(self, values) if self.training else super().forward(values)


class _SyncBatchNorm1d(nn.BatchNorm1d):
    def forward(self, values: Tensor) -> Tensor:
        return _normalize(self, values) if self.training else super().forward(values)
