"""Toy games: their fields in closed form, conventions, symmetries, and refusals of bad input."""

import math

import numpy as np
import oracles_dynamics as closed
import pytest
import torch
from oracles import OBJECTIVE_CURVES, finite_difference

from vral.diagnostics.linearise import field_map
from vral.errors import ConfigError
from vral.games.dirac import dirac
from vral.games.dirac_vral import vral
from vral.games.game import field
from vral.games.planar import manifold, mixture
from vral.games.quadratic import bilinear, quadratic, scalar_quadratic
from vral.games.toy import gauss_hermite, normal_points
from vral.objectives import OBJECTIVES

POINTS = [(1.0, 1.0), (0.5, -1.5), (-2.0, 0.3), (0.0, 1.2)]


def velocity(toy, *coordinates):
    profile = toy.at(*coordinates)
    gradients, _ = field(toy.game, tuple(toy.game), profile, toy.draw)
    return -toy.coordinates(gradients).numpy()


FIELDS = {
    "gan": (("standard", {}), closed.gan),
    "nsgan": (("nonsaturating", {}), closed.nsgan),
    "wgan": (("wgan", {}), closed.wgan),
    "wgan-clip": (("wgan", {"clip": 1.0}), closed.wgan),
    "wgan-gp": (
        ("wgan", {"gradient_penalty": 0.7}),
        lambda t, p: closed.one_centred(t, p, 0.7, 1.0),
    ),
    "wgan-gp centred at .3": (
        ("wgan", {"gradient_penalty": 0.7, "centre": 0.3}),
        lambda t, p: closed.one_centred(t, p, 0.7, 0.3),
    ),
    "inst-noise": (
        ("standard", {"instance_noise": 0.7}),
        lambda t, p: closed.noisy_gan(t, p, 0.7),
    ),
    "ns inst-noise": (
        ("nonsaturating", {"instance_noise": 0.7}),
        lambda t, p: closed.noisy_nsgan(t, p, 0.7),
    ),
    "r1": (("standard", {"r1": 0.3}), lambda t, p: closed.with_r1(closed.gan, t, p, 0.3)),
    "r2": (("standard", {"r2": 0.3}), lambda t, p: closed.with_r1(closed.gan, t, p, 0.3)),
    "r1 and r2": (
        ("standard", {"r1": 0.3, "r2": 0.3}),
        lambda t, p: closed.with_r1(closed.gan, t, p, 0.6),
    ),
    "ns r1": (("nonsaturating", {"r1": 1.0}), lambda t, p: closed.with_r1(closed.nsgan, t, p, 1.0)),
    "wgan-gp0": (
        ("wgan", {"gradient_penalty": 0.7, "centre": 0.0}),
        lambda t, p: closed.with_r1(closed.wgan, t, p, 0.7),
    ),
}
"""Section 1.2."""


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("point", POINTS)
def test_dirac_field_in_closed_form(name, point):
    (objective, settings), oracle = FIELDS[name]
    toy = dirac(objective, convention="paper", **settings)
    np.testing.assert_allclose(velocity(toy, *point), oracle(*point), rtol=0, atol=1e-9)


