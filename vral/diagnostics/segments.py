"""D along straight segments from real to fake samples, and how steep it is there and in z."""

from collections.abc import Iterator

import torch
from torch import Tensor

from vral.data.draws import rng
from vral.games.gan import Gan
from vral.penalties import gradient_norm, input_gradient
from vral.types import Critic, Draw, Profile, Samples, Scalar

GAMMAS = torch.linspace(-0.5, 1.5, 101)
"""Places on a segment: 0 real, 1 fake, the rest beyond its ends."""

PAIRS = 64
CANDIDATES = 32
"""Fakes among which a real sample's nearest is looked for, as in the authors' scripts."""

STEEPEST = 0.999
"""Quantile that stands for the largest slope; a maximum would grow with the sample's size."""


def interpolates(real: Samples, fake: Samples, label: str) -> Samples:
    """γ·fake + (1-γ)·real with a fixed γ ~ U(0, 1) per pair, the same for every ``label``."""
    random = rng(torch.device("cpu"), "interpolates", label)
    gamma = torch.rand(len(real), *[1] * (real.ndim - 1), generator=random).to(real.device)
    return gamma * fake + (1 - gamma) * real


def empirical_lipschitz(critic: Critic, samples: Samples) -> float:
    """The STEEPEST quantile of ‖∇ₓD‖ on ``samples``: a lower bound of D's Lipschitz constant."""
    return gradient_norm(critic, samples).quantile(STEEPEST).item()


def latent_gradient_square(gan: Gan, profile: Profile, draw: Draw) -> Scalar:
    """E‖∇_z D(G(z))‖².

    For z ~ N(0, I) and players that look at one sample at a time, the Gaussian Poincaré inequality
    says Var D(G(z)) ≤ E‖∇_z D(G(z))‖².
    """
    critic = gan.critic(profile["D"])
    slope = input_gradient(lambda z: critic(gan.generate(profile["G"], z)), draw["latent"])
    return slope.square().sum(1).mean()


def pairs(real: Tensor, fake: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
    """PAIRS of real and fake samples: at random, and with the nearest of CANDIDATES fakes.

    ``real`` is (n, *sample), ``fake`` (m, *sample); the random partner is the first of the
    candidates, and nearness is that of pixels.
    """
    count = min(PAIRS, len(real), len(fake) // CANDIDATES)
    real = real[:count]
    candidates = fake[: count * CANDIDATES].reshape(count, CANDIDATES, *fake.shape[1:])
    yield "random", real, candidates[:, 0]
    distance = (candidates - real[:, None]).flatten(2).norm(dim=2)
    yield "nearest", real, candidates[torch.arange(count), distance.argmin(1)]


def along_segments(critic: Critic, real: Tensor, fake: Tensor) -> list[dict[str, object]]:
    """D and ‖∇ₓD‖ at every γ: means over the pairs and their 10 % and 90 % quantiles."""
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
