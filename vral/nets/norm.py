"""Normalisation layers that survive being differentiated three times.

torch's fused batch, instance and layer norms give wrong *third* derivatives, which the Jacobian of
a penalised loss needs. A norm written from mean, variance and rsqrt gives right ones, and so does
torch's group norm.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import normalize

from vral.types import Params


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


class SpectralNorm(nn.Module):
    """A layer of D, linear or a convolution, whose weight is divided by its largest singular value.

    The weight W counts as a matrix, (out, everything else), as in Miyato et al. 2018: of a dense
    layer the result has the Lipschitz constant 1, of a convolution this only normalises the kernel.
    σ = uᵀWv, where u and v are the estimates ``left`` and ``right`` of the first singular vectors.
    They stand among the parameters, so that they are a state of each lane and of each checkpoint,
    but σ treats them as constants, so that no update moves them: ``power_iteration`` does. It is
    exact at the start and while W stays; σ lags a few per cent behind a W that moves fast.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        super().__init__()
        rows, columns = layer.weight.flatten(1).shape
        self.layer = layer
        self.left = nn.Parameter(torch.full((rows,), rows**-0.5), requires_grad=False)
        self.right = nn.Parameter(torch.full((columns,), columns**-0.5), requires_grad=False)

    @property
    def weight(self) -> Tensor:
        """The divided weight."""
        weight = self.layer.weight
        return weight / (self.left.detach() @ (weight.flatten(1) @ self.right.detach()))

    @property
    def bias(self) -> Tensor | None:
        """The layer's bias, as it is."""
        return self.layer.bias

    def forward(self, x: Tensor) -> Tensor:
        return functional_call(self.layer, {"weight": self.weight}, (x,))

    @torch.no_grad()
    def start(self) -> None:
        """Set the estimates to the true singular vectors of the weight."""
        left, _, right = torch.linalg.svd(self.layer.weight.flatten(1), full_matrices=False)
        self.left.copy_(left[:, 0])
        self.right.copy_(right[0])


def power_iteration(params: Params) -> dict[str, Tensor]:
    """``params`` of one lane after one step of power iteration in every ``SpectralNorm``.

    u ← Wv/‖Wv‖, then v ← Wᵀu/‖Wᵀu‖, as ``torch.nn.utils.parametrizations.spectral_norm`` does at
    each forward pass in training mode. Source: Miyato et al. 2018, algorithm 1.
    """
    moved = dict(params)
    for name in params:
        norm, _, last = name.rpartition(".")
        if last == "left":
            weight = params[f"{norm}.layer.weight"].flatten(1)
            moved[name] = normalize(weight @ params[f"{norm}.right"], dim=0)
            moved[f"{norm}.right"] = normalize(weight.mT @ moved[name], dim=0)
    return moved


def linear_score(size: int, norm: str) -> nn.Linear | SpectralNorm:
    """D's last layer, size → 1: only spectral normalisation acts on it."""
    layer = nn.Linear(size, 1)
    return SpectralNorm(layer) if norm == "spectral" else layer


def on_weights(norm: str) -> str:
    """``norm`` if it acts on weights, for layers that norms of activations spare; else none."""
    return norm if norm == "spectral" else "none"


def normalised(
    layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d,
    channels: int,
    norm: str,
    activation: nn.Module,
) -> nn.Sequential:
    """``layer``, then ``norm`` (none, batch or group; spectral: on it), then ``activation``.

    A layer before a norm loses its bias: the norm would remove it, its gradient would be rounding
    noise, and Adam would turn that noise into full steps.
    """
    if norm == "none":
        return nn.Sequential(layer, activation)
    if norm == "spectral":
        return nn.Sequential(SpectralNorm(layer), activation)
    layer.register_parameter("bias", None)
    if norm == "batch":
        return nn.Sequential(layer, BatchStatisticsNorm(channels), activation)
    # A group of two units of a dense layer would be normalised to ±1, a sign function; so a group
    # has at least four.
    groups = max(g for g in range(1, 9) if g == 1 or (channels % g == 0 and channels >= 4 * g))
    return nn.Sequential(layer, nn.GroupNorm(groups, channels), activation)
