import math

import numpy as np
import pytest
import torch
from oracles import (
    backward_parzen_divergence,
    backward_parzen_variance,
    finite_difference,
    forward_parzen_variance,
    gaussian_kl,
    normal_quantiles,
)
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from sklearn.neighbors import KernelDensity

from vral.parzen import backward_kl, forward_kl, gaussian_log_density, log_density

NORMAL = normal_quantiles(1000)
MANY = normal_quantiles(8000)


def draw(count, seed=0):
    return torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("bandwidth", [0.05, 0.3, 1.0, 2.5])
def test_density_is_scikit_learns(bandwidth):
    points, scores = 3 * draw(40), draw(64, 1)
    exact = KernelDensity(bandwidth=bandwidth, leaf_size=64, rtol=0, atol=0)
    expected = exact.fit(scores[:, None]).score_samples(points[:, None])
    density = log_density(points, scores, bandwidth)
    np.testing.assert_allclose(density, expected, rtol=1e-10)


@pytest.mark.parametrize("bandwidth", [0.05, 0.3, 1.0])
def test_density_of_a_single_score_is_a_gaussian(bandwidth):
    points = torch.linspace(-50, 50, 41, dtype=torch.float64)
    expected = norm(loc=0.7, scale=bandwidth).logpdf(points)
    score = torch.tensor([0.7], dtype=torch.float64)
    np.testing.assert_allclose(log_density(points, score, bandwidth), expected, rtol=1e-12)


@pytest.mark.parametrize("bandwidth", [0.2, 1.0])
def test_density_integrates_to_one(bandwidth):
    points = torch.linspace(-15, 15, 6001, dtype=torch.float64)
    mass = torch.trapezoid(log_density(points, draw(30), bandwidth).exp(), points)
    np.testing.assert_allclose(mass, 1, rtol=1e-10)


@pytest.mark.parametrize("mean", [-1.0, 0.0, 1.0])
def test_target_density_is_scipys(mean):
    points = 4 * draw(20)
    expected = norm(loc=mean).logpdf(points)
    np.testing.assert_allclose(gaussian_log_density(points, mean), expected, rtol=1e-12)


@pytest.mark.parametrize("mean", [0.0, 1.0])
@pytest.mark.parametrize("bandwidth", [1.0, 0.5])
def test_forward_divergence_of_a_collapsed_class_is_a_gaussian_kl(bandwidth, mean):
    scores = torch.full((8,), 0.4, dtype=torch.float64)
    value = forward_kl(scores, NORMAL + mean, mean, bandwidth).item()
    np.testing.assert_allclose(value, gaussian_kl(mean, 1, 0.4, bandwidth**2), rtol=1e-10)


@pytest.mark.parametrize("sd", [0.8, 1.0, 1.4])
@pytest.mark.parametrize("bandwidth", [1.0, 0.7, 0.5])
def test_forward_divergence_of_many_scores_is_the_kl_to_the_smoothed_gaussian(bandwidth, sd):
    value = forward_kl(sd * MANY + 0.5, NORMAL + 1, 1.0, bandwidth).item()
    smoothed = gaussian_kl(1, 1, 0.5, sd**2 + bandwidth**2)
    np.testing.assert_allclose(value, smoothed, rtol=0, atol=1e-4)


