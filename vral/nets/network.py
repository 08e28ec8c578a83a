"""Discriminator and Generator: what all networks of the two players have in common."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from vral.nets.norm import BatchStatisticsNorm, SpectralNorm
from vral.types import Latents, Samples, Scores


class Discriminator(nn.Module):
    """Hidden stages and a linear score.

    ``forward(x, noise)`` takes samples (batch, *sample) and returns raw scores (batch,), never a
    sigmoid of them. ``noise`` (batch, noise_size) is added to the activations of the hidden stages,
    one part to each stage.
    """

    def __init__(
        self,
        stages: Sequence[nn.Module],
        score: nn.Linear | SpectralNorm,
        shape: tuple[int, ...],
    ):
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.score = score
        with torch.no_grad():
            x, sizes = torch.zeros(2, *shape), []
            for stage in self.stages:
                x = stage(x)
                sizes.append(x[0].numel())
        self.noise_size = sum(sizes)
        self._sizes = sizes

    def forward(self, x: Samples, noise: Tensor | None = None) -> Scores:
        for stage, part in zip(self.stages, self.split(noise), strict=True):
            x = stage(x)
            if part is not None:
                x = x + part.reshape(x.shape)
        return self.scored(x, self.score.weight, self.score.bias)

    @staticmethod
    def scored(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Scores:
        """The score of the last stage's activations, in full precision even under autocast."""
        with torch.autocast(x.device.type, enabled=False):
            return linear(x.flatten(1).to(weight.dtype), weight, bias).squeeze(1)

    def split(self, noise: Tensor | None) -> Sequence[Tensor | None]:
        """The part of ``noise`` for each stage; None for each without noise."""
        return [None] * len(self.stages) if noise is None else noise.split(self._sizes, dim=1)

    @property
    def mixes_samples(self) -> bool:
        """Whether a sample's score depends on its batch, so that passes may not be joined."""
        return mixes_samples(self)


class Generator(nn.Module):
    """Latents (batch, latent) to samples (batch, *sample)."""

    def __init__(self, body: nn.Module, latent: int, orthogonal_deconvolutions: bool = False):
        super().__init__()
        self.body = body
        self.latent = latent
        self.orthogonal_deconvolutions = orthogonal_deconvolutions

    def forward(self, z: Latents) -> Samples:
        # Samples have the precision of the data even under autocast.
        return self.body(z).to(z.dtype)

    @property
    def mixes_samples(self) -> bool:
        """Whether a sample depends on its batch, so that passes may not be joined."""
        return mixes_samples(self)


def mixes_samples(module: nn.Module) -> bool:
    """Whether ``module`` looks at the statistics of its batch."""
    return any(isinstance(part, BatchStatisticsNorm) for part in module.modules())


def weight_names(module: nn.Module) -> frozenset[str]:
    """Names of the matrices and kernels: weight clipping acts on them, not on vectors."""
    return frozenset(name for name, value in module.named_parameters() if value.ndim >= 2)


def initial_parameters(module: nn.Module, rng: torch.Generator) -> dict[str, Tensor]:
    """Fresh parameters: Glorot-uniform weights with gain 1, zero biases, norms at scale 1.

    Glorot's fans count the receptive field, as in Lasagne. The MNIST generator's deconvolutions
    are orthogonal instead. Parameters that a module initialises itself (norm scales, the segment's
    offset) keep their values; spectral norms start at the true singular vectors.
    """
    orthogonal = getattr(module, "orthogonal_deconvolutions", False)
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            if orthogonal and isinstance(part, nn.ConvTranspose2d):
                nn.init.orthogonal_(part.weight, generator=rng)
            else:
                nn.init.xavier_uniform_(part.weight, generator=rng)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    for part in module.modules():
        if isinstance(part, SpectralNorm):
            part.start()
    return {name: value.detach().clone() for name, value in module.named_parameters()}
