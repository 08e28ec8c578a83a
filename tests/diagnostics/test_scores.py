import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, norm
from sklearn.metrics import roc_auc_score

from vral.diagnostics.scores import auc, ks_distance, overlap, score_statistics

FEW = st.lists(st.integers(-4, 4), min_size=1, max_size=12).map(np.float64)


def quantiles(count, mean=0.0, sd=1.0):
    return norm(mean, sd).ppf((np.arange(count) + 0.5) / count)


@pytest.mark.parametrize(
    ("real", "fake", "value"),
    [
        ([2, 3], [0, 1], 1.0),
        ([0, 1], [2, 3], 0.0),
        ([1, 1], [1, 1], 0.5),
        ([1, 2], [1, 0], 0.875),  # of four pairs three are won and one is tied
        ([0.1, 0.4, 0.35, 0.8], [0.2], 0.75),
    ],
)
def test_auc_by_hand(real, fake, value):
    assert auc(np.float64(real), np.float64(fake)) == value


@given(FEW, FEW)
def test_auc_is_the_share_of_pairs_won_with_ties_counted_half(real, fake):
    pairs = real[:, None] - fake
    expected = (pairs > 0).mean() + (pairs == 0).mean() / 2
    np.testing.assert_allclose(auc(real, fake), expected, rtol=0, atol=1e-12)
    labels = np.r_[np.ones(len(real)), np.zeros(len(fake))]
    np.testing.assert_allclose(auc(real, fake), roc_auc_score(labels, np.r_[real, fake]))


def test_auc_of_unit_gaussians_one_apart():
    value = auc(quantiles(2000, 1), quantiles(2000))
    np.testing.assert_allclose(value, norm.cdf(1 / np.sqrt(2)), rtol=0, atol=1e-4)  # 0.760


@pytest.mark.parametrize("mean", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize(
    ("scores", "value"),
    [
        ([0.0], 0.5),
        ([100.0], 1.0),
        ([-100.0, 100.0], 0.5),
        ([0.0, 0.0, 0.0, 50.0], 0.5),
        ([-1.0, 1.0], 0.5 - norm.cdf(-1)),
    ],
)
def test_ks_distance_by_hand(scores, value, mean):
    np.testing.assert_allclose(ks_distance(np.array(scores) + mean, mean), value, rtol=1e-12)


@given(FEW, st.sampled_from([-1.0, 0.0, 1.0]))
def test_ks_distance_is_the_largest_gap_of_the_distribution_functions(scores, mean):
    ordered, n = np.sort(scores), len(scores)
    cdf = norm(mean).cdf(ordered)
    gaps = np.r_[np.arange(1, n + 1) / n - cdf, cdf - np.arange(n) / n]
    value = ks_distance(scores, mean)
    np.testing.assert_allclose(value, gaps.max(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(value, kstest(scores - mean, "norm").statistic, atol=1e-12)


def test_ks_distance_is_nothing_for_the_gaussian_and_large_for_its_neighbour():
    assert ks_distance(quantiles(1000, 1), 1.0) < 1e-3
    expected = 2 * norm.cdf(0.5) - 1  # the two distribution functions halfway
    np.testing.assert_allclose(ks_distance(quantiles(1000), 1.0), expected, rtol=0, atol=1e-3)


def test_overlap_of_unit_gaussians_one_apart():
    value = overlap(quantiles(100_000), quantiles(100_000, 1))
    np.testing.assert_allclose(value, 2 * norm.cdf(-0.5), rtol=0, atol=5e-3)  # 0.617


@pytest.mark.parametrize("gap", [2.0, 4.0])
def test_overlap_of_gaussians_further_apart(gap):
    value = overlap(quantiles(100_000), quantiles(100_000, gap))
    np.testing.assert_allclose(value, 2 * norm.cdf(-gap / 2), rtol=0, atol=1e-2)


def test_overlap_of_disjoint_scores_is_zero_and_of_equal_ones_one():
    scores = quantiles(500)
    assert overlap(scores, scores + 10) == 0
    assert overlap(scores, scores[::-1]) == 1
    assert overlap(np.full(5, 0.3), np.full(7, 0.3)) == 1
    assert overlap(np.zeros(5), np.ones(5)) == 0


def test_overlap_counts_shares_not_scores():
    real, fake = np.repeat([0.0, 1.0], [1, 3]), np.repeat([0.0, 1.0], [20, 20])
    assert overlap(real, fake) == 0.25 + 0.5
    assert overlap(fake, real) == 0.75


@given(st.floats(0.1, 10), st.floats(-5, 5))
def test_overlap_does_not_depend_on_the_unit_of_the_scores(unit, shift):
    real, fake = quantiles(1000), quantiles(1000, 1.3)
    value = overlap(unit * real + shift, unit * fake + shift)
    np.testing.assert_allclose(value, overlap(real, fake), rtol=0, atol=5e-3)  # rounding at edges


def test_score_statistics_keep_real_before_fake():
    real, fake = np.array([0.0, 4.0]), np.array([-1.0, 0.0, 1.0, -4.0])
    row = score_statistics(real, fake, 1.0, -2.0)
    assert row == {
        "auc": auc(real, fake),
        "ks_real": ks_distance(real, 1.0),
        "ks_fake": ks_distance(fake, -2.0),
        "overlap": overlap(real, fake),
        "held_out_mean_real": 2,
        "held_out_mean_fake": -1,
        "held_out_var_real": 4,
        "held_out_var_fake": 3.5,
    }
    assert row["auc"] == 0.8125
    assert all(type(value) is float for value in row.values())


def test_score_statistics_take_the_scores_of_any_module_with_their_graph():
    critic = torch.nn.Linear(2, 1)
    samples = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    real, fake = critic(samples + 1), critic(samples)
    row = score_statistics(real, fake)
    plain = score_statistics(*(s.detach().numpy().ravel() for s in (real, fake)), 1.0, 0.0)
    assert row == plain
    assert row["held_out_var_real"] == pytest.approx(real.var(correction=0).item(), rel=1e-5)
