"""Statistics of a verdict: by hand, against SciPy, and over simulated studies without effect."""

from dataclasses import replace
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import bootstrap, quantile_test, ttest_1samp

from vral.claims.catalogue import CLAIMS
from vral.claims.primary import as_families
from vral.claims.quantities import deviation
from vral.claims.verdict import Threshold, holm, judge, judgements, p_value
from vral.study.statistics import LEVEL, coverage, interval_name, median_interval

STUDIES = 1000


def test_the_interval_of_five_seeds_is_their_range():
    """A side of the median holds all five with probability 3.1 %, above 2.5 %."""
    assert tuple(map(float, median_interval(np.array([3.0, 1.0, 5.0, 2.0, 4.0])))) == (3, 1, 5)


@pytest.mark.parametrize("seeds", [6, 7, 8, 10, 11, 20])
def test_the_interval_is_scipys_exact_one_of_a_quantile(seeds):
    values = np.random.default_rng(0).standard_normal(seeds)
    ours = median_interval(values)
    theirs = quantile_test(values, q=0, p=0.5).confidence_interval(1 - LEVEL)
    assert tuple(map(float, ours)) == (float(np.median(values)), theirs.low, theirs.high)


@pytest.mark.parametrize("seeds", range(5, 13))
def test_an_interval_holds_the_median_as_often_as_its_name_says(seeds):
    """Of 40,000 skewed studies; the bootstrap's interval of seven seeds has 87.5 %."""
    values = np.exp(2 * np.random.default_rng(seeds).standard_normal((40_000, seeds)))
    _, low, high = median_interval(values)
    held = ((low <= 1) & (high >= 1)).mean()
    assert held == pytest.approx(coverage(seeds), abs=4 * (0.25 / 40_000) ** 0.5)
    assert coverage(seeds) >= 1 - LEVEL or seeds == 5


def test_an_interval_is_called_by_its_coverage():
    assert coverage(5) == 1 - 2 * 2**-5
    assert interval_name([5, 5]) == "93.75 % interval (5 seeds)"
    assert interval_name([10, 5]).endswith("(5 seeds) or 97.85 % interval (10 seeds)")
    assert interval_name([1]) == interval_name([]) == "interval"


def test_infinite_values_count_like_others():
    assert tuple(map(float, median_interval(np.array([1.0, 2.0, 3.0, inf, inf])))) == (3, 1, inf)
    assert tuple(map(float, median_interval(np.array([-inf] * 5)))) == (-inf, -inf, -inf)


def test_an_unknown_seed_widens_the_interval_to_both_sides():
    effect, low, high = map(float, median_interval(np.array([1.0, 2.0, 3.0, 4.0, nan])))
    assert (effect, low, high) == (2.5, -inf, inf)