PUBLISHED = {
    "gan": ((-0.2689414214, 0.2689414214), (1.0187680488, 0.3395893496)),
    "nsgan": ((-0.7310585786, 0.2689414214), (0.4812319512, 0.3395893496)),
    "wgan-gp": ((-1.0, 1.0), (1.5, 0.85)),
    "inst-noise": ((-0.2880902012, 0.0860360338), (0.9728636021, 0.6117405222)),
    "ns inst-noise": ((-0.7119097988, 0.0860360338), (0.5271363979, 0.6117405222)),
    "r1": ((-0.2689414214, -0.0310585786), (1.0187680488, 0.7895893496)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_dirac_field_at_two_points(name):
    (objective, settings), _ = FIELDS[name]
    toy = dirac(objective, convention="paper", **settings)
    for point, wanted in zip(POINTS, PUBLISHED[name], strict=False):
        np.testing.assert_allclose(velocity(toy, *point), wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("point", [(1.0, 1.0, 0.2), (0.5, -1.5, -0.7)])
def test_dirac_field_of_every_objective_with_a_bias(objective, point):
    """D(x) = ψx + b on reals at 0 and fakes at θ, from the objective's three slopes."""
    theta, psi, b = point
    curves = OBJECTIVE_CURVES[objective]
    fake = psi * theta + b
    slopes = [curves[kind].slope(s) for kind, s in (("real", b), ("fake", fake))]
    wanted = [
        -psi * curves["generator"].slope(fake),
        -theta * slopes[1],
        -slopes[0] - slopes[1],
    ]
    np.testing.assert_allclose(
        velocity(dirac(objective, bias=True), *point), wanted, rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("settings", [{}, {"r1": 0.4, "bias": True}, {"instance_noise": 0.5}])
def test_the_paper_convention_turns_d_around(settings):
    common = dirac("nonsaturating", **settings)
    paper = dirac("nonsaturating", convention="paper", **settings)
    point = np.array([0.8, -0.6, 0.3][: common.size])
    sign = np.array([1.0, -1.0, -1.0][: common.size])
    np.testing.assert_allclose(
        velocity(paper, *(sign * point)), sign * velocity(common, *point), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("penalty", ["r1", "r2", "gradient_penalty"])
def test_gan_stability_gamma_is_twice_the_papers(penalty):
    theirs = dirac(**{penalty: 10.0}, gamma_convention="gan_stability")
    ours = dirac(**{penalty: 20.0})
    np.testing.assert_array_equal(velocity(theirs, 0.8, 0.4), velocity(ours, 0.8, 0.4))


def test_instance_noise_is_a_spread_of_data_and_generator():
    """Noise of deviation s on D's input makes the Gaussian-location GAN of N(0, s²)."""
    noise, spread = dirac(instance_noise=0.7), dirac(spread=(0.7,))
    for point in POINTS:
        np.testing.assert_allclose(
            velocity(noise, *point), velocity(spread, *point), rtol=0, atol=1e-12
        )


def test_noise_and_spread_add_in_quadrature():
    both, one = dirac(instance_noise=0.3, spread=(0.4,)), dirac(spread=(0.5,))
    np.testing.assert_allclose(velocity(both, 0.8, -1.1), velocity(one, 0.8, -1.1), atol=1e-12)


def test_dimensions_along_one_axis_are_one_dimension():
    toy, line = dirac(spread=(0.0,) * 3, r1=0.3), dirac(r1=0.3)
    got = velocity(toy, 0.0, 0.8, 0.0, 0.0, -0.6, 0.0)
    theta, psi = velocity(line, 0.8, -0.6)
    np.testing.assert_allclose(got, [0, theta, 0, 0, psi, 0], rtol=0, atol=1e-12)


def test_sampled_noise_has_the_quadratures_mean():
    """Within five standard errors of 400,000 samples: each term's deviation is below 1.5·s."""
    sampled = dirac(instance_noise=0.7, samples=400_000)
    exact = dirac(instance_noise=0.7)
    draw = sampled.sample(torch.Generator().manual_seed(0), 1)
    draw = {name: value[0] for name, value in draw.items()}
    assert draw["instance_real"].shape == draw["instance_fake"].shape == (400_000, 1)
    assert not torch.equal(draw["instance_real"], draw["instance_fake"])
    gradients, _ = field(sampled.game, ("G", "D"), sampled.at(0.5, -1.5), draw)
    error = -sampled.coordinates(gradients).numpy() - velocity(exact, 0.5, -1.5)
    assert np.abs(error).max() < 5 * 2 * 1.5 * 0.7 / math.sqrt(400_000)


def test_quadrature_and_points():
    nodes, weights = gauss_hermite(2, 20)
    assert nodes.shape == (400, 2)
    torch.testing.assert_close(weights @ nodes**2, torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(
        weights @ (nodes[:, 0] ** 4 * nodes[:, 1] ** 2), torch.tensor(3.0, dtype=torch.float64)
    )
    points = normal_points(64)
    assert abs(points.mean().item()) < 1e-15
    assert abs(points.square().mean().item() - 1) < 1e-14


def test_coordinates_go_there_and_back():
    toy = vral("meta", spread=(1.0,), degree=2)
    points = torch.randn(5, toy.size, dtype=torch.float64)
    assert torch.equal(toy.coordinates(toy.profile(points)), points)
    assert torch.equal(toy.coordinates(toy.at(*points[0].tolist())), points[0])


# ---- quadratic games ----------------------------------------------------------------------------


def test_quadratic_game_in_closed_form():
    toy = scalar_quadratic(1.0, 10.0, 1.0)
    for x, y in POINTS:
        np.testing.assert_allclose(velocity(toy, x, y), [-2 * x - 10 * y, 10 * x + 2 * y])


def test_matrix_games():
    random = torch.Generator().manual_seed(0)
    a, b, c = (
        torch.randn(*shape, generator=random, dtype=torch.float64)
        for shape in ((3, 3), (3, 2), (2, 2))
    )
    x = torch.randn(3, generator=random, dtype=torch.float64)
    y = torch.randn(2, generator=random, dtype=torch.float64)
    got = velocity(quadratic(a, b, c), *x.tolist(), *y.tolist())
    wanted = torch.cat([-(a + a.T) @ x - b @ y, b.T @ x + (c + c.T) @ y])
    np.testing.assert_allclose(got, wanted, atol=1e-12)
    np.testing.assert_allclose(
        velocity(bilinear(b), *x.tolist(), *y.tolist()), torch.cat([-b @ y, b.T @ x]), atol=1e-12
    )


# ---- VRAL ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bandwidth", [0.2, 1.0])
@pytest.mark.parametrize("form", ["forward", "backward"])
def test_parzen_vral_on_one_point_is_least_squares(form, bandwidth):
    """A window around a single score: both KLs are squares, the forward one over h²."""
    toy = vral(form, bandwidth=bandwidth, mean_real=1.0, mean_fake=-1.0)
    rate = 1 / bandwidth**2 if form == "forward" else 1.0
    least_squares = dirac("lsgan", bias=True)
    scale = np.array([1.0, rate, rate])
    for point in [(0.8, -0.6, 0.3), (-1.0, 0.2, 0.0)]:
        np.testing.assert_allclose(
            velocity(toy, *point), scale * velocity(least_squares, *point), rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("spread", [0.0, 0.8])
@pytest.mark.parametrize("minimax", [False, True])
def test_meta_vral_in_closed_form(spread, minimax):
    """Every player's gradient with polynomial R and F, from sums over quadrature nodes."""
    toy = vral("meta", spread=(spread,), degree=2, minimax=minimax)
    theta, w, b, *metas = point = (0.6, 0.7, 0.2, 0.1, -0.4, 0.3, 0.2, 0.5, -0.1)
    real, fake = metas[:3], metas[3:]
    z, weights = closed.NODES, closed.WEIGHTS
    x = spread * z
    scores = {"R": w * x + b, "F": w * (theta + x) + b}
    wanted = [-w * (weights @ scores["F"] - 1.0)]
    move_w = move_b = 0.0
    for name, c, at in (("R", real, x), ("F", fake, theta + x)):
        s = scores[name]
        logit, slope = c[0] + c[1] * s + c[2] * s**2, c[1] + 2 * c[2] * s
        pull = closed.sigmoid(logit if minimax else -logit) * slope
        move_w += weights @ (pull * at)
        move_b += weights @ pull
    wanted += [move_w, move_b]
    for name, c, mean in (("R", real, 1.0), ("F", fake, 0.0)):
        s, v = scores[name], mean + z
        logit = lambda t, c=c: c[0] + c[1] * t + c[2] * t**2  # noqa: E731
        for k in range(3):
            up = weights @ (closed.sigmoid(-logit(v)) * v**k)
            wanted.append(up - weights @ (closed.sigmoid(logit(s)) * s**k))
    np.testing.assert_allclose(velocity(toy, *point), wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("form", ["meta", "forward", "backward"])
def test_mean_matching_pulls_fakes_to_reals(form):
    """G's gradient of (E D(G) - E D)² is 2(wθ)w for every spread."""
    for spread in (0.0, 1.3):
        toy = vral(form, g_objective="mean", spread=(spread,), bandwidth=1.0)
        point = (0.6, 0.7, 0.2, *[0.1] * (toy.size - 3))
        assert abs(velocity(toy, *point)[0] + 2 * 0.6 * 0.7**2) < 1e-12


# ---- sizes, derivatives, refusals ---------------------------------------------------------------

TOYS = {
    "dirac": lambda: dirac(r1=0.3, bias=True),
    "one-centred": lambda: dirac("wgan", gradient_penalty=0.7),
    "tanh critic": lambda: dirac("nonsaturating", hidden=8, bias=True, r1=0.3),
    "location": lambda: dirac(spread=(0.5,), r2=0.2),
    "manifold": lambda: manifold(r1=0.4),
    "quadratic": lambda: scalar_quadratic(1.0, 10.0, 1.0),
    "meta": lambda: vral("meta", spread=(1.0,), degree=2),
    "ReLU meta": lambda: vral("meta", width=4),
    "forward": lambda: vral("forward", spread=(1.0,), bandwidth=0.7),
    "backward": lambda: vral("backward", spread=(1.0,), bandwidth=0.7),
}
SIZES = {"dirac": 3, "tanh critic": 26, "manifold": 9, "meta": 9, "forward": 3}


@pytest.mark.parametrize("name", TOYS)
def test_fields_are_the_players_gradients_by_differences(name):
    toy = TOYS[name]()
    random = torch.Generator().manual_seed(1)
    shift = 0.3 * torch.randn(toy.size, generator=random, dtype=torch.float64)
    point = toy.coordinates(toy.start) + shift
    assert toy.size == SIZES.get(name, toy.size)
    profile, v = toy.profile(point), field_map(toy.game, toy.start, toy.draw).function(point)
    at = 0
    for player, params in profile.items():
        size = sum(value.numel() for value in params.values())

        def own(x, player=player, at=at, size=size, point=point):
            moved = torch.cat([point[:at], x, point[at + size :]])
            return toy.game[player](toy.profile(moved), toy.draw)[0].detach()

        wanted = finite_difference(own, point[at : at + size])
        torch.testing.assert_close(-v[at : at + size], wanted, rtol=1e-6, atol=1e-7)
        at += size


def test_the_mixture_gan_has_2003_parameters():
    toy = mixture()
    sizes = {p: sum(v.numel() for v in params.values()) for p, params in toy.start.items()}
    assert sizes == {"G": 1122, "D": 881}
    assert toy.draw["real"].shape == (512, 2)
    assert toy.draw["latent"].shape == (512, 16)
    assert (torch.linalg.vector_norm(toy.draw["real"], dim=1) - 1).abs().max() < 0.06
    fresh = toy.sample(torch.Generator().manual_seed(5), 2)
    assert fresh["real"].shape == (2, 512, 2)
    assert not torch.equal(*fresh["real"])


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: dirac(r1=-1.0), "r1: -1.0"),
        (lambda: dirac(gradient_penalty=math.nan), "gradient_penalty: nan"),
        (lambda: dirac(instance_noise=-0.1), "instance_noise"),
        (lambda: dirac("gan"), "objective: 'gan'"),
        (lambda: dirac(convention="theirs"), "allowed: common, paper"),
        (lambda: dirac(gamma_convention="half"), "allowed: paper, gan_stability"),
        (lambda: dirac(spread=()), "spread"),
        (lambda: dirac(spread=(1.0,) * 4), "too many for quadrature"),
        (lambda: dirac().at(1.0, math.nan), "finite"),
        (lambda: dirac().at(1.0), "allowed: 2"),
        (lambda: vral("both"), "form"),
        (lambda: vral("forward", bandwidth=0.0), "bandwidth"),
        (lambda: vral("meta", spread=(1.0, 1.0)), "spread"),
        (lambda: vral("meta", g_objective="own"), "g objective"),
        (lambda: manifold(r1=-1.0), "r1"),
        (lambda: mixture("gan"), "objective"),
    ],
)
def test_bad_input_is_one_line(build, said):
    with pytest.raises(ConfigError, match=said) as caught:
        build()
    assert "\n" not in str(caught.value)
