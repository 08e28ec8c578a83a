"""Games with data on the plane: the manifold GAN of nine parameters, the mixture GAN of 2003."""

import math
from functools import partial
from itertools import pairwise

import torch
from torch import nn

from vral.data.draws import rng
from vral.games.dirac import penalty_terms
from vral.games.gan import Gan, objective_loss
from vral.games.toy import Toy, double, expected, gauss_hermite, nonnegative, one_of
from vral.nets import Discriminator, Generator, initial_parameters
from vral.nets.linear import quadratic_critic
from vral.objectives import OBJECTIVES, Objective
from vral.types import Draw

CPU = torch.device("cpu")


def _objective_gan(
    objective: Objective, generator: Generator, discriminator: Discriminator, penalties: tuple
) -> Gan:
    return Gan(
        generator,
        discriminator,
        (2,),
        objective_loss(objective),
        lambda score_real, score_fake: objective.generator(score_fake).mean(),
        penalties=penalties,
    )


def manifold(
    objective: str = "standard",
    r1: float = 0.0,
    r2: float = 0.0,
    gamma_convention: str = "paper",
) -> Toy:
    """Data (z, 0) with z ~ N(0, 1), G(z) = Az + b, D(x) = ⟨ψ, (x₁, x₂, x₁², x₁x₂, x₂²)⟩.

    Coordinates (A₁, A₂, b₁, b₂, ψ₁, …, ψ₅), started at the equilibrium A = (1, 0), b = 0, ψ = 0.
    Everywhere on the data D may vanish and still point off them: ψ₅ is free. Expectations by a
    rule of 40 nodes. Raises ConfigError.
    """
    one_of("objective", objective, list(OBJECTIVES))
    gan = _objective_gan(
        OBJECTIVES[objective],
        Generator(nn.Linear(1, 2), 1),
        quadratic_critic(),
        penalty_terms(r1, r2, 0.0, 1.0, gamma_convention),
    )
    nodes, weights = gauss_hermite(1, 40)
    z = nodes[:, None, :]
    start = {
        "G": {"body.weight": torch.tensor([[1.0], [0.0]]), "body.bias": torch.zeros(2)},
        "D": {"score.weight": torch.zeros(1, 5)},
    }
    draw = {"real": torch.cat([z, torch.zeros_like(z)], dim=2), "latent": z}
    return Toy(expected(gan.losses, weights), double(start), draw)


def _relu_layers(size: int, width: int, depth: int) -> list[nn.Module]:
    sizes = [size, *[width] * depth]
    return [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(sizes)]


def mixture(
    objective: str = "nonsaturating",
    seed: int = 0,
    width: int = 16,
    latent: int = 16,
    per_mode: int = 64,
    modes: int = 8,
    deviation: float = 0.01,
    r1: float = 0.0,
    r2: float = 0.0,
    gamma_convention: str = "paper",
) -> Toy:
    """Eight Gaussians on the unit circle, G and D with four hidden ReLU layers (Mescheder et al.
    2017, "The Numerics of GANs": 1122 + 881 parameters).

    ``per_mode`` reals of each mode a batch, as many latents as reals. Initial parameters are
    Glorot-uniform from ``seed``; ``draw`` is one fixed batch, ``sample`` draws others. Raises
    ConfigError.
    """
    one_of("objective", objective, list(OBJECTIVES))
    nonnegative(deviation=deviation)
    generating = nn.Sequential(*_relu_layers(latent, width, 4), nn.Linear(width, 2))
    gan = _objective_gan(
        OBJECTIVES[objective],
        Generator(generating, latent),
        Discriminator(_relu_layers(2, width, 4), nn.Linear(width, 1), (2,)),
        penalty_terms(r1, r2, 0.0, 1.0, gamma_convention),
    )
    networks = {"G": gan.generator, "D": gan.discriminator}
    start = {
        player: double(initial_parameters(module, rng(CPU, seed, "init", player)))
        for player, module in networks.items()
    }
    sample = partial(_on_circle, latent, per_mode, modes, deviation)
    draw = {name: value[0] for name, value in sample(rng(CPU, seed, "mixture"), 1).items()}
    return Toy(gan.losses, start, draw, sample=sample)


def _on_circle(
    latent: int,
    per_mode: int,
    modes: int,
    deviation: float,
    random: torch.Generator,
    lanes: int,
) -> Draw:
    angles = 2 * math.pi * torch.arange(modes, dtype=torch.float64) / modes
    centres = torch.stack([angles.cos(), angles.sin()], dim=1).repeat(per_mode, 1)
    noise = torch.randn(lanes, *centres.shape, generator=random, dtype=torch.float64)
    z = torch.randn(lanes, len(centres), latent, generator=random, dtype=torch.float64)
    return {"real": centres + deviation * noise, "latent": z}
