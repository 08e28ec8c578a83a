"""Rows of the specification's tables that no command prints: on the Dirac-GAN and its kin."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from vral.diagnostics.gamma_sweep import gamma_sweep
from vral.diagnostics.linearise import field_map, jacobian
from vral.diagnostics.spectrum import spectrum
from vral.dynamics import basins, descent
from vral.dynamics.systems import gradient_descent, moves_of
from vral.games.dirac import dirac, location_scales, location_toy, two_numbers
from vral.games.gan import Gan
from vral.games.planar import mixture
from vral.nets.linear import linear_critic, shift
from vral.train.paths import trajectories


def same(value: float, count: int) -> torch.Tensor:
    return torch.full((count, 2), value, dtype=torch.float64)


def steps_of(*steps: float) -> dict[str, torch.Tensor]:
    return {"step": torch.tensor(steps, dtype=torch.float64)}


@pytest.mark.parametrize(("g_sign", "partner"), [(-1.0, "standard"), (1.0, "nonsaturating")])
def test_pairing_reals_with_fakes_changes_nothing_against_a_point(g_sign, partner):
    """Relativistic losses see D(x) - D(G(z)), and D(x) = ⟨ψ, 0⟩; G in zero-sum play or in -log D's
    manner.
    """

    def paired(score_real, score_fake):
        return softplus(score_fake - score_real).mean()

    def against(score_real, score_fake):
        return g_sign * softplus(g_sign * (score_real - score_fake)).mean()

    scales = location_scales((0.0,))
    gan = Gan(
        shift(scales),
        linear_critic(1, bias=False),
        (1,),
        lambda profile, scored, draw: paired(scored.score_real, scored.score_fake),
        against,
        generator_needs_real=True,
    )
    relativistic, plain = location_toy(gan, scales), dirac(partner)
    for point in ((1.0, 1.0), (0.5, -1.5), (-2.0, 0.3)):
        got, wanted = (
            field_map(toy.game, toy.at(*point), toy.draw) for toy in (relativistic, plain)
        )
        torch.testing.assert_close(got.function(got.point), wanted.function(wanted.point))


@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_a_real_and_a_fake_of_a_pair_are_independent(noise):
    """D(x) = ψx: the difference of two scores is N(-ψθ, 2ψ²(s² + noise²)), not a number -ψθ."""
    theta, psi, spread = 0.7, 1.5, 0.0 if noise else 0.6
    toy = dirac("relativistic", spread=(spread,), instance_noise=noise)
    profile = toy.at(theta, psi)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    gap = -psi * theta + nodes * psi * math.sqrt(2 * (spread**2 + noise**2))
    wanted = weights / weights.sum() @ np.log1p(np.exp(-gap))
    assert abs(toy.game["D"](profile, toy.draw)[0].item() - wanted) < 1e-9
    wanted = weights / weights.sum() @ np.log1p(np.exp(gap))
    assert abs(toy.game["G"](profile, toy.draw)[0].item() - wanted) < 1e-9


def test_minimax_radii_after_5000_rounds():
    """Section 4.1, SimGD from (1, 1) of the paper's convention."""
    start = torch.tensor([1.0, -1.0], dtype=torch.float64).expand(3, 2)
    toy = two_numbers("standard")
    path = descent.paths(toy, moves_of("SimGD"), start, steps_of(0.05, 0.1, 0.2), 5000, every=5000)
    radii = torch.linalg.vector_norm(path[-1], dim=1).numpy()
    np.testing.assert_allclose(radii, [2.867106, 3.627710, 4.240198], rtol=0, atol=1e-6)


def test_the_circle_of_nonsaturating_descent_at_long_steps():
    """Section 4.2: mean r² over 2h falls short of 1 by what averaging leaves out."""
    toy = two_numbers("nonsaturating")
    path = descent.paths(toy, moves_of("SimGD"), same(0.4, 3), steps_of(0.2, 0.4, 0.8), 2500)[1000:]
    ratios = (path**2).sum(2).mean(0).numpy() / np.array([0.4, 0.8, 1.6])
    np.testing.assert_allclose(ratios, [0.9978, 0.9915, 0.9692], rtol=0, atol=1e-3)


def test_the_circle_of_a_weak_one_centred_penalty():
    """Section 4.4: γ = 0.1, h = 0.05, whose circle is reached the slowest."""
    settings = {name: torch.full((1,), value, dtype=torch.float64)
                for name, value in (("gamma", 0.1), ("centre", 1.0), ("step", 0.05))}  # fmt: skip
    toy = two_numbers("wgan")
    path = descent.paths(toy, moves_of("SimGD"), same(2.0, 1), settings, 3000)[2250:]
    mean = torch.linalg.vector_norm(path, dim=2).mean().item()
    assert abs(mean / (4 / math.pi * 0.1 / (0.1 - 0.05)) - 1) < 0.02


