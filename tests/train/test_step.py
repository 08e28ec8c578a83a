"""Lane i of a stacked step equals the single run of seed i; readings come with the step."""

import pytest
import torch
from cases import OPTIONS, double, fake_data, flat, lane, relative_gap, tiny

from vral.games.game import field
from vral.study.build import build
from vral.study.methods import METHODS
from vral.train.state import TrainState
from vral.train.step import PRECISIONS, make_step

SEEDS = (0, 1, 2, 3, 4)

SINGLE_PRECISION = {
    **{name: (name, {}) for name in METHODS},
    "dcgan": ("nonsaturating", {"dataset": "cifar10", "batch": 4}),
    "mnist-conv": (
        "wgan-gp",
        {"dataset": "mnist", "network": "mnist-conv", "width": 4, "batch": 4, "norm_g": "batch"},
    ),
}

DOUBLE_PRECISION = {
    **OPTIONS,
    "mlp-group": ("nonsaturating", {"norm_d": "group", "norm_g": "group", "width": 32}),
    "mlp-batch": ("nonsaturating", {"norm_d": "batch", "norm_g": "batch"}),
    "dcgan-batch": ("vral-meta", {"dataset": "cifar10", "batch": 4, "norm_d": "batch"}),
    "dcgan-group-r1": ("r1", {"dataset": "cifar10", "batch": 4, "norm_d": "group"}),
}
"""Where a norm or a difference of means magnifies float32's rounding beyond 1e-6."""


class Gradients:
    """A rule whose new parameters *are* the gradients, so a step can be asked for them."""

    direction, draws = staticmethod(field), 1

    def init(self, profile):
        return {}

    def update(self, field, movers, profile, opt):
        gradients, aux = field(profile)
        return {**profile, **gradients}, opt, aux


def gradients_of(method: str, given: dict, seeds: tuple[int, ...], precise: bool = False):
    """Each player's gradient near the initial profile, moved by a little noise of every seed."""
    config = tiny(method, seeds=seeds, **given)
    training = build(config, fake_data(config.dataset, 40))
    state = training.initial
    if precise:
        state = TrainState(double(state.profile), double(state.opt))
    for params in state.profile.values():
        for value in params.values():
            for i, seed in enumerate(seeds):
                random = torch.Generator().manual_seed(seed)
                value[i] += 0.1 * torch.randn(value[i].shape, generator=random)
    found = {}
    for move, draw in training.stream.round(training.moves(0)):
        draw = double(draw) if precise else draw
        after, info = make_step(training.gan.losses, Gradients(), move, len(seeds))(state, draw)
        found[move[0]] = after.profile[move[0]], info, draw
    return found


