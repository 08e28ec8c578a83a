"""Update rules against closed forms: games of two numbers, and finite differences on real GANs."""

import itertools
import math

import numpy as np
import oracles
import pytest
import torch
from cases import OPTIONS, draws_of, fake_data, flat, lane, precise, tiny
from torch.nn.functional import logsigmoid
from torch.utils import _pytree as tree

from vral.data.draws import second, twice
from vral.errors import ConfigError
from vral.games.game import field
from vral.optim import (
    RULES,
    TRANSFORMS,
    Consensus,
    Extragradient,
    FirstOrder,
    Momentum,
    NagarajanKolter,
    Optimistic,
    Sgd,
    Smooth,
    Symplectic,
    Unrolled,
)
from vral.optim.rules import make_rule, name_of
from vral.study.build import build
from vral.study.config import RunConfig
from vral.study.methods import METHODS
from vral.train import checkpoint
from vral.train.compile import compile_program, traced
from vral.train.loop import train
from vral.train.plan import program_of
from vral.train.records import Recorder
from vral.train.schedule import PLAYS
from vral.train.state import Clock, TrainState
from vral.train.step import make_step
from vral.types import leaves, map_tensors

SLOPE = 0.5
"""f'(0) of the Dirac-GAN with f = log σ, in the paper's sign convention."""


def zero_sum(value):
    """G minimises and D maximises value(x, y, draw); G's number is x and D's is y."""
    return {
        "D": lambda profile, draw: (-value(profile["G"]["x"], profile["D"]["y"], draw), ()),
        "G": lambda profile, draw: (value(profile["G"]["x"], profile["D"]["y"], draw), ()),
    }


DIRAC = zero_sum(lambda x, y, draw: logsigmoid(x * y))


def bilinear(scale: float):
    return zero_sum(lambda x, y, draw: scale * x * y)


def quadratic(a: float, b: float, c: float):
    return zero_sum(lambda x, y, draw: a * x**2 + b * x * y + c * y**2)


def point(x: float, y: float) -> dict:
    number = torch.tensor
    return {
        "G": {"x": number(x, dtype=torch.float64)},
        "D": {"y": number(y, dtype=torch.float64)},
    }


def both(transform) -> dict:
    return {"G": transform, "D": transform}


def play(rule, game, moves, updates: int, x: float, y: float) -> TrainState:
    profile = map_tensors(lambda t: t[None], point(x, y))
    state = TrainState(profile, rule.init(profile))
    steps = [make_step(game, rule, move, 1) for move in moves]
    for _ in range(updates):
        for step in steps:
            state, _ = step(state, {})
    return state


TOGETHER = (("D", "G"),)


def one_round(rule, game, moves, x: float, y: float):
    """One round as a map of vectors (parameters, then the rule's state), and where it starts."""
    start = play(rule, game, moves, 0, x, y)
    numbers, shape = tree.tree_flatten(tuple(start))
    steps = [make_step(game, rule, move, 1) for move in moves]

    def after(vector):
        state = TrainState(*tree.tree_unflatten(list(vector.split(1)), shape))
        for step in steps:
            state, _ = step(state, {})
        return torch.cat(tree.tree_leaves(tuple(state)))

    return after, torch.cat(numbers)


def eigenvalues(rule, game, moves) -> np.ndarray:
    """Eigenvalues of a round at the origin."""
    after, origin = one_round(rule, game, moves, 0.0, 0.0)
    return np.linalg.eigvals(torch.func.jacrev(after)(origin).numpy())


def radius_after(rule, game, updates: int) -> float:
    """Distance from the origin after simultaneous updates of a linear field, from (½, ½)."""
    after, start = one_round(rule, game, TOGETHER, 0.5, 0.5)
    matrix = torch.func.jacrev(after)(start)
    torch.testing.assert_close(after(start), matrix @ start, rtol=1e-12, atol=1e-12)
    reached = torch.linalg.matrix_power(matrix, updates) @ start
    return torch.linalg.vector_norm(reached[:2]).item()


def radius(rule, game, moves=TOGETHER) -> float:
    return float(np.abs(eigenvalues(rule, game, moves)).max())


def assert_spectrum(found: np.ndarray, wanted: np.ndarray, tolerance: float) -> None:
    for first, other in ((found, wanted), (wanted, found)):
        for value in first:
            assert np.abs(other - value).min() < tolerance


