"""Fully connected players, and the one-parameter segment of the parallel-lines example."""

import math

import torch
from torch import nn

from vral.nets.network import Discriminator, Generator
from vral.nets.norm import linear_score, normalised
from vral.types import Latents, Samples


def discriminator(shape: tuple[int, ...], width: int, norm: str, depth: int = 2) -> Discriminator:
    """size → width → … → 1 with ``depth`` hidden layers, LeakyReLU 0.2."""
    first, *others = hidden(math.prod(shape), width, norm, depth, nn.LeakyReLU(0.2))
    first = nn.Sequential(nn.Flatten(), *first)
    return Discriminator([first, *others], linear_score(width, norm), shape)


def generator(
    shape: tuple[int, ...],
    latent: int,
    width: int,
    norm: str,
    output: nn.Module,
    depth: int = 2,
) -> Generator:
    """latent → width → … → size with ``depth`` hidden layers and ReLU, then ``output``."""
    body = nn.Sequential(
        *hidden(latent, width, norm, depth, nn.ReLU()),
        nn.Linear(width, math.prod(shape)),
        output,
        nn.Unflatten(1, shape),
    )
    return Generator(body, latent)


def hidden(
    size: int, width: int, norm: str, depth: int, activation: nn.Module
) -> list[nn.Sequential]:
    """``depth`` layers of ``width`` units; the first takes ``size`` inputs."""
    sizes = [size, *[width] * (depth - 1)]
    return [normalised(nn.Linear(size, width), width, norm, activation) for size in sizes]


class Segment(nn.Module):
    """z ↦ (offset, 2Φ(z₁) - 1): a vertical segment of half-length 1 at a learned abscissa.

    These are the parallel lines of Arjovsky et al. 2017, example 1: generated and real segment have
    no point in common until the offset is exactly right.
    """

    def __init__(self, offset: float = -1.0):
        super().__init__()
        self.offset = nn.Parameter(torch.tensor([offset]))

    def forward(self, z: Latents) -> Samples:
        height = torch.erf(z[:, 0] / math.sqrt(2))
        return torch.stack([self.offset.expand_as(height), height], dim=1)


def segment(
    shape: tuple[int, ...], latent: int, width: int, norm: str, output: nn.Module
) -> Generator:
    """The segment as a generator; ``width`` and ``norm`` matter to its discriminator alone."""
    return Generator(Segment(), latent)
