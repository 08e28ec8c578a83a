"""Players of toy games: a generator that shifts its latents, critics linear in their parameters.

A linear critic is ``Discriminator([], nn.Linear(size, 1), (size,))``; it has no stages.
"""

import torch
from torch import Tensor, nn

from vral.nets.network import Discriminator, Generator
from vral.types import Latents, Samples


class Shift(nn.Module):
    """z ↦ location + scale·z with fixed scales (size,): samples of N(location, diag(scale²))."""

    scale: Tensor

    def __init__(self, scale: Tensor):
        super().__init__()
        self.location = nn.Parameter(torch.zeros_like(scale))
        self.register_buffer("scale", scale)

    def forward(self, z: Latents) -> Samples:
        return self.location + self.scale * z


class Monomials(nn.Module):
    """(x₁, x₂) ↦ (x₁, x₂, x₁², x₁x₂, x₂²)."""

    def forward(self, x: Samples) -> Tensor:
        first, second = x.unbind(1)
        return torch.stack([first, second, first**2, first * second, second**2], dim=1)


def shift(scale: Tensor) -> Generator:
    """The generator of ``Shift``, with ``scale`` (size,) and latents (batch, size)."""
    return Generator(Shift(scale), len(scale))


def linear_critic(size: int, bias: bool, hidden: int = 0) -> Discriminator:
    """D(x) = ⟨ψ, x⟩ (+ b); with ``hidden`` units ⟨ψ, tanh(Wx + c)⟩ (+ b)."""
    stages = [nn.Sequential(nn.Linear(size, hidden), nn.Tanh())] if hidden else []
    return Discriminator(stages, nn.Linear(hidden or size, 1, bias=bias), (size,))


def quadratic_critic() -> Discriminator:
    """D(x) = ⟨ψ, (x₁, x₂, x₁², x₁x₂, x₂²)⟩ for points in the plane; five parameters."""
    return Discriminator([Monomials()], nn.Linear(5, 1, bias=False), (2,))