# ---- eigenvalues of one update -----------------------------------------------------------------

STEP = 0.2
PLUS_MINUS = np.array([1j, -1j])
DAMPED = {
    "consensus": (Consensus, oracles.consensus_flow),
    "sga": (Symplectic, oracles.consensus_flow),
    "smooth": (Smooth, oracles.penalised_flow),
    "nk": (NagarajanKolter, oracles.penalised_flow),
}


@pytest.mark.parametrize("weight", [0.1, 0.3, 1.0, 4.0, 10.0])
@pytest.mark.parametrize("name", DAMPED)
def test_spectra_on_the_dirac_gan(name, weight):
    """1 + h times the flow's eigenvalues; smooth and nk at 4 are defective."""
    damped, flow = DAMPED[name]
    rule = damped(both(Sgd(STEP)), weight)
    wanted = 1 + STEP * flow(weight, SLOPE)
    critical = weight == 4.0 and name in ("smooth", "nk")
    assert_spectrum(eigenvalues(rule, DIRAC, TOGETHER), wanted, 1e-6 if critical else 1e-9)


@pytest.mark.parametrize(
    ("moves", "rho"),
    [
        (TOGETHER, 0.955248658727),
        ((("G",), ("D",)), 0.95),
        ((("D",), ("G",)), 0.95),
        ((("G",), *[("D",)] * 5), 0.857375),
        ((*[("D",)] * 5, ("G",)), 0.857375),
    ],
)
def test_consensus_in_every_schedule(moves, rho):
    rule = Consensus(both(Sgd(STEP)), gamma=1.0)
    assert radius(rule, DIRAC, moves) == pytest.approx(rho, abs=1e-9)


SCALE = 3.0
BILINEAR = {
    "extragradient": lambda a: (1 - a**2) + a * PLUS_MINUS,
    "optimistic": oracles.optimistic_multipliers,
    "consensus:gamma=0.5": lambda a: 1 + STEP * oracles.consensus_flow(0.5, SCALE),
    "smooth:gamma=0.5": lambda a: 1 + STEP * oracles.penalised_flow(0.5, SCALE),
    "nk:eta=0.5": lambda a: 1 + STEP * oracles.penalised_flow(0.5, SCALE),
    "sga:weight=0.5": lambda a: 1 + STEP * oracles.consensus_flow(0.5, SCALE),
    # G's slope is b(y + 2kηbx) after k steps of D: λ² + 2k(hb)²λ + (hb)² = 0 with η = h.
    "unrolled:steps=2": lambda a: 1 + np.roots([1, 4 * a**2, a**2]),
}
"""Eigenvalues of a simultaneous update of every rule on L = 3xy, a being step times scale."""


def test_every_rule_has_its_eigenvalues_on_the_bilinear_game():
    assert [name_of(text) for text in BILINEAR] == list(RULES)
    for text, eigenvalues_of in BILINEAR.items():
        rule = make_rule(text, both(Sgd(STEP)))
        found = eigenvalues(rule, bilinear(SCALE), TOGETHER)
        assert_spectrum(found, eigenvalues_of(STEP * SCALE), 1e-9)


@pytest.mark.parametrize("a", [0.1, 0.5, 0.9, 1.0, 1.1])
@pytest.mark.parametrize("game", ["bilinear", "dirac"])
def test_extragradient(game, a):
    """|λ|² = 1 - a² + a⁴, a being the step times the slope: stable below a = 1."""
    games = {"bilinear": (bilinear(3.0), a / 3), "dirac": (DIRAC, a / SLOPE)}
    rule = Extragradient(both(Sgd(games[game][1])))
    assert radius(rule, games[game][0]) == pytest.approx(math.sqrt(1 - a**2 + a**4), abs=1e-9)


def test_extragradient_at_a_tenth():
    assert radius(Extragradient(both(Sgd(0.1))), bilinear(1.0)) == pytest.approx(
        0.995037687728, abs=1e-9
    )


