"""VRAL as a game of scores: closed forms against autograd on VRAL's own losses, and the map."""

import numpy as np
import pytest

from vral.diagnostics.linearise import field_map, jacobian, update_map
from vral.dynamics import score_game
from vral.dynamics.score_game import MODES, affine_scores
from vral.optim import FirstOrder, Sgd

SETTINGS = [
    (0.0, 0.3, 0.2, 1),
    (0.0, 0.1, 0.05, 7),
    (0.4, 0.2, 0.1, 3),
    (2.0, 0.05, 0.3, 1),
]
"""Penalty, steps of M and D, steps of M a round; ringing and overdamped ones."""


def in_order(values):
    """Sorted by what rounding leaves as it is."""
    return np.sort_complex(np.round(np.asarray(values).ravel(), 10))


def linearised_round(toy, moves, step_meta, step_d):
    rule = FirstOrder({"F": Sgd(step_meta), "D": Sgd(step_d)})
    opt = rule.init(toy.start)
    return np.linalg.eigvals(
        jacobian(update_map(toy.game, rule, moves, toy.start, opt, toy.draw))
    )


@pytest.mark.parametrize("minimax", [False, True])
@pytest.mark.parametrize(("penalty", "step_meta", "step_d", "steps"), SETTINGS)
def test_eigenvalues_are_those_of_vral_s_own_losses(penalty, step_meta, step_d, steps, minimax):
    """Of the flow, of n steps of F a step of D, and of simultaneous steps; at any mean."""
    toy = affine_scores(0.7, penalty, minimax)
    degrees = np.array(list(MODES.values()))
    moves = (*[("F",)] * steps, ("D",))
    got = linearised_round(toy, moves, step_meta, step_d)
    wanted = score_game.played(degrees, penalty, step_meta, step_d, steps)
    np.testing.assert_allclose(in_order(got), in_order(wanted), atol=1e-8)
    together = linearised_round(toy, [("F", "D")], step_meta, step_d)
    wanted = score_game.simultaneous(degrees, penalty, step_meta, step_d)
    np.testing.assert_allclose(in_order(together), in_order(wanted), atol=1e-8)
    flow = np.linalg.eigvals(jacobian(field_map(toy.game, toy.start, toy.draw)))
    wanted = score_game.flow(degrees, penalty, 1.0, 1.0)
    np.testing.assert_allclose(in_order(flow), in_order(wanted), atol=1e-8)


def test_the_optimum_is_at_rest():
    toy = affine_scores(-1.0, 0.3)
    assert field_map(toy.game, toy.start, toy.draw).residual < 1e-14


@pytest.mark.parametrize("k", MODES.values())
@pytest.mark.parametrize(("step_meta", "step_d"), [(0.02, 0.05), (0.001, 0.2), (0.1, 0.3)])
def test_the_critical_penalty_ends_the_ringing_and_decays_fastest(k, step_meta, step_d):
    """Just below it the eigenvalues are a pair, just above both are real; both decay slower."""
    at = score_game.critical_penalty(k, step_meta, step_d)
    assert at > 0
    below, here, above = (
        score_game.played(k, at * f, step_meta, step_d) for f in (0.99, 1.0, 1.01)
    )
    assert np.abs(below.imag).max() > 1e-4
    assert np.abs(here.imag).max() < 1e-6
    assert np.abs(above.imag).max() == 0
    assert score_game.decay(here) > max(map(score_game.decay, (below, above)))


@pytest.mark.parametrize("k", MODES.values())
@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_the_critical_number_of_steps_ends_the_ringing(k, penalty):
    step_meta, step_d = 0.01, 0.05
    at = float(score_game.critical_steps(k, penalty, step_meta, step_d))
    assert at > 2
    rings = [
        np.abs(score_game.played(k, penalty, step_meta, step_d, n).imag).max() > 0
        for n in range(1, 40)
    ]
    assert rings == [n < at for n in range(1, 40)]


def test_to_first_order_n_steps_are_one_step_n_times_as_long():
    small = 1e-5
    degrees = np.array([1, 2])
    apart = score_game.played(degrees, 0.2, small, small, 8)
    long = 1 + score_game.flow(degrees, 0.2, 8 * small, small)
    np.testing.assert_allclose((apart - 1) / small, (long - 1) / small, rtol=1e-3)
    n = score_game.critical_steps(degrees, 0.0, small, 8 * small)
    np.testing.assert_allclose(n, 4 * degrees * 8, rtol=1e-3)


def test_alternating_rounds_are_stable_where_simultaneous_steps_grow():
    """At w > a; to forget nothing is to stay on the unit circle, as the Dirac-GAN does."""
    step_meta, step_d, penalty = 0.2, 2.4, 0.0
    together = score_game.simultaneous(1, penalty, step_meta, step_d)
    apart = score_game.played(1, penalty, step_meta, step_d)
    assert np.abs(together).max() > 1 > np.abs(apart).max()
    np.testing.assert_allclose(np.abs(apart) ** 2, 1 - step_meta / 2)
    assert score_game.decay(apart) == pytest.approx(-np.log(1 - step_meta / 2) / 2)
