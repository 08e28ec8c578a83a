import numpy as np
import pytest
import torch
from oracles import OBJECTIVE_CURVES, PAIRED_CURVES

from vral.games.gan import objective_loss, own_loss
from vral.objectives import OBJECTIVES, PAIRED
from vral.types import Scored

PLAYERS = ("real", "fake", "generator")
CURVES = [(name, player) for name in OBJECTIVES for player in PLAYERS]
SCORES = np.array([-60, -30, -20.5, -7, -1.5, -0.99, -0.1, 0, 0.3, 0.99, 1.5, 6, 19.9, 30, 60.0])
LINEAR_TAIL = 3e-9
"""torch's softplus is exactly linear above 20, which leaves out e⁻²⁰ ≈ 2e-9 of the slope."""


def value_and_slope(function, scores):
    scores = scores.clone().requires_grad_()
    value = function(scores)
    (slope,) = torch.autograd.grad(value.sum(), scores)
    return value.detach().numpy(), slope.numpy()


def test_every_objective_has_an_oracle_and_no_oracle_is_left_over():
    assert set(OBJECTIVE_CURVES) == set(OBJECTIVES)
    assert set(PAIRED_CURVES) == set(PAIRED)


@pytest.mark.parametrize("name", PAIRED)
@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_a_pairs_value_and_slope_are_the_closed_form(name, player):
    value, slope = value_and_slope(getattr(PAIRED[name], player), torch.from_numpy(SCORES))
    oracle = PAIRED_CURVES[name][player]
    np.testing.assert_allclose(value, oracle.value(SCORES), rtol=LINEAR_TAIL)
    np.testing.assert_allclose(slope, oracle.slope(SCORES), rtol=LINEAR_TAIL)


def test_a_relativistic_pair_sees_differences_of_its_own_sample_alone():
    """By hand: D has ½(log(1 + e⁻²) + log(1 + e³)), G the same of -2 and 3; both know no level."""
    real, fake = torch.tensor([1.0, -1.0]).double(), torch.tensor([-1.0, 2.0]).double()
    objective = PAIRED["relativistic"]
    for level in (0.0, 50.0):
        scored = Scored(real, fake, real + level, fake + level)
        of_d = objective_loss(objective)({}, scored, {})
        of_g = own_loss(objective)(real + level, fake + level)
        np.testing.assert_allclose(of_d, np.log1p(np.exp([-2.0, 3.0])).mean(), rtol=1e-12)
        np.testing.assert_allclose(of_g, np.log1p(np.exp([2.0, -3.0])).mean(), rtol=1e-12)


@pytest.mark.parametrize(("name", "player"), CURVES)
def test_value_and_slope_are_the_closed_form(name, player):
    value, slope = value_and_slope(getattr(OBJECTIVES[name], player), torch.from_numpy(SCORES))
    oracle = OBJECTIVE_CURVES[name][player]
    np.testing.assert_allclose(value, oracle.value(SCORES), rtol=LINEAR_TAIL)
    np.testing.assert_allclose(slope, oracle.slope(SCORES), rtol=LINEAR_TAIL)


@pytest.mark.parametrize(("name", "player"), CURVES)
@pytest.mark.parametrize("score", [-60.0, -30.0, 30.0, 60.0])
def test_float32_keeps_the_slope_where_a_sigmoid_saturates(name, player, score):
    value, slope = value_and_slope(getattr(OBJECTIVES[name], player), torch.tensor([score]))
    oracle = OBJECTIVE_CURVES[name][player]
    np.testing.assert_allclose(value, oracle.value(np.array([score])), rtol=1e-5)
    np.testing.assert_allclose(slope, oracle.slope(np.array([score])), rtol=1e-5)


def test_minimax_generator_saturates_and_minus_log_d_does_not():
    score = torch.tensor([-30.0])
    saturating = value_and_slope(OBJECTIVES["standard"].generator, score)[1]
    np.testing.assert_allclose(saturating, -np.exp(-30.0), rtol=1e-5)
    assert value_and_slope(OBJECTIVES["nonsaturating"].generator, score)[1] == -1
    naive = value_and_slope(lambda s: -torch.log(torch.sigmoid(s) + 1e-8), score)[1]
    assert abs(naive) < 1e-4  # what an epsilon inside the logarithm would have made of that -1


@pytest.mark.parametrize(("name", "player"), CURVES)
def test_score_functions_act_elementwise(name, player):
    function = getattr(OBJECTIVES[name], player)
    scores = torch.linspace(-3, 3, 12, dtype=torch.float64).reshape(3, 4)
    one_by_one = torch.stack([function(s) for s in scores.flatten()]).reshape(3, 4)
    # Vectorised and scalar softplus differ in the last bit.
    torch.testing.assert_close(function(scores), one_by_one, rtol=1e-14, atol=0)


@pytest.mark.parametrize("name", ["standard", "nonsaturating", "bgan"])
def test_optimal_log_loss_is_two_log_two_minus_twice_jensen_shannon(name):
    real = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    fake = torch.tensor([0.1, 0.2, 0.7], dtype=torch.float64)
    middle = (real + fake) / 2
    divergence = ((real * (real / middle).log()).sum() + (fake * (fake / middle).log()).sum()) / 2
    optimal = (real / fake).log().requires_grad_()  # D* of Goodfellow et al., as a logit
    objective = OBJECTIVES[name]
    loss = (real * objective.real(optimal)).sum() + (fake * objective.fake(optimal)).sum()
    torch.testing.assert_close(loss, 2 * np.log(2) - 2 * divergence, rtol=1e-12, atol=0)
    (slope,) = torch.autograd.grad(loss, optimal)
    torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-15)


@pytest.mark.parametrize(("name", "fake_code"), [("lsgan", -1), ("lsgan-01", 0)])
def test_least_squares_optimum_is_the_mean_of_the_codes_by_density(name, fake_code):
    real, fake = torch.tensor([0.6, 0.4]).double(), torch.tensor([0.1, 0.9]).double()
    optimal = ((real + fake_code * fake) / (real + fake)).requires_grad_()
    objective = OBJECTIVES[name]
    loss = (real * objective.real(optimal)).sum() + (fake * objective.fake(optimal)).sum()
    (slope,) = torch.autograd.grad(loss, optimal)
    torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-15)