@pytest.mark.parametrize("a", [0.1, 0.3, 0.5, 0.57, 0.6])
def test_optimistic(a):
    """Stable below a = 1/√3; defective at ½."""
    rule = Optimistic(both(Sgd(a / SLOPE)))
    tolerance = 1e-6 if a == 0.5 else 1e-9
    wanted = oracles.optimistic_radius(a)
    assert (wanted < 1) == (a < 1 / math.sqrt(3))
    assert radius(rule, DIRAC) == pytest.approx(wanted, abs=tolerance)
    if a == 0.5:
        assert wanted == pytest.approx(0.7071067812, abs=1e-9)


@pytest.mark.parametrize(
    ("beta", "simultaneous", "alternating"),
    [
        (-0.5, 1.000743, 0.998518),
        (0.0, 1.004988, 1.0),
        (0.5, 1.045687, 1.032297),
        (0.9, 1.198286, 1.192142),
    ],
)
def test_heavy_ball(beta, simultaneous, alternating):
    rule = FirstOrder(both(Momentum(STEP, beta)))
    assert radius(rule, DIRAC) == pytest.approx(simultaneous, abs=1e-6)
    assert radius(rule, DIRAC, (("G",), ("D",))) == pytest.approx(alternating, abs=1e-6)


@pytest.mark.parametrize("rates", [(1.0, 4.0), (1.0, 0.25), (0.3, 0.3)])
def test_separate_rates_never_stop_the_rotation(rates):
    """λ = 1 ± i f √(h_g h_d)."""
    rule = FirstOrder({"G": Sgd(rates[0]), "D": Sgd(rates[1])})
    turn = SLOPE * math.sqrt(rates[0] * rates[1])
    wanted = np.array([1 + turn * 1j, 1 - turn * 1j])
    assert_spectrum(eigenvalues(rule, DIRAC, TOGETHER), wanted, 1e-9)


# ---- paths and directions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "radii"),
    [
        (lambda: FirstOrder(both(Sgd(0.2))), (1.885, 1542.0, 3.422e9)),
        (lambda: Optimistic(both(Sgd(0.2))), (0.2601, 18.32, 2.4e18)),
        (lambda: Symplectic(both(Sgd(0.2)), weight=1.0), (4.594e-5, 0.7071, 7.4e39)),
        (lambda: Consensus(both(Sgd(0.2)), gamma=1.0), (4.594e-5, 0.7071, 7.4e39)),
    ],
    ids=["descent", "optimistic", "sga", "consensus"],
)
def test_fifty_updates_of_the_bilinear_game(rule, radii):
    """The toy of the paper on competitive gradient descent, from (½, ½) with scales 1, 3, 6."""
    for scale, wanted in zip((1.0, 3.0, 6.0), radii, strict=True):
        assert radius_after(rule(), bilinear(scale), 50) == pytest.approx(wanted, rel=2e-2)


def test_consensus_converges_to_what_is_no_equilibrium():
    """-(x² - y²) has a joint maximum of both losses at the origin: descent flees, consensus not."""
    game = zero_sum(lambda x, y, draw: -(x**2 - y**2))
    rule = Consensus(both(Sgd(0.2)), gamma=1.0)
    assert radius_after(rule, game, 100) == pytest.approx(4.62e-23, rel=2e-3)
    assert radius_after(FirstOrder(both(Sgd(0.2))), game, 100) > 1e14


@pytest.mark.parametrize(("weight", "coefficient"), [(0.5, -0.5), (2.0, 1.0)])
def test_consensus_outside_zero_sum_games(weight, coefficient):
    """Both losses -½(x² + y²): κ(λκ - 1) with κ = 1 (Letcher et al. 2019, example 8)."""
    value = {p: lambda q, d: (-0.5 * (q["G"]["x"] ** 2 + q["D"]["y"] ** 2), ()) for p in "DG"}
    found, _ = Consensus({}, weight).direction(value, ("D", "G"), point(0.7, -1.3), {})
    assert found["G"]["x"].item() == pytest.approx(0.7 * coefficient, rel=1e-12)
    assert found["D"]["y"].item() == pytest.approx(-1.3 * coefficient, rel=1e-12)


