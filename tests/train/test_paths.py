"""Trajectories of the toy games against published numbers, conservation laws and averaged radii.

Long runs play ``two_numbers``, the Dirac-GAN without networks, which tests/dynamics proves to be
``dirac``. In the paper's convention ψ has the other sign.
"""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import oracles_dynamics as closed
import pytest
import torch

from vral.games.dirac import dirac, two_numbers
from vral.games.planar import manifold
from vral.optim import Adam, FirstOrder, Sgd
from vral.train.paths import grid, recorded_rounds, share_within, trajectories
from vral.train.state import TrainState
from vral.train.step import make_step
from vral.types import to_vector

SIM = (("G", "D"),)
ALT = (("G",), ("D",))
ALT5 = (("G",), *[("D",)] * 5)


def run(toy, moves, starts, rounds, step=0.2, step_d=None, every=1, **given):
    """(times, lane, size) as an array."""
    starts = torch.tensor(starts, dtype=torch.float64)
    rule = FirstOrder({"G": Sgd(step), "D": Sgd(step if step_d is None else step_d)})
    given = {"draw": toy.draw, "projections": toy.projections, "every": every} | given
    return trajectories(toy.game, rule, moves, toy.profile(starts), rounds, **given).numpy()


def clipped(limit):
    """Weight clipping of ``two_numbers``."""
    return {"D": lambda params: {"psi": params["psi"].clamp(-limit, limit)}}


def penalised(gamma, centre):
    """The draw of ``two_numbers`` with the penalty γ/2·(|ψ| - centre)²."""
    return {
        "gamma": torch.tensor(gamma, dtype=torch.float64),
        "centre": torch.tensor(centre, dtype=torch.float64),
    }


def radius(points):
    return np.linalg.norm(points, axis=-1)


# ---- section 4.1 --------------------------------------------------------------------------------

TRACES = {
    "gan sim": ("standard", {}, SIM, [
        (0.946211716, 1.053788284), (0.257053374, 1.417682168),
        (0.188107412, 1.953588571), (-2.161611282, -2.217775397)]),
    "gan alt": ("standard", {}, ALT, [
        (0.946211716, 1.052921113), (0.259600953, 1.394623086),
        (-1.269906066, -0.597690205), (0.686833661, 1.244007294)]),
    "nsgan sim": ("nonsaturating", {}, SIM, [
        (0.853788284, 1.053788284), (-0.358261962, 1.202800508),
        (-0.121351449, -0.731473603), (0.548337319, 0.330441056)]),
    "wgan-clip sim": ("wgan", {"clip": 1.0}, SIM, [
        (0.8, 1.0), (-0.92032, 0.608), (0.787206282, 0.999698621), (-0.065640782, 1.0)]),
    "wgan-gp sim": ("wgan", {"gradient_penalty": 0.7}, SIM, [
        (0.8, 1.2), (-1.340082666, 0.538804556),
        (0.180343641, 1.790220936), (-0.180849194, -1.792694140)]),
    "r1 .3 sim": ("standard", {"r1": 0.3}, SIM, [
        (0.946211716, 0.993788284), (0.364932198, 0.891536968),
        (-0.079625223, -0.058810948), (1.110e-6, -2.398e-6)]),
    "r1 1 sim": ("standard", {"r1": 1.0}, SIM, [
        (0.946211716, 0.853788284), (0.559324894, 0.361038927),
        (0.000280024, 0.000255594), (0.0, 0.0)]),
}  # fmt: skip
"""At k = 1, 10, 100, 500 from (1, 1) with h = 0.2."""


@pytest.mark.parametrize("name", TRACES)
def test_traces(name):
    objective, settings, moves, wanted = TRACES[name]
    seen = run(dirac(objective, convention="paper", **settings), moves, [[1.0, 1.0]], 500)[:, 0]
    np.testing.assert_allclose(seen[[1, 10, 100, 500]], wanted, rtol=0, atol=1e-7)
    if name == "r1 1 sim":
        assert 9.4e-22 < radius(seen[500]) < 9.7e-22


