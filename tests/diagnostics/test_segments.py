"""D along segments, against critics whose slope is known."""

import numpy as np
import pytest
import torch
from cases import fake_data
from torch import nn

from vral.diagnostics.segments import (
    CANDIDATES,
    GAMMAS,
    along_segments,
    empirical_lipschitz,
    interpolates,
    latent_gradient_square,
    pairs,
)
from vral.games.gan import Gan, objective_loss, target_loss
from vral.nets import Discriminator
from vral.nets.network import Generator
from vral.objectives import OBJECTIVES

DIM, LATENT = 3, 2


def seeded(*shape):
    random = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=random, dtype=torch.float64)


def linear_gan() -> tuple[Gan, dict]:
    """D(x) = w·x and G(z) = Az."""
    generator = Generator(nn.Linear(LATENT, DIM, bias=False), LATENT)
    discriminator = Discriminator([nn.Flatten()], nn.Linear(DIM, 1), (DIM,))
    gan = Gan(
        generator,
        discriminator,
        (DIM,),
        objective_loss(OBJECTIVES["standard"]),
        target_loss(1.0),
    )
    profile = {
        "G": {"body.weight": seeded(DIM, LATENT)},
        "D": {"score.weight": seeded(1, DIM), "score.bias": seeded(1)},
    }
    return gan, profile


def test_poincares_inequality_is_an_equality_for_linear_players():
    gan, profile = linear_gan()
    slope = profile["D"]["score.weight"] @ profile["G"]["body.weight"]
    got = latent_gradient_square(gan, profile, {"latent": seeded(7, LATENT)})
    torch.testing.assert_close(got, slope.square().sum())
    # Var of w·Az over z ~ N(0, I) is the same number.
    latent = seeded(200_000, LATENT)
    scores = gan.score_fake(profile, {"latent": latent})
    torch.testing.assert_close(scores.var(), slope.square().sum(), rtol=0.02, atol=0)


def test_poincares_inequality_holds_for_a_quadratic_critic():
    """D(G(z)) = |z|²: variance 2d, mean squared gradient 4d."""
    gan, profile = linear_gan()
    latent = seeded(100_000, LATENT)

    class Squared(Gan):
        def critic(self, params, noise=None):
            return lambda x: x.square().sum(1)

        def generate(self, params, z):
            return z

    squared = Squared(**{name: getattr(gan, name) for name in gan.__dataclass_fields__})
    got = latent_gradient_square(squared, profile, {"latent": latent}).item()
    assert got == pytest.approx(4 * LATENT, rel=0.02)
    assert latent.square().sum(1).var().item() == pytest.approx(2 * LATENT, rel=0.02)


def test_the_lipschitz_constant_of_a_linear_critic_is_its_norm():
    gan, profile = linear_gan()
    critic = gan.critic(profile["D"])
    assert empirical_lipschitz(critic, seeded(50, DIM)) == pytest.approx(
        profile["D"]["score.weight"].norm().item()
    )


def test_interpolates_lie_between_and_are_the_same_for_every_method():
    real, fake = torch.zeros(500, DIM), torch.ones(500, DIM)
    between = interpolates(real, fake, "digits")
    assert torch.equal(between, interpolates(real, fake, "digits"))
    assert (between.amin(1) == between.amax(1)).all()
    assert between.min() >= 0
    assert between.max() <= 1
    assert between.mean().item() == pytest.approx(0.5, abs=0.05)


def test_a_linear_critic_runs_straight_from_real_to_fake():
    gan, profile = linear_gan()
    critic = gan.critic(profile["D"])
    real, fake = seeded(20, DIM), seeded(20 * CANDIDATES, DIM) + 1
    rows = along_segments(critic, real, fake)
    for pairing, x, y in pairs(real, fake):
        mine = [row for row in rows if row["pairing"] == pairing]
        gamma = np.array([row["gamma"] for row in mine])
        np.testing.assert_allclose(gamma, GAMMAS.numpy(), atol=1e-6)
        ends = critic(x).mean().item(), critic(y).mean().item()
        line = (1 - gamma) * ends[0] + gamma * ends[1]
        np.testing.assert_allclose([row["score_mean"] for row in mine], line, atol=1e-6)
        norm = profile["D"]["score.weight"].norm().item()
        np.testing.assert_allclose([row["grad_norm_high"] for row in mine], norm)
        assert all(row["score_low"] <= row["score_mean"] <= row["score_high"] for row in mine)


def test_the_nearest_of_the_candidates_is_found():
    real = fake_data("digits", 20).train
    fake = fake_data("digits", 2 * len(real) * CANDIDATES, seed=1).train
    found = {pairing: (x, y) for pairing, x, y in pairs(real, fake)}
    x, nearest = found["nearest"]
    own = fake[:CANDIDATES]
    distance = torch.cdist(x[:1].flatten(1), own.flatten(1))[0]
    assert torch.equal(nearest[0], own[distance.argmin()])
    assert torch.equal(found["random"][1][0], own[0])
