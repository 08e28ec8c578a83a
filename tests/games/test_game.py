"""The vector field: each player's gradient of its own loss, and nothing else."""

import pytest
import torch
from cases import OPTIONS, double, draws_of, flat, lane, precise, tiny

from vral.games.game import field
from vral.optim import TRANSFORMS, FirstOrder, Sgd
from vral.study.methods import METHODS
from vral.train.state import TrainState
from vral.train.step import make_step
from vral.types import map_tensors

CASES = {**{name: (name, {}) for name in METHODS}, **OPTIONS}

BILINEAR = {
    "x": lambda profile, draw: (profile["x"]["x"] * profile["y"]["y"], draw),
    "y": lambda profile, draw: (-profile["x"]["x"] * profile["y"]["y"], ()),
}


def _quadratic(profile, draw):
    x, y = profile["x"]["x"], profile["y"]["y"]
    return x**2 + 10 * x * y + y**2


QUADRATIC = {
    "x": lambda profile, draw: (_quadratic(profile, draw), ()),
    "y": lambda profile, draw: (-_quadratic(profile, draw), ()),
}


def point(x: float, y: float) -> dict:
    return double({"x": {"x": torch.tensor(x)}, "y": {"y": torch.tensor(y)}})


POINTS = [(0.0, 0.0), (1.0, 0.0), (-2.0, 3.0), (0.5, -0.25)]


@pytest.mark.parametrize(("x", "y"), POINTS)
def test_quadratic_field_in_closed_form(x, y):
    gradients, outcomes = field(QUADRATIC, ("x", "y"), point(x, y), {})
    assert gradients["x"]["x"].item() == 2 * x + 10 * y
    assert gradients["y"]["y"].item() == -(10 * x + 2 * y)
    assert outcomes["x"][0].item() == x**2 + 10 * x * y + y**2 == -outcomes["y"][0].item()


@pytest.mark.parametrize(("x", "y"), POINTS)
def test_bilinear_field_is_a_rotation(x, y):
    seen = torch.ones(3)
    gradients, outcomes = field(BILINEAR, ("x", "y"), point(x, y), {"seen": seen})
    assert gradients["x"]["x"].item() == y
    assert gradients["y"]["y"].item() == -x
    assert torch.equal(outcomes["x"][1]["seen"], seen)


@pytest.mark.parametrize("mover", ["x", "y"])
def test_only_movers_have_a_gradient(mover):
    gradients, outcomes = field(QUADRATIC, (mover,), point(1.0, 2.0), {})
    assert set(gradients) == set(outcomes) == {mover}


@pytest.mark.parametrize("rule", TRANSFORMS)
@pytest.mark.parametrize("mover", ["x", "y"])
def test_a_move_changes_nobody_else(rule, mover):
    transform = TRANSFORMS[rule](lr=0.1)
    rule = FirstOrder({"x": transform, "y": transform})
    profile = map_tensors(lambda t: t[None], point(1.0, 2.0))
    state = TrainState(profile, rule.init(profile))
    after, _ = make_step(QUADRATIC, rule, (mover,), 1)(state, {})
    other = {"x": "y", "y": "x"}[mover]
    assert torch.equal(after.profile[other][other], profile[other][other])
    assert flat(after.profile[mover]) != flat(profile[mover])
    assert str(after.opt[other]) == str(state.opt[other])


def test_simultaneous_gradient_descent_leaves_the_bilinear_equilibrium():
    """|(x, y)|² grows by exactly 1 + lr² an update (simultaneous), and not when alternating."""
    lr = 0.1
    rule = FirstOrder({"x": Sgd(lr), "y": Sgd(lr)})
    profile = map_tensors(lambda t: t[None], point(3.0, 4.0))
    state = TrainState(profile, rule.init(profile))
    together = make_step(BILINEAR, rule, ("x", "y"), 1)
    for i in range(1, 6):
        state, _ = together(state, {})
        size = sum(flat(p).square() for p in state.profile.values())
        torch.testing.assert_close(size.item(), 25 * (1 + lr**2) ** i, rtol=1e-12, atol=0)
    # Alternating conserves x² + y² - lr·x·y.
    state = TrainState(profile, rule.init(profile))
    for _ in range(50):
        for player in ("x", "y"):
            state, _ = make_step(BILINEAR, rule, (player,), 1)(state, {})
        x, y = flat(state.profile["x"]).item(), flat(state.profile["y"]).item()
        assert abs(x**2 + y**2 - lr * x * y - (25 - lr * 12)) < 1e-10


def _directional(loss, profile, player, direction, step=2e-7):
    """Fourth-order central difference of a player's loss along a direction of its own."""

    def at(distance):
        moved = {
            name: value + distance * direction[name] for name, value in profile[player].items()
        }
        return loss({**profile, player: moved}).item()

    near, far = at(step) - at(-step), at(2 * step) - at(-2 * step)
    return (8 * near - far) / (12 * step)


@pytest.mark.parametrize("case", CASES)
def test_field_equals_finite_differences(case):
    method, given = CASES[case]
    training, state = precise(tiny(method, **given))
    draws = {move: lane(draw, 0) for move, draw in draws_of(training, 1)}
    # Off the initial point: there biases are zero and F equals R's law.
    shift = torch.Generator().manual_seed(0)

    def nearby(t):
        return t + 0.1 * torch.randn(t.shape, generator=shift, dtype=t.dtype)

    profile = map_tensors(nearby, lane(state.profile, 0))
    for (player,), draw in draws.items():
        gradients, outcomes = field(training.gan.losses, (player,), profile, draw)
        assert set(gradients) == {player}
        assert outcomes[player][0].shape == ()
        for _ in range(2):
            direction = map_tensors(
                lambda t: torch.randn(t.shape, generator=shift, dtype=t.dtype), profile[player]
            )
            for name in direction:  # constants to every loss
                if name.endswith((".left", ".right")):
                    direction[name] = torch.zeros_like(direction[name])
            wanted = _directional(
                lambda p, player=player, draw=draw: training.gan.losses[player](p, draw)[0],
                profile,
                player,
                direction,
            )
            got = (flat(gradients[player]) * flat(direction)).sum().item()
            size = torch.linalg.vector_norm(flat(gradients[player])).item()
            assert abs(got - wanted) < 1e-6 * max(1.0, size), player


@pytest.mark.parametrize("method", ["standard", "vral-meta"])
def test_movers_together_have_the_gradients_they_have_alone(method):
    training, state = precise(tiny(method))
    draw = {}
    for _, own in draws_of(training, 1):
        draw |= lane(own, 0)
    profile, players = lane(state.profile, 0), tuple(training.gan.losses)
    together, _ = field(training.gan.losses, players, profile, draw)
    for player in players:
        alone, _ = field(training.gan.losses, (player,), profile, draw)
        assert torch.equal(flat(alone[player]), flat(together[player]))