def test_wgan_without_clipping_grows_by_its_step():
    """r² grows by exactly 1 + h² a round."""
    seen = run(dirac("wgan", convention="paper"), SIM, [[1.0, 1.0]], 500)[:, 0]
    np.testing.assert_allclose(
        seen[[10, 100]],
        [(-1.596434022, 0.641784218), (-1.049371514, 9.995434748)],
        rtol=0,
        atol=1e-7,
    )
    np.testing.assert_allclose(
        radius(seen), math.sqrt(2) * 1.04 ** (np.arange(501) / 2), rtol=1e-12
    )


def test_minimax_descent_leaves_from_every_start():
    """r² grows by exactly h²f'(u)²·r² a round; 41 × 41 starts."""
    starts = grid(-2.0, 2.0, 41).tolist()
    seen = run(dirac(convention="paper"), SIM, starts, 60)
    for before, after in pairwise(seen):
        square = (before**2).sum(1)
        growth = 1 + 0.04 * closed.slope(before.prod(1)) ** 2
        np.testing.assert_allclose((after**2).sum(1), square * growth, rtol=1e-12, atol=1e-15)
    assert share_within(torch.from_numpy(seen[-1]), 1e-3) == pytest.approx(1 / 41**2)


def test_radii_of_minimax_descent():
    wanted = {
        0.05: [1.462823, 1.602753, 1.803331],
        0.1: [1.551505, 2.253579, 2.650690],
        0.2: [1.962624, 3.096949, 3.623014],
    }
    for step, radii in wanted.items():
        seen = run(two_numbers(), SIM, [[1.0, -1.0]], 1000, step)[:, 0]
        np.testing.assert_allclose(radius(seen[[100, 500, 1000]]), radii, rtol=0, atol=1e-6)


def test_the_flow_of_minimax_conserves_the_radius():
    """RK4 from (1, 1) over T = 100; with two rates h_g ψ² + h_d θ² is what stays."""
    for rates in ((1.0, 1.0), (1.0, 4.0)):
        x = np.array([1.0, 1.0])
        h = 0.01

        def v(x, rates=rates):
            return np.array(closed.gan(*x)) * rates

        for _ in range(10_000):
            a = v(x)
            b = v(x + h / 2 * a)
            c = v(x + h / 2 * b)
            x = x + h / 6 * (a + 2 * b + 2 * c + v(x + h * c))
        # At (1, 4) the path is faster; RK4's error grows with it.
        assert abs(rates[0] * x[1] ** 2 + rates[1] * x[0] ** 2 - sum(rates)) < 1e-8


def test_alternating_minimax_near_zero():
    """Near 0 θ² + ψ² - h·f·θψ stays (the linear part); at h = 4.2 > 4 alternation blows up too."""
    toy, start = two_numbers(), [[1e-6, -1e-6]]
    seen = run(toy, ALT, start, 500)[:, 0]
    theta, psi = seen.T
    # ψ sees the θ of the same round: f·θψ enters with a plus.
    conserved = theta**2 + psi**2 - 0.2 * 0.5 * theta * psi
    other = theta**2 + psi**2 + 0.2 * 0.5 * theta * psi
    spread = min(np.ptp(conserved) / conserved[0], np.ptp(other) / other[0])
    assert spread < 1e-9
    calm = run(toy, ALT, start, 2000, 3.9)[:, 0]
    assert radius(calm).max() < 6.5e-6
    wild = run(toy, ALT, start, 20, 4.2)[:, 0]
    assert abs(radius(wild[20]) - 0.2120) < 5e-4


# ---- section 4.2 to 4.5 -------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0.1, 0.2])
def test_nonsaturating_descent_circles_at_the_root_of_twice_its_step(step):
    start = [math.sqrt(step), math.sqrt(step)]
    seen = run(two_numbers("nonsaturating"), SIM, [start], 2000, step)[500:, 0]
    assert abs((seen**2).sum(1).mean() / (2 * step) - 1) < 0.01


