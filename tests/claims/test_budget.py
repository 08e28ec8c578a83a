"""The best ratio for a budget, from numbers whose answer is known."""

import numpy as np
import polars as pl
import pytest
from worlds import final_of

from vral.claims.budget import RATIOS, best_by_others, best_ratio
from vral.claims.catalogue import CLAIMS
from vral.claims.evidence import Evidence, NotTestableError
from vral.claims.ledger import judge_claim

RATIOS_HERE = ("1", "10", "50")


def evidence(distances, coverage=0.5, arm="lsgan", ratios=RATIOS_HERE):
    """A study whose Fréchet distance of each seed (rows) at each ratio (columns) is given."""
    rows = [
        {"method": arm, "ratio": ratio, "dataset": "digits", "seed": seed, "round": 1,
         "d_updates": 50, "g_updates": 1, "images": 50, "frechet": value, "coverage": coverage}
        for seed, row in enumerate(distances)
        for ratio, value in zip(ratios, row, strict=True)
    ]  # fmt: skip
    probes = pl.DataFrame(rows)
    records = probes.drop("frechet", "coverage").with_columns(grad_norm_fake=1.0)
    return Evidence(final_of(records, probes), probes, pl.DataFrame(), frozenset(), 64)


def test_the_best_ratio_is_the_one_with_the_least_distance():
    study = evidence([[3.0, 2.0, 4.0], [9.0, 8.0, 7.0], [np.nan, 6.0, 7.0]])
    assert best_ratio("lsgan", RATIOS_HERE)(study) == {0: 10, 1: 50, 2: 10}


def test_a_seed_is_compared_with_what_the_other_seeds_chose():
    """Each seed's own best would be 1, 1 and 2; the others choose 10, 10 and 1 for it."""
    study = evidence([[1.0, 2.0, 3.0], [1.0, 5.0, 3.0], [9.0, 2.0, 3.0]])
    # For seed 0: medians over seeds 1 and 2 are 5, 3.5, 3: 50:1 is best, and seed 0 has 3 there.
    # For seed 1: 5, 2, 3: 10:1, where it has 5. For seed 2: 1, 3.5, 3: 1:1, where it has 9.
    assert best_by_others("lsgan", RATIOS_HERE)(study) == {0: 3.0, 1: 5.0, 2: 9.0}


def test_choosing_by_others_is_not_biased_where_all_ratios_are_alike():
    random = np.random.default_rng(0)
    draws = np.exp(random.normal(size=(2000, 7)))
    study = evidence(draws, ratios=RATIOS)
    chosen = np.array(list(best_by_others("lsgan")(study).values()))
    share = np.mean(draws[:, 0] > chosen)
    assert abs(share - 0.5) < 4 * np.sqrt(0.25 / len(chosen))  # The least of seven is below in 6/7.


def test_a_best_ratio_at_which_nothing_was_learned_is_not_testable():
    study = evidence(np.ones((5, 3)), coverage=0.1)
    for test in (best_by_others, best_ratio):
        with pytest.raises(NotTestableError, match="not testable: the median coverage of lsgan"):
            test("lsgan", RATIOS_HERE)(study)


def test_a_seed_without_any_distance_has_no_best_ratio():
    study = evidence([[np.nan] * 3, [3.0, 2.0, 4.0], [3.0, 2.0, 4.0]])
    best = best_ratio("lsgan", RATIOS_HERE)(study)
    assert np.isnan(best.pop(0))
    assert best == {1: 10, 2: 10}


def test_what_is_divided_by_must_have_learned_in_every_claim_of_batch_norm():
    for claim in (claim for name, claim in CLAIMS.items() if name.startswith("Q4.")):
        assert (claim.arms[0], "50") in claim.competent


@pytest.mark.parametrize(
    ("at_50", "verdict"), [(4.0, "confirmed"), (1.0, "refuted"), (2.0, "confirmed")]
)
def test_a_standard_gan_loses_where_50_to_1_is_twice_as_far(at_50, verdict, tmp_path):
    row = [1.0 if ratio != "50" else at_50 for ratio in RATIOS]
    claim = CLAIMS["Q3.loses.lsgan"]
    found = judge_claim(claim, evidence([row] * 5, ratios=RATIOS), "digits", tmp_path)
    assert found.verdict == verdict
    assert found.effect == at_50