def compare(method: str, given: dict, precise: bool, tolerance: float) -> None:
    stacked = gradients_of(method, given, SEEDS, precise)
    for i, seed in enumerate(SEEDS):
        for player, (gradient, info, draw) in gradients_of(method, given, (seed,), precise).items():
            gradients, infos, draws = stacked[player]
            for name, value in draw.items():
                assert torch.equal(draws[name][i], value[0])
            assert relative_gap(lane(gradients, i), lane(gradient, 0)) < tolerance, player
            for name, value in info.items():
                torch.testing.assert_close(infos[name][i], value[0], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", SINGLE_PRECISION)
def test_lane_i_is_the_single_run_of_seed_i(case):
    compare(*SINGLE_PRECISION[case], precise=False, tolerance=1e-6)


@pytest.mark.parametrize("case", DOUBLE_PRECISION)
def test_lane_i_is_the_single_run_of_seed_i_in_float64(case):
    compare(*DOUBLE_PRECISION[case], precise=True, tolerance=1e-12)


def test_lanes_differ_from_each_other():
    (gradient, _, draw) = gradients_of("nonsaturating", {}, SEEDS)["D"]
    for i in range(1, len(SEEDS)):
        assert relative_gap(lane(gradient, i), lane(gradient, 0)) > 0.01
        assert not torch.equal(draw["latent"][i], draw["latent"][0])


@pytest.mark.parametrize("method", ["nonsaturating", "vral-meta", "wgan-gp"])
def test_three_rounds_of_a_stack_stay_with_the_single_runs(method):
    def final(seeds):
        config = tiny(method, seeds=seeds, ratio="3")
        training = build(config, fake_data("digits"))
        state, infos = training.initial, []
        for number in range(3):
            for move, draw in training.stream.round(training.moves(number)):
                state, info = training.steps[move, True](state, draw)
                infos.append(info)
        return state, infos

    together, readings = final((7, 2, 5))
    for i, seed in enumerate((7, 2, 5)):
        alone, own = final((seed,))
        for player in alone.profile:
            gap = relative_gap(lane(together.profile[player], i), lane(alone.profile[player], 0))
            assert gap < 1e-5, player
        for ours, theirs in zip(readings, own, strict=True):
            assert ours.keys() == theirs.keys()
            for name, value in theirs.items():
                assert ours[name].shape == (3,)
                torch.testing.assert_close(ours[name][i], value[0], rtol=1e-4, atol=1e-5)


def test_a_move_of_one_player_leaves_the_others():
    training = build(tiny("vral-meta", seeds=(0, 1)), fake_data("digits"))
    for move, draw in training.stream.round(training.moves(0)):
        after, info = training.steps[move, True](training.initial, draw)
        assert f"loss_{move[0]}" in info
        for player, params in training.initial.profile.items():
            same = torch.equal(flat(after.profile[player]), flat(params))
            assert same == ((player,) != move)
            assert (after.opt[player]["count"] == 0) == ((player,) != move)


def test_readings_are_taken_before_the_update():
    training = build(tiny("nonsaturating", lr=0.5), fake_data("digits"))
    (move, draw) = next(iter(training.stream.round([("D",)])))
    after, info = training.steps[move, True](training.initial, draw)
    profile = lane(training.initial.profile, 0)
    scored = training.gan.score(profile, lane(draw, 0))
    torch.testing.assert_close(info["score_mean_real"][0], scored.score_real.mean())
    later = training.gan.score(lane(after.profile, 0), lane(draw, 0))
    assert (later.score_real.mean() - scored.score_real.mean()).abs() > 0.01


@pytest.mark.parametrize(("rule", "eps"), [({}, 3e-6), ({"rule": "adam:eps=1e-2"}, 1e-2)])
def test_the_gradient_reading_is_of_the_recorded_update(rule, eps):
    training = build(tiny("nonsaturating", **rule), fake_data("digits"))
    (move, draw) = next(iter(training.stream.round([("G",)])))
    _, info = training.steps[move, True](training.initial, draw)
    step = make_step(training.gan.losses, Gradients(), move, 1)
    gradient = flat(step(training.initial, draw)[0].profile["G"])
    torch.testing.assert_close(info["g_grad_rms"][0], gradient.square().mean().sqrt())
    shares = {size: (gradient.abs() < size).float().mean() for size in (3e-6, 1e-2)}
    assert shares[3e-6] < shares[1e-2]
    torch.testing.assert_close(info["g_grad_below_eps"][0], shares[eps])


def test_a_projection_acts_on_its_player_alone():
    training = build(tiny("vral-meta"), fake_data("digits"))
    halve = {"D": lambda params: {name: value / 2 for name, value in params.items()}}
    for move, draw in training.stream.round(training.moves(0)):
        plain, _ = make_step(training.gan.losses, training.rule, move, 1)(training.initial, draw)
        projected, _ = make_step(training.gan.losses, training.rule, move, 1, projections=halve)(
            training.initial, draw
        )
        factor = 0.5 if move == ("D",) else 1.0
        for player in plain.profile:
            own = factor if player == "D" else 1.0
            assert torch.equal(own * flat(plain.profile[player]), flat(projected.profile[player]))


def bf16_and_float32(method: str, other: str = "", **given):
    """D's gradients of one draw: in bf16, in float32, and in float32 of another game."""
    float32, bf16 = tiny(method, **given), tiny(method, precision="bf16", **given)
    different = tiny(other, **given) if other else tiny(method, **{**given, "r1": 5.0})
    steps, gradients = [], []
    for config in (bf16, float32, different):
        training = build(config, fake_data("digits"))
        precision = PRECISIONS[config.precision]("cpu")
        losses = training.gan.losses
        steps.append(make_step(losses, Gradients(), ("D",), 1, precision=precision))
        if not gradients:
            _, draw = next(iter(training.stream.round([("D",)])))
            draw["mix"] = torch.full((1, config.batch, 1, 1, 1), 0.5)
            state = training.initial
        after, info = steps[-1](state, draw)
        gradients.append(after.profile["D"])
        assert info["loss_D"].dtype == torch.float32
        assert {value.dtype for value in after.profile["D"].values()} == {torch.float32}
    return gradients


@pytest.mark.parametrize(
    ("method", "other"), [("lsgan", "hinge"), ("lsgan", ""), ("wgan-gp", "wgan")]
)
def test_bf16_rounds_the_gradients_of_the_same_game(method, other):
    """Within 3 %, where another objective's or another penalty's are at least 10 % away."""
    rounded, exact, different = bf16_and_float32(method, other)
    assert 1e-6 < relative_gap(rounded, exact) < 0.03
    assert relative_gap(different, exact) > 0.1
