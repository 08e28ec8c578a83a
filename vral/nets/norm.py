"""Normalisation layers that survive being differentiated three times.

torch's fused batch, instance and layer norms give wrong *third* derivatives, which the Jacobian of
a penalised loss needs. A norm written from mean, variance and rsqrt gives right ones, and so does
torch's group norm.
"""

import torch
from torch import Tensor, nn


class BatchStatisticsNorm(nn.Module):
    """Batch norm that always uses the statistics of its batch and keeps no running averages.

    (batch, channel, …) to the same shape. The variance is biased; eps is 1e-4 as in Lasagne.
    """

    def __init__(self, channels: int, eps: float = 1e-4):
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        over = [dim for dim in range(x.ndim) if dim != 1]
        centred = x - x.mean(over, keepdim=True)
        normed = centred * torch.rsqrt((centred**2).mean(over, keepdim=True) + self.eps)
        along = (-1, *[1] * (x.ndim - 2))
        return normed * self.scale.reshape(along) + self.shift.reshape(along)


def normalised(layer: nn.Module, channels: int, norm: str, activation: nn.Module) -> nn.Sequential:
    """``layer``, then ``norm`` (none, batch or group), then ``activation``.

    A layer before a norm loses its bias: the norm would remove it, its gradient would be rounding
    noise, and Adam would turn that noise into full steps.
    """
    if norm == "none":
        return nn.Sequential(layer, activation)
    layer.register_parameter("bias", None)
    if norm == "batch":
        return nn.Sequential(layer, BatchStatisticsNorm(channels), activation)
    # A group of two units of a dense layer would be normalised to ±1, a sign function; so a group
    # has at least four.
    groups = max(g for g in range(1, 9) if g == 1 or (channels % g == 0 and channels >= 4 * g))
    return nn.Sequential(layer, nn.GroupNorm(groups, channels), activation)
