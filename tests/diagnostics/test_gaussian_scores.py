"""The trade-off at VRAL's optimum: closed forms, quadrature, Monte Carlo, known values."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from vral.diagnostics.gaussian_scores import TRADE_OFF, at_optimum, from_scores
from vral.penalties import input_gradient

GAPS = [0.25, 1.0, 2.0, 3.5]
KNOWN = {
    1.0: {
        "auc": 0.760,
        "accuracy": 0.691,
        "total_variation": 0.383,
        "overlap": 0.617,
        "pushed_back": 0.159,
        "slope_per_gap": 1.0,
    },
    2.0: {"auc": 0.921, "accuracy": 0.841, "overlap": 0.317, "slope_per_gap": 0.25},
}
"""Of the specification: section 6, C3, and the answers, section 5."""


def integral(function, gap):
    """Over the line, in pieces at the means and midway, where a minimum or a maximum has a kink."""
    corners = [-14.0, 0.0, gap / 2, gap, gap + 14.0]
    return sum(quad(function, a, b, epsabs=1e-13, limit=200)[0] for a, b in pairwise(corners))


@pytest.mark.parametrize("gap", KNOWN)
def test_the_numbers_of_the_specification(gap):
    found = at_optimum(gap)
    assert found.keys() == TRADE_OFF.keys()
    for name, value in KNOWN[gap].items():
        assert round(float(found[name]), 3) == value


@pytest.mark.parametrize("gap", GAPS)
def test_closed_forms_are_integrals_of_the_two_densities(gap):
    fake, real = norm(0, 1), norm(gap, 1)

    def information(v):
        mixed = (fake.pdf(v) + real.pdf(v)) / 2
        return sum(p * np.log2(p / mixed) for p in (fake.pdf(v), real.pdf(v)) if p > 0) / 2

    wanted = {
        "auc": integral(lambda v: real.pdf(v) * fake.cdf(v), gap),
        "accuracy": integral(lambda v: max(fake.pdf(v), real.pdf(v)), gap) / 2,
        "total_variation": integral(lambda v: abs(fake.pdf(v) - real.pdf(v)), gap) / 2,
        "overlap": integral(lambda v: min(fake.pdf(v), real.pdf(v)), gap),
        "jensen_shannon": integral(information, gap),
        "pushed_back": quad(fake.pdf, gap, gap + 14)[0],
    }
    found = at_optimum(gap)
    for name, value in wanted.items():
        assert abs(found[name] - value) < 1e-9, name


@pytest.mark.parametrize("gap", GAPS)
def test_instruments_on_drawn_scores_agree(gap):
    random, n = np.random.default_rng(0), 40_000
    fake, real = random.standard_normal(n) - 1, random.standard_normal(n) - 1 + gap
    found, wanted = from_scores(real, fake, gap - 1, -1.0), at_optimum(gap)
    for name, value in found.items():
        assert abs(value - wanted[name]) < 0.015, name


def test_arrays_of_gaps_keep_their_shape():
    gaps = np.array([[0.5, 1.0], [2.0, 3.0]])
    found = at_optimum(gaps)
    for name in TRADE_OFF:
        assert found[name].shape == (2, 2)
        assert found[name][1, 0] == pytest.approx(float(at_optimum(2.0)[name]), abs=1e-14)


@pytest.mark.parametrize("turns", [1, 3])
def test_the_slope_of_gaussian_scores_is_at_least_its_bound(turns):
    """z winds Φ(z) ``turns`` times around [0, 1): scores stay N(0, 1), their slope grows.

    ∫ (turns · φ(z)/φ(s(z)))² φ(z) dz, with s the score, is 1 for one turn.
    """
    z = torch.distributions.Normal(0.0, 1.0).icdf(
        (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    )

    def score(latent):
        return torch.special.ndtri(torch.special.ndtr(latent[:, 0]) * turns % 1)

    scores = score(z[:, None])
    assert abs(scores.mean()) < 1e-3
    assert abs(scores.var() - 1) < 1e-3
    square = input_gradient(score, z[:, None]).square().mean()
    bound = at_optimum(1.0)["slope_per_gap"].item()
    assert square > bound - 1e-6
    assert (square < bound + 1e-6) == (turns == 1)
    # The same D and G per gap of 2 and of ½: the score is divided by the gap.
    for gap in (2.0, 0.5):
        per_gap = input_gradient(lambda x, d=gap: score(x) / d, z[:, None]).square().mean()
        assert per_gap > at_optimum(gap)["slope_per_gap"] - 1e-5


@pytest.mark.parametrize("sd", [0.3, 1.0, 2.0])
def test_what_the_scores_tell_depends_on_the_gap_in_standard_deviations(sd):
    """AUC = Φ(d/√2) with d = gap/sd, so the bound per gap is 1/(2 Φ⁻¹(AUC)²) at any variance."""
    quantiles = norm.ppf((np.arange(4000) + 0.5) / 4000)
    fake, real = sd * quantiles, 1 + sd * quantiles
    seen = from_scores(real, fake, 1.0, 0.0)["auc"]
    assert seen == pytest.approx(float(at_optimum(1 / sd)["auc"]), abs=1e-4)
    if seen < 0.99:
        assert sd**2 == pytest.approx(1 / (2 * norm.ppf(seen) ** 2), rel=1e-2)
        assert sd**2 == pytest.approx(float(at_optimum(1 / sd)["slope_per_gap"]), rel=1e-12)


def test_real_and_fake_are_not_mixed_up():
    real, fake = np.array([0.6, 2.0, 0.4, 0.9]), np.array([-1.0, 0.2, 1.5, 0.3])
    found = from_scores(real, fake, 1.0, 0.0)
    assert found["accuracy"] == (3 / 4 + 3 / 4) / 2
    assert found["pushed_back"] == 1 / 4
    assert found["auc"] == (4 * 3 + 1) / 16  # 1.5 lies above all but 2.0