@pytest.mark.parametrize("method", [basins.CONSENSUS, basins.NOTEBOOK])
@pytest.mark.parametrize("algorithm", ["SimGD", "AltGD 1:1", "AltGD 1:5"])
def test_basins_of_consensus(method, algorithm):
    """Section 2.6 at γ = 1 and 4, where what arrives at all is there after 400 rounds."""
    found = basins.arrivals(method, algorithm, (1.0, 4.0), 41, 400, 0.2).mean((1, 2))
    wanted = basins.SPECIFIED[method][algorithm][2::2]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=5e-3)


@pytest.mark.parametrize("gamma", [0.0, 0.3])
def test_a_curved_critic_can_do_without_r1(gamma):
    """Section 6.3: 8 tanh units on the Dirac data. Where play comes to rest v' has 23 zeros, and
    its trace is f'(0)·D''(0) + 2f''(0)·‖∇_ψ D(0)‖² - γ‖∇_ψ D'(0)‖², f' = ½, f'' = -¼.
    """
    toy = dirac("nonsaturating", r1=gamma, hidden=8, bias=True)
    assert toy.size == 26
    starts = toy.coordinates(toy.start)[None]
    end = trajectories(
        toy.game,
        gradient_descent(0.2),
        moves_of("AltGD 1:1"),
        toy.profile(starts),
        1000,
        toy.draw,
        every=1000,
    )[-1, 0]
    field = field_map(toy.game, toy.profile(end), toy.draw)
    found = spectrum(field)
    assert found.stationary
    assert (found.positive, found.zero, found.negative) == (0, 23, 3)
    assert (np.abs(found.rest.imag) > 0.1).sum() == 2

    def critic(x, weights):
        """In the order of the coordinates behind θ: hidden weights and biases, head, its bias."""
        inner, shifts, head, last = weights.split([8, 8, 8, 1])
        return (head * torch.tanh(inner * x + shifts)).sum() + last[0]

    zero, weights = torch.zeros((), dtype=torch.float64), ordered(toy, end)
    slope = torch.func.grad(critic)
    bend = torch.func.grad(slope)(zero, weights)
    value_gradient = torch.func.grad(critic, argnums=1)(zero, weights)
    slope_gradient = torch.func.grad(slope, argnums=1)(zero, weights)
    assert slope(zero, weights).abs() < 1e-5
    wanted = bend / 2 - value_gradient.square().sum() / 2 - gamma * slope_gradient.square().sum()
    assert abs(found.eigenvalues.sum().real - wanted.item()) < 1e-5


def ordered(toy, point):
    """D's parameters: weights and biases of the hidden layer, then the head's."""
    params = list(toy.profile(point)["D"].values())
    assert sorted(value.numel() for value in params) == [1, 8, 8, 8]
    return torch.cat([value.flatten() for value in params])


def test_the_whole_published_mixture_gan_is_differentiated_both_ways():
    """2003 parameters: yᵀ(Jx) = (Jᵀy)ᵀx, and Jx as a difference quotient of v."""
    toy = mixture(r1=0.5)
    random = torch.Generator().manual_seed(0)
    shift, x, y = torch.randn(3, toy.size, generator=random, dtype=torch.float64)
    point = toy.profile(toy.coordinates(toy.start) + 0.05 * shift)
    field = field_map(toy.game, point, toy.draw)
    assert len(field.point) == 2003
    pushed = field.product(x)
    assert abs(y @ pushed - field.transposed(y) @ x) < 1e-10 * (y.norm() * pushed.norm())
    size = 1e-7
    moved = [field.function(field.point + sign * size * x) for sign in (1, -1)]
    gap = torch.linalg.vector_norm((moved[0] - moved[1]) / (2 * size) - pushed)
    assert gap < 1e-5 * torch.linalg.vector_norm(pushed)


def test_a_sweep_by_arnoldi_is_the_sweep_by_whole_jacobians():
    toy = mixture(width=3, latent=2, per_mode=4)
    shift = torch.randn(toy.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    profile = toy.profile(toy.coordinates(toy.start) + 0.1 * shift)

    def sweep(**limit):
        return gamma_sweep(
            lambda gamma: mixture(width=3, latent=2, per_mode=4, r1=gamma).game,
            profile,
            toy.draw,
            [0.0, 2.0],
            **limit,
        )

    whole = sweep()
    some = sweep(dense_limit=20)
    np.testing.assert_allclose(some.abscissae, whole.abscissae, rtol=0, atol=1e-9)
    assert np.ptp(whole.abscissae) > 1e-3
    assert some.residual == whole.residual > 0


def test_the_jacobian_in_the_sweep_is_affine_in_gamma():
    """What lets two Jacobians stand for a sweep."""
    toy = mixture(width=3, latent=2, per_mode=4)
    at = [
        jacobian(
            field_map(mixture(width=3, latent=2, per_mode=4, r1=gamma).game, toy.start, toy.draw)
        )
        for gamma in (0.0, 1.0, 2.5)
    ]
    np.testing.assert_allclose(at[2], at[0] + 2.5 * (at[1] - at[0]), rtol=0, atol=1e-12)
