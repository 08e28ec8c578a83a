"""Games with data in the plane: the manifold GAN and the mixture of Gaussians of "NUM17".

The first has nine parameters. The second is the mixture GAN of Mescheder, Nowozin and Geiger 2017
("The Numerics of GANs"); it has 2,003.
"""

import math
from functools import partial
from itertools import pairwise

import torch
from torch import nn

from vral.data.draws import rng
from vral.games.dirac import penalty_terms
from vral.games.gan import Gan, objective_loss, own_loss
from vral.games.toy import Toy, double, expected, gauss_hermite, nonnegative, one_of
from vral.nets import Discriminator, Generator, initial_parameters
from vral.nets.linear import quadratic_critic
from vral.objectives import OBJECTIVES, Objective
from vral.penalties import Penalty
from vral.types import Draw

CPU = torch.device("cpu")


def _objective_gan(
    objective: Objective,
    generator: Generator,
    discriminator: Discriminator,
    penalties: tuple[tuple[float, Penalty], ...],
) -> Gan:
    """The GAN of two networks on points in the plane."""
    return Gan(
        generator,
        discriminator,
        (2,),
        objective_loss(objective),
        own_loss(objective),
        penalties=penalties,
    )


def manifold(
    objective: str = "standard",
    r1: float = 0.0,
    r2: float = 0.0,
    gamma_convention: str = "paper",
) -> Toy:
    """Data (z, 0) with z ~ N(0, 1), G(z) = Az + b, D(x) = ⟨ψ, (x₁, x₂, x₁², x₁x₂, x₂²)⟩.

    Coordinates are (A₁, A₂, b₁, b₂, ψ₁, …, ψ₅); the start is the equilibrium A = (1, 0), b = 0,
    ψ = 0. The coordinate ψ₅ of an equilibrium is free: x₂² vanishes on the data, though not next to
    them. Expectations are quadratures of 40 nodes. ``r1`` and ``r2`` are weights γ.

    Raises:
        ConfigError: a setting that is not allowed.
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
    """Gaussians on the unit circle, and two networks of four hidden ReLU layers.

    At the defaults it is the game of Mescheder et al. 2017: eight modes, 1,122 parameters of G and
    881 of D. Initial parameters are Glorot-uniform from ``seed``. ``Toy.draw`` is one fixed batch;
    ``Toy.sample`` draws others.

    Args:
        objective: name of a row of OBJECTIVES.
        seed: of the initial parameters and of the fixed batch.
        width: units of every hidden layer.
        latent: size of a latent.
        per_mode: reals of each mode in a batch, which has as many latents as reals.
        modes: number of Gaussians.
        deviation: standard deviation of each Gaussian.
        r1: weight γ of R1.
        r2: weight γ of R2.
        gamma_convention: a row of ``games.dirac.GAMMA_CONVENTIONS``.

    Raises:
        ConfigError: a setting that is not allowed.
    """
    one_of("objective", objective, list(OBJECTIVES))
    nonnegative(deviation=deviation)
    body = nn.Sequential(*_relu_layers(latent, width, 4), nn.Linear(width, 2))
    gan = _objective_gan(
        OBJECTIVES[objective],
        Generator(body, latent),
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
    """Reals (lanes, batch, 2) around equally spaced centres, latents (lanes, batch, latent)."""
    angles = 2 * math.pi * torch.arange(modes, dtype=torch.float64) / modes
    centres = torch.stack([angles.cos(), angles.sin()], dim=1).repeat(per_mode, 1)
    noise = torch.randn(lanes, *centres.shape, generator=random, dtype=torch.float64)
    z = torch.randn(lanes, len(centres), latent, generator=random, dtype=torch.float64)
    return {"real": centres + deviation * noise, "latent": z}