@pytest.mark.parametrize(
    ("place", "exact", "notebook"),
    [
        (
            (1.0, 1.0),
            (-0.2355167239, 0.3023661188),
            (-0.2883938167, 0.2494890260),
        ),
        (
            (0.5, -1.5),
            (0.2331650520, 1.2165019557),
            (0.5106456240, 1.1240084317),
        ),
    ],
)
def test_consensus_field_and_the_notebooks(place, exact, notebook):
    """The published notebook lost a factor of 2 in the second term of ∇½‖v‖²."""
    found, _ = Consensus({}, 1.0).direction(DIRAC, ("D", "G"), point(*place), {})
    ours = np.array([-found["G"]["x"].item(), -found["D"]["y"].item()])
    np.testing.assert_allclose(ours, exact, atol=1e-9)
    np.testing.assert_allclose(ours, oracles.logit_consensus(*place, 1.0), atol=1e-12)
    np.testing.assert_allclose(oracles.logit_consensus(*place, 1.0, 0.5), notebook, atol=1e-9)
    assert np.abs(ours - notebook).min() > 0.05


@pytest.mark.parametrize("place", [(1.0, 1.0), (0.5, -1.5)])
def test_gradient_penalties_on_either_player(place):
    """dynamics.md 1.2: smooth adds g(ψq² + ψ²θqr) to D's, nk η(θq² + θ²ψqr) to G's gradient."""
    theta, psi = place
    q, r = oracles.sigmoid(-theta * psi), -np.prod(oracles.sigmoid(np.array([1, -1]) * theta * psi))
    plain, _ = field(DIRAC, ("D", "G"), point(*place), {})
    smooth, _ = Smooth({}, 0.7).direction(DIRAC, ("D", "G"), point(*place), {})
    nk, _ = NagarajanKolter({}, 0.7).direction(DIRAC, ("D", "G"), point(*place), {})
    assert smooth["G"] == plain["G"]
    assert nk["D"] == plain["D"]
    added = smooth["D"]["y"] - plain["D"]["y"]
    assert added.item() == pytest.approx(0.7 * (psi * q**2 + psi**2 * theta * q * r), rel=1e-10)
    added = nk["G"]["x"] - plain["G"]["x"]
    assert added.item() == pytest.approx(0.7 * (theta * q**2 + theta**2 * psi * q * r), rel=1e-10)


def test_symplectic_adjustment_of_a_potential_and_of_a_hamiltonian_game():
    """Nothing rotates where both minimise one loss; where all rotates it is consensus."""
    shared = {
        p: lambda q, d: ((q["G"]["x"] * q["D"]["y"] - 1) ** 2 + q["G"]["x"] ** 4, ()) for p in "DG"
    }
    plain, _ = field(shared, ("D", "G"), point(0.3, -2.0), {})
    adjusted, _ = Symplectic({}, 3.0).direction(shared, ("D", "G"), point(0.3, -2.0), {})
    torch.testing.assert_close(adjusted, plain, rtol=1e-13, atol=1e-13)
    adjusted, _ = Symplectic({}, 3.0).direction(bilinear(2.0), ("D", "G"), point(0.3, -2.0), {})
    agreed, _ = Consensus({}, 3.0).direction(bilinear(2.0), ("D", "G"), point(0.3, -2.0), {})
    torch.testing.assert_close(adjusted, agreed, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("bend", "sign"), [(0.5, 1.0), (-0.5, -1.0)])
