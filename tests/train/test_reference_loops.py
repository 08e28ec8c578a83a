"""Every method against a plain in-place loop with its own formulas, on the same draws."""

import pytest
import torch
from cases import OPTIONS, PLAIN_METHODS, PlainLoop, draws_of, flat, lane, precise, tiny

from vral.study.methods import METHODS

ROUNDS, K = 3, 3

CASES = {**{name: (name, {}) for name in METHODS}, **OPTIONS}


def trained(config) -> tuple[dict, dict, dict, dict]:
    """The profile before and after ROUNDS rounds, the averages, and the draws by player."""
    training, state = precise(config)
    initial, moves = lane(state.profile, 0), draws_of(training, ROUNDS)
    for i, (move, draw) in enumerate(moves):
        state, _ = training.steps[move, i % 2 == 0](state, draw)
    draws = {
        player: [lane(draw, 0) for move, draw in moves if move == (player,)]
        for player in state.profile
    }
    return initial, lane(state.profile, 0), lane(state.averages, 0), draws


def test_every_method_has_a_plain_loop():
    assert sorted(PLAIN_METHODS) == sorted(METHODS)


@pytest.mark.parametrize("case", CASES)
def test_equals_the_plain_loop(case):
    method, given = CASES[case]
    config = tiny(method, ratio=str(K), **given)
    initial, final, averages, draws = trained(config)
    plain = PlainLoop(method, config.model_dump(), initial, (1, 8, 8))
    streams = {player: iter(own) for player, own in draws.items()}
    plain.train(ROUNDS, K, streams)
    assert all(next(stream, None) is None for stream in streams.values())
    assert list(averages) == (["G"] if config.ema_g else [])
    for player in averages:
        expected = torch.cat([p.data.flatten() for p in plain.average.module.parameters()])
        torch.testing.assert_close(flat(averages[player]), expected, rtol=1e-9, atol=1e-9)
        assert torch.linalg.vector_norm(expected - flat(initial[player])) > 1e-4
        assert torch.linalg.vector_norm(expected - flat(final[player])) > 1e-4
    for player in plain.players:
        expected = torch.cat([p.data.flatten() for p in plain.tensors(player)])
        torch.testing.assert_close(flat(final[player]), expected, rtol=1e-9, atol=1e-9)
        moved = torch.linalg.vector_norm(expected - flat(initial[player]))
        if player == "G" and config.generator == "held":
            assert moved == 0
        else:
            assert moved > 1e-4, f"{player} did not move, so the comparison says nothing"


def test_a_step_leaves_its_input_alone():
    training, state = precise(tiny("vral-meta"))
    before = {player: flat(params).clone() for player, params in state.profile.items()}
    counts = {player: opt["count"].clone() for player, opt in state.opt.items()}
    for move, draw in draws_of(training, 1):
        training.steps[move, True](state, draw)
    assert all(torch.equal(flat(state.profile[player]), before[player]) for player in before)
    assert all(torch.equal(state.opt[player]["count"], counts[player]) for player in counts)


def test_readings_do_not_change_the_update():
    training, state = precise(tiny("wgan-gp"))
    for move, draw in draws_of(training, 1):
        plain, _ = training.steps[move, False](state, draw)
        read, _ = training.steps[move, True](state, draw)
        for player in state.profile:
            assert torch.equal(flat(plain.profile[player]), flat(read.profile[player]))


def test_clipping_holds_after_every_update_and_spares_biases():
    training, state = precise(tiny("wgan", clip=0.01, lr=0.05))
    for move, draw in draws_of(training, 2):
        state, _ = training.steps[move, False](state, draw)
        if move == ("D",):
            for value in lane(state.profile["D"], 0).values():
                if value.ndim >= 2:
                    assert value.abs().max() == 0.01
    biases = [v for v in lane(state.profile["D"], 0).values() if v.ndim < 2]
    assert max(value.abs().max() for value in biases) > 0.02