def test_nonsaturating_alternation_and_flow_converge_slowly():
    """r² ≈ 1/(1/r₀² + t/8)."""
    seen = run(two_numbers("nonsaturating"), ALT, [[1.0, 1.0]], 2000, 0.05)[:, 0]
    wanted = 1 / (1 / 2 + 100 / 8)
    assert abs((seen[-1] ** 2).sum() / wanted - 1) < 0.05


@pytest.mark.parametrize(("clip", "moves_d", "ratio"), [(1.0, 5, 1.0), (0.3, 3, 2.0)])
def test_clipped_wgan_circles_and_never_arrives(clip, moves_d, ratio):
    """Alternating, h → 0: max|θ| = c·√(h_g/(n_d h_d))."""
    toy, step = replace(two_numbers("wgan"), projections=clipped(clip)), 0.01
    moves = (("G",), *[("D",)] * moves_d)
    seen = run(toy, moves, [[0.5 * clip, clip]], 900, step, step / ratio)[300:, 0]
    wanted = clip * math.sqrt(ratio / moves_d)
    assert abs(np.abs(seen[:, 0]).max() / wanted - 1) < 0.02
    assert 0.99 * clip < np.abs(seen[:, 1]).max() <= clip


def test_clipped_wgan_overshoots_when_simultaneous():
    for step, wanted in ((0.05, 1.04035), (0.2, 1.16982)):
        toy = replace(two_numbers("wgan"), projections=clipped(1.0))
        seen = run(toy, SIM, [[1.0, 1.0]], 1000, step)[500:, 0]
        assert abs(np.abs(seen[:, 0]).max() - wanted) < 5e-3


@pytest.mark.parametrize(
    ("weight", "centre", "step", "moves"),
    [
        (0.3, 1.0, 0.1, SIM),
        (0.7, 1.0, 0.2, SIM),
        (0.7, 0.3, 0.2, SIM),
        (0.7, 1.0, 0.5, SIM),
        (0.7, 1.0, 0.2, ALT),
    ],
)
def test_one_centred_penalty_circles(weight, centre, step, moves):
    """Mean radius 4g₀/π, times γ/(γ - h) when simultaneous."""
    toy = replace(two_numbers("wgan"), draw=penalised(weight, centre))
    seen = run(toy, moves, [[1.0, 1.0]], 1500, step)[500:, 0]
    wanted = 4 * centre / math.pi * (weight / (weight - step) if moves == SIM else 1)
    assert abs(radius(seen).mean() / wanted - 1) < 0.02


def test_one_centred_penalty_diverges_when_the_step_exceeds_it():
    toy = replace(two_numbers("wgan"), draw=penalised(0.7, 1.0))
    seen = run(toy, SIM, [[1.0, 1.0]], 600, 0.8)[:, 0]
    assert radius(seen[-1]) > 1e3


def test_instance_noise_by_sampling_has_a_floor():
    """rms r ≈ h·½·s·√(2/M)/√(1-ρ²); without sampling there is none."""
    toy = dirac(instance_noise=0.7, samples=100)
    random = torch.Generator().manual_seed(0)
    starts = [[0.05, 0.0]] * 48
    seen = run(toy, SIM, starts, 400, draw=lambda lanes: toy.sample(random, lanes))[150:]
    floor = 0.2 * 0.5 * 0.7 * math.sqrt(2 / 100) / math.sqrt(1 - 0.980306074652**2)
    assert abs(math.sqrt((seen**2).sum(2).mean()) / floor - 1) < 0.1
    exact = run(dirac(instance_noise=0.7), SIM, [[0.05, 0.0]], 400)[:, 0]
    assert radius(exact[-1]) < 1e-4