def test_alignment_pushes_away_from_unstable_points(bend, sign):
    """Around a stable point of ½bend(x² - y²) + 2xy λ stays, around an unstable one it turns."""
    game = quadratic(bend / 2, 2.0, -bend / 2)
    at = point(3.0, 1.0)
    aligned, _ = Symplectic({}, 0.4, "aligned").direction(game, ("D", "G"), at, {})
    weight = torch.tensor(0.4 * sign, dtype=torch.float64)  # as a tensor it may be negative
    fixed, _ = Symplectic({}, weight).direction(game, ("D", "G"), at, {})
    torch.testing.assert_close(aligned, fixed, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("steps", [0, 1, 3, 30])
def test_unrolling_the_quadratic_game(steps):
    """Every k in closed form; k → ∞ is descent of max_y L, (2a - b²/2c)x."""
    a, b, c, x, y, rate = 1.0, 10.0, -2.0, 0.4, -0.3, 0.2
    rule = Unrolled({"D": Sgd(rate), "G": Sgd(0.9)}, steps)
    found, evaluations = rule.direction(quadratic(a, b, c), ("D", "G"), point(x, y), {})
    wanted = oracles.unrolled_slope(a, b, c, x, y, steps, rate)
    assert found["G"]["x"].item() == pytest.approx(wanted, rel=1e-11)
    plain, losses = field(quadratic(a, b, c), ("D", "G"), point(x, y), {})
    assert found["D"] == plain["D"]
    assert evaluations["G"][0] == losses["G"][0]
    if steps == 0:
        assert found["G"] == plain["G"]
    if steps == 30:
        assert wanted == pytest.approx((2 * a - b**2 / (2 * c)) * x, rel=1e-12)


def test_two_draws_make_consensus_unbiased():
    """Over all pairs of draws the two-batch form averages to that of the full batch; the one-batch
    form adds the gradient of half the gradients' variance."""

    def value(x, y, draw):
        return logsigmoid(draw["e"] * x * y) + draw["e"] ** 2 * x

    values = [torch.tensor(v, dtype=torch.float64) for v in (-0.5, 0.2, 1.7)]
    game, at, movers = zero_sum(value), point(0.8, -1.1), ("D", "G")
    full = zero_sum(lambda x, y, draw: sum(value(x, y, {"e": v}) for v in values) / len(values))

    def mean(found):
        return {p: sum(flat(one[0][p]) for one in found) / len(found) for p in movers}

    wanted = mean([Consensus({}, 2.0).direction(full, movers, at, {})])
    pairs = itertools.product(values, values)
    two = mean(
        [
            Consensus({}, 2.0, draws=2).direction(game, movers, at, {"e": e, "second_e": f})
            for e, f in pairs
        ]
    )
    torch.testing.assert_close(two, wanted, rtol=1e-12, atol=1e-12)

    def variance(profile):
        found = [field(game, movers, profile, {"e": v})[0] for v in values]
        gradients = torch.stack([torch.stack([g["G"]["x"], g["D"]["y"]]) for g in found])
        return 0.5 * gradients.var(0, correction=0).sum()

    bias = torch.func.grad(variance)(at)
    one = mean([Consensus({}, 2.0).direction(game, movers, at, {"e": v}) for v in values])
    for player in movers:
        expected = wanted[player] + 2.0 * flat(bias[player])
        torch.testing.assert_close(one[player], expected, rtol=1e-12, atol=1e-12)
        assert (one[player] - wanted[player]).abs() > 0.1


def test_second_draws_go_by_plain_names():
    assert list(twice({"real": None})) == ["real", "second_real"]
    first, other = torch.zeros(2), torch.ones(2)
    assert second({"real": first, "second_real": other})["real"] is other


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_solver_may_differentiate_the_field_it_is_handed(lanes):
    """JVP and VJP of the stacked field of a quadratic game: J = [[-2c, -b], [b, 2a]] of (y, x)."""
    a, b, c = 1.0, 10.0, 2.0
    seen = {}

    class Looks(FirstOrder):
        def update(self, vector_field, movers, profile, opt):
            ones = map_tensors(torch.ones_like, profile)
            _, seen["jvp"] = torch.func.jvp(lambda at: vector_field(at)[0], (profile,), (ones,))
            _, pull = torch.func.vjp(lambda at: vector_field(at)[0], profile)
            (seen["vjp"],) = pull(seen["jvp"])
            return super().update(vector_field, movers, profile, opt)

    rule = Looks(both(Sgd(0.1)))
    profile = map_tensors(lambda t: t.repeat(lanes), point(0.3, 0.4))
    make_step(quadratic(a, b, c), rule, ("D", "G"), lanes)(
        TrainState(profile, {"G": {}, "D": {}}), {}
    )
    jacobian = np.array([[-2 * c, -b], [b, 2 * a]])
    pushed = jacobian @ np.ones(2)
    for name, wanted in (("jvp", pushed), ("vjp", jacobian.T @ pushed)):
        found = np.stack([flat(seen[name]["D"]).numpy(), flat(seen[name]["G"]).numpy()])
        np.testing.assert_allclose(found, np.repeat(wanted[:, None], lanes, 1), rtol=1e-12)


# ---- every rule on real networks ---------------------------------------------------------------

NAMES = (*TRANSFORMS, *RULES)
SETTINGS = {
    "consensus": "consensus:draws=2",
    "sga": "sga:sign=aligned",
    "unrolled": "unrolled:steps=2,lr=0.3",
}
"""Rules in the form that differs most from the plain field."""


def configured(method: str, rule: str, **given) -> RunConfig:
    return tiny(
        method, **{"dataset": "ring", "rule": SETTINGS.get(rule, rule), "batch": 8, **given}
    )


def inner(left, right) -> float:
    return sum((flat(left[p]) * flat(right[p])).sum().item() for p in left)


@pytest.mark.parametrize("method", ["wgan-gp", "vral-meta"])
@pytest.mark.parametrize("rule", ["consensus", "smooth", "nk", "sga", "unrolled"])
def test_directions_on_a_gan_by_finite_differences(rule, method):
    text = "sga:sign=fixed" if rule == "sga" else rule
    training, state = precise(configured(method, text, play="simultaneous"))
    ((movers, draw),) = draws_of(training, 1)
    draw, random = lane(draw, 0), torch.Generator().manual_seed(0)
    game = training.gan.losses

    def noise(t):
        return torch.randn(t.shape, generator=random, dtype=t.dtype)

    profile = map_tensors(lambda t: t + 0.1 * noise(t), lane(state.profile, 0))
    weight = {"consensus": 10.0}.get(rule, 1.0)
    found, _ = training.rule.direction(game, movers, profile, draw)
    plain, _ = field(game, movers, profile, draw)
    added = {p: {n: value - plain[p][n] for n, value in found[p].items()} for p in movers}

    def moved(direction, size, players=movers):
        return {
            p: {n: v + size * direction[p][n] if p in players else v for n, v in params.items()}
            for p, params in profile.items()
        }

    def slope(function, direction, players=movers, size=1e-5):
        there = function(moved(direction, size, players))
        back = function(moved(direction, -size, players))
        return (there - back) / (2 * size)

    def gradient_of(at, players, draw=draw):
        return field(game, players, at, draw)[0]

    def foreseen(at):
        for _ in range(2):
            slopes = gradient_of(at, [p for p in movers if p != "G"])
            at = {
                p: {n: v - 0.3 * slopes[p][n] for n, v in q.items()} if p != "G" else q
                for p, q in at.items()
            }
        return game["G"](at, draw)[0].item()

    along = {p: map_tensors(noise, profile[p]) for p in movers}
    if rule == "consensus":
        wanted = slope(
            lambda at: (
                weight / 2 * inner(gradient_of(at, movers), gradient_of(at, movers, second(draw)))
            ),
            along,
        )
    elif rule == "sga":
        turned = slope(lambda at: inner(gradient_of(at, movers), along), plain)
        pushed = slope(lambda at: inner(gradient_of(at, movers), plain), along)
        wanted = weight / 2 * (pushed - turned)
    elif rule == "unrolled":
        wanted = slope(foreseen, along, ("G",))
        added = {"G": found["G"]}
    else:
        penalised, other = ("D", "G") if rule == "smooth" else ("G", "D")
        for p in movers:
            if p != penalised:
                assert torch.equal(flat(found[p]), flat(plain[p]))

        def energy(at):
            gradients = gradient_of(at, (other,))
            return 0.5 * inner(gradients, gradients)

        wanted = slope(energy, along, (penalised,))
    got = inner(added, along)
    assert abs(wanted) > 1e-4
    assert got == pytest.approx(wanted, rel=1e-5, abs=1e-7)


def some_rounds(config, rounds: int):
    training, state = precise(config)
    infos = []
    for move, draw in draws_of(training, rounds):
        state, info = training.steps[move, True](state, draw)
        infos.append(info)
    return state, infos


@pytest.mark.parametrize("play", PLAYS)
@pytest.mark.parametrize("rule", NAMES)
def test_lane_i_is_the_single_run(rule, play):
    method = "vral-meta" if play == "simultaneous" else "hinge"
    together, _ = some_rounds(configured(method, rule, seeds=(7, 2), play=play), 2)
    for i, seed in enumerate((7, 2)):
        alone, infos = some_rounds(configured(method, rule, seeds=(seed,), play=play), 2)
        for part, own in zip(together, alone, strict=True):
            for player in own:
                for a, b in zip(
                    leaves(lane(part[player], i)),
                    leaves(lane(own[player], 0)),
                    strict=True,
                ):
                    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)
        assert all(torch.isfinite(value).all() for info in infos for value in info.values())