@pytest.mark.parametrize("sd", [0.8, 1.0, 1.4])
@pytest.mark.parametrize("bandwidth", [1.0, 0.7, 0.5])
def test_backward_divergence_of_many_scores_is_the_closed_form(bandwidth, sd):
    value = backward_kl(sd * NORMAL + 0.5, 1.0, bandwidth).item()
    expected = backward_parzen_divergence(0.5, sd**2, 1, bandwidth)
    np.testing.assert_allclose(value, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("sd", [1.0, 1.4])
def test_forward_divergence_tends_to_the_gaussian_kl_as_the_window_narrows(sd):
    values = [forward_kl(sd * MANY + 0.5, NORMAL + 1, 1.0, h).item() for h in (0.4, 0.2, 0.1)]
    errors = np.abs(np.array(values) - gaussian_kl(1, 1, 0.5, sd**2))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 2e-3


@pytest.mark.parametrize("sd", [0.8, 1.0, 1.4])
def test_backward_divergence_tends_to_the_other_gaussian_kl_as_the_window_narrows(sd):
    values = [backward_kl(sd * NORMAL + 0.5, 1.0, h).item() for h in (0.8, 0.4, 0.2)]
    errors = np.abs(np.array(values) - gaussian_kl(0.5, sd**2, 1, 1))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-3


@pytest.mark.parametrize("mean", [0.0, 1.0])
@pytest.mark.parametrize("bandwidth", [1.0, 0.7, 0.5])
def test_forward_optimum_has_variance_one_minus_bandwidth_squared(bandwidth, mean):
    def divergence(sd):
        return forward_kl(sd * NORMAL + mean, NORMAL + mean, mean, bandwidth).item()

    best = minimize_scalar(divergence, bounds=(0, 2), method="bounded", options={"xatol": 1e-6})
    expected = forward_parzen_variance(bandwidth)
    np.testing.assert_allclose(best.x**2, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("mean", [0.0, 1.0])
@pytest.mark.parametrize(("bandwidth", "variance"), [(1.0, 0.618034), (0.7, None), (0.5, 0.957107)])
def test_backward_optimum_has_the_golden_variance(bandwidth, variance, mean):
    def divergence(sd):
        return backward_kl(sd * NORMAL + mean, mean, bandwidth).item()

    best = minimize_scalar(divergence, bounds=(0, 2), method="bounded", options={"xatol": 1e-6})
    expected = backward_parzen_variance(bandwidth)
    assert variance is None or abs(expected - variance) < 1e-6
    np.testing.assert_allclose(best.x**2, expected, rtol=0, atol=1e-3)


def settled_variance(divergence):
    """Variance of 64 free particles at a minimum of ``divergence``."""
    scores = normal_quantiles(64).clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [scores], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe"
    )

    def loss():
        optimiser.zero_grad()
        value = divergence(scores)
        value.backward()
        return value

    optimiser.step(loss)
    return scores.detach().var(correction=0).item()


@pytest.mark.parametrize(("bandwidth", "variance"), [(1.0, 0.0), (0.7, 0.51), (0.5, 0.75)])
def test_free_scores_settle_at_the_forward_variance(bandwidth, variance):
    settled = settled_variance(lambda s: forward_kl(s, NORMAL, 0.0, bandwidth))
    np.testing.assert_allclose(settled, variance, rtol=0, atol=0.01)


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_the_window_of_a_score_itself_keeps_the_backward_form_bounded(mean):
    apart = 1e3 * torch.arange(4, dtype=torch.float64) + mean
    isolated = -math.log(4 * 0.3 * math.sqrt(2 * math.pi))  # log density at its own score alone
    cross_entropy = 0.5 * math.log(2 * math.pi) + 0.5e6 * (0 + 1 + 4 + 9) / 4
    value = backward_kl(apart, mean, 0.3).item()
    np.testing.assert_allclose(value, isolated + cross_entropy, rtol=1e-12)


@pytest.mark.parametrize("bandwidth", [1.0, 0.3])
def test_gradients_agree_with_finite_differences(bandwidth):
    scores, targets = draw(6), draw(9, 1) + 1
    for divergence in (
        lambda s: forward_kl(s, targets, 1.0, bandwidth),
        lambda s: backward_kl(s, 1.0, bandwidth),
    ):
        gradient = torch.func.grad(divergence)(scores)
        torch.testing.assert_close(
            gradient, finite_difference(divergence, scores), rtol=1e-6, atol=1e-9
        )


def test_far_scores_keep_a_finite_gradient_in_float32():
    scores, targets = torch.tensor([1000.0]), torch.tensor([0.0, 2.0])
    gradient, value = torch.func.grad_and_value(lambda s: forward_kl(s, targets, 1.0, 0.3))(scores)
    assert value.isfinite()
    torch.testing.assert_close(gradient, torch.tensor([(1000.0 - 1) / 0.09]), rtol=1e-5, atol=0)


def test_divergences_ignore_the_order_of_the_scores():
    scores, targets = draw(10), draw(12, 1)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    for divergence in (
        lambda s: forward_kl(s, targets, 0.0, 0.5),
        lambda s: backward_kl(s, 0.0, 0.5),
    ):
        torch.testing.assert_close(divergence(scores), divergence(scores[order]))
