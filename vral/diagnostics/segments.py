"""D along straight segments from real to fake samples, and how steep D is there and in z."""

from collections.abc import Iterator

import torch
from torch import Tensor

from vral.data.draws import rng
from vral.games.gan import Gan
from vral.penalties import gradient_norm, input_gradient
from vral.types import Critic, Draw, Profile, Samples, Scalar

GAMMAS = torch.linspace(-0.5, 1.5, 101)
"""Positions on a segment: 0 at the real sample, 1 at the fake one; some lie beyond its ends."""

PAIRS = 64
"""Segments of each pairing."""
CANDIDATES = 32
"""Fakes among which the nearest one to a real sample is chosen, as in the authors' scripts."""

STEEPEST = 0.999
"""The quantile taken as the largest slope; a maximum would grow with the size of the sample."""


def interpolates(real: Samples, fake: Samples, label: str) -> Samples:
    """γ·fake + (1-γ)·real with a fixed γ ~ U(0, 1) for every pair; ``label`` seeds the γ."""
    random = rng(torch.device("cpu"), "interpolates", label)
    gamma = torch.rand(len(real), *[1] * (real.ndim - 1), generator=random).to(real.device)
    return gamma * fake + (1 - gamma) * real


def empirical_lipschitz(critic: Critic, samples: Samples) -> float:
    """The STEEPEST quantile of ‖∇ₓD‖ on ``samples``; D's Lipschitz constant is at least that."""
    return gradient_norm(critic, samples).quantile(STEEPEST).item()


def latent_gradient_square(gan: Gan, profile: Profile, draw: Draw) -> Scalar:
    """E‖∇_z D(G(z))‖².

    For z ~ N(0, I) and networks that treat samples one by one, the Gaussian Poincaré inequality
    says Var D(G(z)) ≤ E‖∇_z D(G(z))‖².
    """
    critic = gan.critic(profile["D"])
    slope = input_gradient(lambda z: critic(gan.generate(profile["G"], z)), draw["latent"])
    return slope.square().sum(1).mean()


def pairs(real: Tensor, fake: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(pairing, reals, fakes): PAIRS of samples, paired at random and with the nearest fake.

    ``real`` is (n, *sample), ``fake`` (m, *sample). Every real sample has CANDIDATES fakes of its
    own; its random partner is the first of them. Distances are those of coordinates, or pixels.
    """
    count = min(PAIRS, len(real), len(fake) // CANDIDATES)
    real = real[:count]
    candidates = fake[: count * CANDIDATES].reshape(count, CANDIDATES, *fake.shape[1:])
    yield "random", real, candidates[:, 0]
    distance = (candidates - real[:, None]).flatten(2).norm(dim=2)
    yield "nearest", real, candidates[torch.arange(count), distance.argmin(1)]


def along_segments(critic: Critic, real: Tensor, fake: Tensor) -> list[dict[str, object]]:
    """Mean, 10 % and 90 % quantile over the pairs of D and ‖∇ₓD‖; a row for each pairing and γ."""
    rows: list[dict[str, object]] = []
    for pairing, x, y in pairs(real, fake):
        for gamma in GAMMAS.tolist():
            between = gamma * y + (1 - gamma) * x
            row: dict[str, object] = {"pairing": pairing, "gamma": round(gamma, 6)}
            for name, value in _readings(critic, between).items():
                row |= {
                    f"{name}_mean": value.mean().item(),
                    f"{name}_low": value.quantile(0.1).item(),
                    f"{name}_high": value.quantile(0.9).item(),
                }
            rows.append(row)
    return rows


def _readings(critic: Critic, samples: Samples) -> dict[str, Tensor]:
    return {"score": critic(samples), "grad_norm": gradient_norm(critic, samples)}