@pytest.mark.parametrize(
    ("method", "rule"),
    [
        *(("vral-meta", rule) for rule in RULES),
        *((method, "sga") for method in [*METHODS, *OPTIONS] if method != "vral-meta"),
    ],
)
def test_every_rule_moves_every_method(method, rule):
    """Each player is moved and stays finite; a held G stays where it was."""
    method, given = OPTIONS.get(method, (method, {}))
    given = {k: v for k, v in given.items() if k not in ("rule", "lr")}
    training = build(tiny(method, rule=rule, batch=4, **given), fake_data("digits"))
    state = training.initial
    for move, draw in training.stream.round(training.moves(0)):
        state, info = training.steps[move, False](state, draw)
        assert all(torch.isfinite(value).all() for value in info.values())
    for player, params in state.profile.items():
        assert torch.isfinite(flat(params)).all()
        still = torch.equal(flat(params), flat(training.initial.profile[player]))
        assert still == (player == "G" and given.get("generator") == "held")


@pytest.mark.parametrize("rule", NAMES)
def test_a_checkpoint_continues_bit_for_bit(rule, tmp_path):
    config = configured("nonsaturating", rule, seeds=(0, 1))

    def go_on(training, state, rounds):
        for number in range(rounds):
            for move, draw in training.stream.round(training.moves(number)):
                state, _ = training.steps[move, False](state, draw)
        return state

    data = fake_data("ring")
    first = build(config, data)
    middle = go_on(first, first.initial, 2)
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, config.identity, middle, first.stream, Clock(2), [], {})
    through = go_on(first, middle, 2)
    loaded = checkpoint.load(path, config.identity, torch.device("cpu"))
    again = build(config, data)
    again.stream.restore(loaded["stream"])
    resumed = go_on(again, TrainState(loaded["profile"], loaded["opt"]), 2)
    for a, b in zip(leaves(through), leaves(resumed), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("rule", RULES)
def test_a_traced_rule_is_the_rule(rule):
    """The graph that a compiler would get, for all players at once."""
    config = configured("nonsaturating", rule, play="simultaneous")
    training, state = precise(config)
    executor = build(config, fake_data("ring"), compiled=True).executor
    ((move, draw),) = draws_of(training, 1)
    plain, info = training.steps[move, False](state, draw)
    run = program_of(executor.to_compile, executor.prepare, ((move, False),))
    after, (readings,) = compile_program(run, state, [draw], traced)(state, [draw])
    for a, b in zip(leaves(after), leaves(plain), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(readings.values, torch.stack(list(info.values())))


@pytest.mark.parametrize("play", PLAYS)
def test_every_reading_finds_its_update(play):
    """In every order of play a round's row has the losses of all players."""
    config = configured("vral-meta", "adam", play=play)
    training = build(config, fake_data("ring"))
    recorder = Recorder(config.seeds, 1, config.batch)
    train(training, Clock(), 3, recorder)
    frame = recorder.collect()
    assert frame["d_updates"].to_list() == [1, 2, 3]
    for player in "DGRF":
        assert frame[f"loss_{player}"].null_count() == 0


DATA = fake_data("ring")


def test_the_order_of_play():
    moves = {
        play: ["".join(m) for m in build(configured("vral-meta", "adam", play=play), DATA).moves(0)]
        for play in PLAYS
    }
    assert moves == {
        "D-first": ["F", "R", "D", "G"],
        "G-first": ["G", "F", "R", "D"],
        "simultaneous": ["FRDG"],
    }


@pytest.mark.parametrize("ratio", ["2", "1:2", "3x5,1"])
def test_simultaneous_play_is_one_to_one(ratio):
    with pytest.raises(ConfigError, match=r"--play: simultaneous given.*--ratio 1$"):
        tiny("standard", play="simultaneous", ratio=ratio)


def test_a_transform_of_ones_own_follows_the_rule():
    """consensus followed by gradient descent of D and RMSProp of the others."""
    config = configured("standard", "consensus", transform="rmsprop", rule_d="sgd")
    opt = build(config, DATA).initial.opt
    assert opt["D"] == {}
    assert set(opt["G"]) == {"square"}