def test_one_seed_has_no_interval():
    effect, low, high = map(float, median_interval(np.array([2.0])))
    assert effect == 2
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize(
    ("low", "high", "threshold", "judged"),
    [
        (2, 3, Threshold(low=2.0), "confirmed"),
        (1, 3, Threshold(low=2.0), "inconclusive"),
        (1, 1.9, Threshold(low=2.0), "refuted"),
        (1, 2, Threshold(high=2.0), "confirmed"),
        (2.1, 9, Threshold(high=2.0), "refuted"),
        (0.6, 1.4, Threshold(0.5, 1.5), "confirmed"),
        (0.4, 1.4, Threshold(0.5, 1.5), "inconclusive"),
        (0.1, 0.4, Threshold(0.5, 1.5), "refuted"),
        (1.6, inf, Threshold(0.5, 1.5), "refuted"),
        (0.1, 9, Threshold(0.5, 1.5), "inconclusive"),
        (nan, nan, Threshold(low=2.0), "inconclusive"),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(low, high, threshold, judged):
    assert judgements(np.array(low), np.array(high), 5, threshold).item() == judged


def test_fewer_than_five_seeds_decide_nothing():
    claim = CLAIMS["C7.frechet"]
    for seeds, judged in ((1, "inconclusive"), (4, "inconclusive"), (5, "confirmed")):
        values = dict.fromkeys(range(seeds), 0.1)
        assert judge(claim, values, "digits", Path()).verdict == judged


# ---- a null effect: the true median lies at the threshold ------------------------------------


def centred(rng: np.random.Generator, seeds: int):
    """(STUDIES, seeds) of laws with median 1."""
    shape = (STUDIES, seeds)
    return {
        "normal": 1 + 0.2 * rng.standard_normal(shape),
        "lognormal": np.exp(2 * rng.standard_normal(shape)),
        "quotient of arms": np.exp(rng.standard_normal(shape) - rng.standard_normal(shape)),
        "Cauchy": 1 + rng.standard_cauchy(shape),
    }


@pytest.mark.parametrize("seeds", [5, 6, 10])
@pytest.mark.parametrize("law", ["normal", "lognormal", "quotient of arms", "Cauchy"])
@pytest.mark.parametrize("threshold", [Threshold(low=1.0), Threshold(high=1.0)])
def test_a_null_effect_is_confirmed_at_most_at_the_nominal_rate(seeds, law, threshold):
    values = centred(np.random.default_rng(seeds), seeds)[law]
    judged = judgements(*median_interval(values)[1:], seeds, threshold)
    assert (judged == "confirmed").mean() <= LEVEL
    assert (judged != "inconclusive").mean() <= 2 * LEVEL


def test_with_five_seeds_the_rate_is_one_in_thirty_two():
    values = centred(np.random.default_rng(0), 5)["lognormal"]
    judged = judgements(*median_interval(values)[1:], 5, Threshold(low=1.0))
    exact = (values > 1).all(1)  # probability 2⁻⁵
    np.testing.assert_array_equal(judged == "confirmed", exact)


@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("law", ["normal", "gamma", "lognormal"])
def test_a_null_spread_is_confirmed_at_most_at_the_nominal_rate(seeds, law):
    """The coefficient of variation is 0.5, as C5.seeds asks at most. It is refuted more often than
    in 3.1 %: the seeds' distances depend on each other."""
    rates = null_spread(seeds, law)
    assert rates["confirmed"] <= LEVEL
    assert rates["refuted"] <= 0.075


def test_a_null_spread_that_rare_seeds_make_is_confirmed_too_often():
    """What C5.seeds cannot see: its statistic is of the typical seed."""
    assert null_spread(5, "Student's t, 3")["confirmed"] > 2 * LEVEL
    assert null_spread(5, "one in twenty")["confirmed"] > 0.7


def null_spread(seeds: int, law: str) -> dict[str, float]:
    """How often it is decided at a coefficient of variation of 0.5, as documented there."""
    rng = np.random.default_rng(seeds)
    shape = (20_000, seeds)
    values = {
        "normal": lambda: rng.normal(1, 0.5, shape),
        "gamma": lambda: rng.gamma(4, 0.25, shape),
        "lognormal": lambda: np.exp(np.sqrt(np.log(1.25)) * rng.standard_normal(shape)),
        "Student's t, 3": lambda: 1 + 0.5 * rng.standard_t(3, shape) / np.sqrt(3),
        "one in twenty": lambda: 1 + 0.5 * np.where(rng.random(shape) < 0.05, 19, -1) / 19**0.5,
    }[law]()
    judged = judgements(*median_interval(deviation(values))[1:], seeds, Threshold(high=0.5))
    return {name: (judged == name).mean() for name in ("confirmed", "refuted")}


def test_resampling_the_coefficient_of_variation_itself_would_not_hold_the_rate():
    """Why C5.seeds is judged on distances: five values resampled vary too little."""
    values = np.random.default_rng(0).normal(1, 0.5, (200, 5))
    high = bootstrap(
        (values,),
        lambda x, axis: x.std(axis, ddof=1) / x.mean(axis),
        axis=-1,
        method="percentile",
        n_resamples=500,
        rng=0,
    ).confidence_interval.high
    assert (high <= 0.5).mean() > 2 * LEVEL


# ---- changes either way -------------------------------------------------------------------------

FOLD = CLAIMS["A.label"]


def change(*quotients: float):
    return judge(FOLD, dict(enumerate(quotients)), "", Path())


def test_a_change_is_judged_on_the_side_that_the_seeds_agree_on():
    """Asked: 1.25-fold or more."""
    assert FOLD.threshold == Threshold(low=1.25)
    for quotients in ([2.0, 2.5, 3.0, 3.5, 4.0], [1 / 2, 1 / 2.5, 1 / 3, 1 / 3.5, 1 / 4]):
        verdict = change(*quotients)
        assert (verdict.verdict, verdict.effect) == ("confirmed", pytest.approx(3))
        assert (verdict.low, verdict.high) == pytest.approx((2, 4))
    verdict = change(1.1, 0.95, 1.02, 0.9, 1.2)
    assert (verdict.verdict, verdict.low, verdict.high) == ("refuted", 1.0, pytest.approx(1.2))
    assert verdict.p < 0.1
    verdict = change(1.71, 1.24, 0.37, 0.49, 1.57)  # each changes, in both directions
    assert (verdict.verdict, verdict.low) == ("inconclusive", 1.0)
    assert verdict.high == pytest.approx(1 / 0.37)


def test_a_side_that_breaks_down_counts_for_the_side_of_the_others():
    verdict = judge(FOLD, dict.fromkeys(range(5), 0.3), "", Path(), frozenset({4}))
    assert (verdict.verdict, verdict.high) == ("confirmed", inf)


@pytest.mark.parametrize("spread", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("true", [1.0, 1 / 1.25])
def test_no_change_is_confirmed_at_most_at_the_nominal_rate(spread, true):
    """Studies of five seeds whose quotients scatter around ``true``: at most 1/32 for each side."""
    rng = np.random.default_rng(11)
    quotients = true * np.exp(spread * rng.standard_normal((5000, 5)))
    judged = [change(*study).verdict for study in quotients]
    assert judged.count("confirmed") / 5000 <= LEVEL


# ---- many claims at once -----------------------------------------------------------------------


@pytest.mark.parametrize("law", ["normal", "lognormal"])
def test_p_is_that_of_scipys_t_test(law):
    values = np.random.default_rng(3).standard_normal(6) + 3
    if law == "normal":
        values -= 4  # some are negative, so no logarithms
    logs = np.log(values) if law == "lognormal" else values
    limit = 0.5
    at = np.log(limit) if law == "lognormal" else limit
    above = float(ttest_1samp(logs, at, alternative="greater").pvalue)
    below = float(ttest_1samp(logs, at, alternative="less").pvalue)
    assert p_value(values, Threshold(low=limit), "confirmed") == pytest.approx(min(1, 2 * above))
    assert p_value(values, Threshold(high=limit), "confirmed") == pytest.approx(min(1, 2 * below))
    assert p_value(values, Threshold(low=limit), "refuted") == pytest.approx(min(1, 2 * below))


def test_p_of_a_band_is_that_of_its_nearer_end():
    values = np.array([0.9, 1.0, 1.1, 1.05, 0.95])
    low = p_value(values, Threshold(low=0.8), "confirmed")
    assert p_value(values, Threshold(0.8, 50.0), "confirmed") == pytest.approx(low)
    assert p_value(values, Threshold(1.2, 2.0), "refuted") == pytest.approx(
        p_value(values, Threshold(low=1.2), "refuted")
    )


@pytest.mark.parametrize(("seeds", "stands"), [(5, False), (10, True)])
def test_a_verdict_with_infinite_values_stands_by_the_sign_test(seeds, stands):
    """Seeds that failed have no mean: all n on one side have the two-sided p 2¹⁻ⁿ."""
    claim = CLAIMS["C7.frechet"]
    failed = judge(claim, dict.fromkeys(range(seeds), inf), "", Path())
    assert (failed.verdict, failed.p) == ("refuted", pytest.approx(2.0 ** (1 - seeds)))
    assert as_families([failed])[0].survives == stands


def test_the_sign_test_by_hand():
    """Of ten, nine lie beyond: P(Bin(10, ½) ≥ 9) = 11/1024; a NaN counts against the verdict."""
    values = np.array([inf] * 8 + [3.0, 0.5])
    assert p_value(values, Threshold(low=1.0), "confirmed") == pytest.approx(22 / 1024)
    assert p_value(values, Threshold(high=1.0), "refuted") == pytest.approx(22 / 1024)
    values[0] = nan
    assert p_value(values, Threshold(low=1.0), "confirmed") == pytest.approx(112 / 1024)


def test_p_without_a_test():
    assert p_value(np.array([1.0, 2.0]), Threshold(low=0.0), "inconclusive") == 1
    assert p_value(np.array([nan, nan]), Threshold(low=0.0), "confirmed") == 1
    # Five that coincide have no t: by their signs 2·2⁻⁵.
    assert p_value(np.full(5, 2.0), Threshold(low=1.0), "confirmed") == 2**-4
    assert p_value(np.full(5, 2.0), Threshold(low=2.0), "confirmed") == 1


def test_holm_by_hand():
    """0.01 ≤ 0.05/4, 0.015 ≤ 0.05/3, but 0.03 > 0.05/2: there it stops, 0.04 with it."""
    assert holm([0.03, 0.01, 0.04, 0.015]) == [False, True, False, True]
    assert holm([]) == []
    assert holm([0.05]) == [True]


def test_the_family_wise_rate_is_held_over_null_claims():
    rng = np.random.default_rng(5)
    some = 0
    for _ in range(200):
        values = rng.standard_normal((8, 10))
        judged = judgements(*median_interval(values)[1:], 10, Threshold(low=0.0))
        p = [p_value(v, Threshold(low=0.0), s) for v, s in zip(values, judged, strict=True)]
        some += any(holm(p))
    assert some / 200 <= LEVEL


def test_a_verdict_that_survives_alone_may_fall_among_many():
    strong = judge(CLAIMS["C7.frechet"], dict(enumerate([0.8, 0.9, 0.7, 1.0, 1.1])), "", Path())
    weak = replace(strong, p=0.5)
    assert as_families([strong])[0].survives
    assert [v.survives for v in as_families([strong] + [weak] * 200)] == [False] * 201
