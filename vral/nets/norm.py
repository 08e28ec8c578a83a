"""Normalisation layers that survive being differentiated three times.

torch's fused batch, instance and layer norms give wrong *third* derivatives (a penalty inside a
Jacobian); a norm written from mean, variance and rsqrt, and torch's group norm, give right ones.
"""

import torch
from torch import Tensor, nn


class BatchStatisticsNorm(nn.Module):
    """Batch norm with the statistics of the batch at hand, always; no running averages.

    (batch, channel, …) to the same shape; biased variance, eps 1e-4 as in Lasagne.
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

    A layer before a norm has no bias: the norm removes it, its gradient is rounding noise, and Adam
    would turn that noise into full steps.
    """
    if norm == "none":
        return nn.Sequential(layer, activation)
    layer.register_parameter("bias", None)
    if norm == "batch":
        return nn.Sequential(layer, BatchStatisticsNorm(channels), activation)
    # A group of two units of a dense layer is normalised to ±1, a sign function: four at least.
    groups = max(g for g in range(1, 9) if g == 1 or (channels % g == 0 and channels >= 4 * g))
    return nn.Sequential(layer, nn.GroupNorm(groups, channels), activation)