def test_r1_converges_from_every_start():
    """Section 2.6: 41 × 41 starts on [-2, 2]², minimax and non-saturating."""
    for objective in ("standard", "nonsaturating"):
        toy = replace(two_numbers(objective), draw=penalised(1.0, 0.0))
        last = run(toy, ALT, grid(-2.0, 2.0, 41).tolist(), 400, every=400)[-1]
        assert share_within(torch.from_numpy(last), 1e-3) == 1.0


def test_exact_consensus_escapes_and_the_notebooks_does_not():
    """Section 2.6, alternating 1:5 with γ = 1 and h = 0.2, in the closed fields."""
    ends = {}
    for factor in (1.0, 0.5):
        theta = psi = 1.0
        for k in range(1, 501):
            theta += 0.2 * closed.consensus(theta, psi, 1.0, factor)[0]
            for _ in range(5):
                psi += 0.2 * closed.consensus(theta, psi, 1.0, factor)[1]
            ends[factor, k] = (theta, psi)
    np.testing.assert_allclose(ends[1.0, 100], (0.566950077, 6.683233224), atol=1e-7)
    np.testing.assert_allclose(ends[1.0, 500], (0.436247434, 10.960060175), atol=1e-7)
    np.testing.assert_allclose(ends[0.5, 100], (1.085e-6, 1.849e-6), atol=1e-9)


# ---- section 6.3 --------------------------------------------------------------------------------


def test_manifold_gan_converges_with_r1_and_finds_an_energy_solution_without():
    starts = {}
    for weight in (0.0, 1.0):
        toy = manifold(r1=weight)
        shift = 0.1 * torch.randn(
            9, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        )
        start = (toy.coordinates(toy.start) + shift).tolist()
        starts[weight] = run(toy, SIM, [start], 1000, 0.1, every=1000)[-1, 0]
    for weight, last in starts.items():
        off = last[:8] - np.array([np.sign(last[0]), 0, 0, 0, 0, 0, 0, 0])
        assert np.linalg.norm(off) < (1e-7 if weight else 0.05)
    assert starts[0.0][8] < -0.01


# ---- the machinery ------------------------------------------------------------------------------


@pytest.mark.parametrize("moves", [SIM, ALT5])
def test_traced_rounds_are_the_steps(moves):
    """Lane by lane the same as calling the project's steps one after the other; Adam's too."""
    toy = dirac("nonsaturating", r1=0.3, bias=True, clip=0.9)
    rule = FirstOrder({player: Adam(0.05, 0.5, 0.9, 1e-8) for player in "GD"})
    starts = toy.profile(torch.randn(3, 3, dtype=torch.float64))
    seen = trajectories(toy.game, rule, moves, starts, 12, toy.draw, toy.projections)
    for i in range(3):
        one = {p: {k: v[i : i + 1] for k, v in params.items()} for p, params in starts.items()}
        one["D"] = toy.projections["D"](one["D"])
        state = TrainState(one, rule.init(one))
        draw = {name: value[None] for name, value in toy.draw.items()}
        for k in range(12):
            np.testing.assert_allclose(
                to_vector(state.profile, 1)[0].numpy(), seen[k, i].numpy(), atol=1e-12
            )
            for move in moves:
                step = make_step(toy.game, rule, move, 1, projections=toy.projections)
                state, _ = step(state, draw)


def test_kept_rounds():
    seen = run(dirac(), SIM, [[1.0, 1.0]], 10)
    some = run(dirac(), SIM, [[1.0, 1.0]], 10, every=4)
    assert recorded_rounds(10, 4) == [0, 4, 8, 10]
    np.testing.assert_array_equal(some, seen[recorded_rounds(10, 4)])


def test_a_diverging_lane_leaves_the_others_alone():
    toy = dirac("lsgan", r1=0.1)
    both = run(toy, SIM, [[0.1, 0.1], [1e3, 1e3]], 60)
    alone = run(toy, SIM, [[0.1, 0.1]], 60)
    assert not np.isfinite(both[-1, 1]).all()
    np.testing.assert_allclose(both[:, 0], alone[:, 0], atol=1e-12)
    assert share_within(torch.from_numpy(both[-1]), 10.0) == 0.5
