"""What the claims on usefulness make of known numbers, and when they keep silent."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from worlds import Column, evidence

from vral.claims.catalogue import CLAIMS, claims_of
from vral.claims.evidence import NotTestableError
from vral.claims.ledger import require_competence
from vral.claims.usefulness import FORMS_AND_DAMPED, above_chance, against_the_best
from vral.study.experiments import EXPERIMENTS, STAGES, at_stage, stage_of

USEFUL = CLAIMS["C2.usefulness.vral-meta.cosine"]
SUBJECT, LOG_D, LSGAN, WGAN_GP = USEFUL.arms
COSINE = "usefulness_cosine"


def study(claim, **cosines):
    names = {"vral": SUBJECT, "log_d": LOG_D, "lsgan": LSGAN, "wgan_gp": WGAN_GP}
    columns = [Column(names[name], "200", COSINE, value) for name, value in cosines.items()]
    return evidence(claim, tuple(columns))


def test_a_form_is_compared_with_the_best_of_the_three_whichever_that_is():
    test = against_the_best("vral-meta", "good", COSINE)
    for best in ("log_d", "lsgan", "wgan_gp"):
        others = dict.fromkeys(("log_d", "lsgan", "wgan_gp"), -0.2) | {best: 0.4}
        found = test(study(USEFUL, vral=0.1, **others))
        np.testing.assert_allclose(list(found.values()), 0.25, rtol=1e-12)


def test_nothing_is_said_where_no_baseline_points_at_the_data():
    nowhere = study(USEFUL, vral=0.05, log_d=0.01, lsgan=-0.02, wgan_gp=0.06)
    with pytest.raises(NotTestableError, match=r"the best cosine of .* good G is 0\.06"):
        USEFUL.test(nowhere)


def test_a_seed_whose_baselines_point_away_says_nothing():
    values = Column(WGAN_GP, "200", COSINE, (0.4, 0.4, 0.4, 0.4, -0.1), per_seed=True)
    lost = (Column(arm, "200", COSINE, -1.0) for arm in (LOG_D, LSGAN))
    found = USEFUL.test(evidence(USEFUL, (values, *lost)))
    assert np.isnan(found[4])
    assert np.isfinite([found[seed] for seed in range(4)]).all()


def test_chance_is_counted_in_the_larger_of_its_two_deviations_over_the_late_probes():
    claim = CLAIMS["C2.chance.vral-meta"]
    rows = pl.DataFrame(
        {
            "method": SUBJECT, "ratio": "200", "seed": 0, "round": [0, 1, 2, 3],
            "d_updates": [100, 7000, 8000, 10000],
            COSINE: [9.0, 9.0, 0.5, 0.8],
            f"{COSINE}_permuted": [0.0, 0.0, 0.1, 0.2],
            f"{COSINE}_permuted_sd": [1.0, 1.0, 0.1, 0.1],
            f"{COSINE}_random_sd": [1.0, 1.0, 0.01, 0.2],
        }
    )  # fmt: skip
    found = above_chance("vral-meta", "good")(replace(evidence(claim, ()), probes=rows))
    assert found == {0: pytest.approx((0.4 / 0.1 + 0.6 / 0.2) / 2)}


@pytest.mark.parametrize(
    ("column", "asked"), [("coverage", "coverage"), ("usefulness_variance_share", "variance_share")]
)
@pytest.mark.parametrize("stage", STAGES)
def test_there_is_no_verdict_on_a_g_that_is_dead(stage, column, asked):
    early = f"C2.stages.vral-parzen.{stage}"
    claim = CLAIMS["C2.usefulness.vral-parzen.cosine" if stage == "good" else early]
    least = getattr(STAGES[stage], asked)
    read = tuple(Column(claim.arms[-1], "200", need.column, 0.9) for need in claim.needs)
    require_competence(claim, evidence(claim, read), "digits")
    dead = evidence(claim, (*read, Column(claim.arms[-1], "200", column, 0.9 * least)))
    with pytest.raises(NotTestableError, match=f"not testable: the median {column} of WGAN-GP"):
        require_competence(claim, dead, "digits")


def test_nothing_is_said_of_a_g_that_moves_but_does_not_learn():
    claim = CLAIMS["C2.moves.vral-parzen"]
    held = tuple(
        Column("wgan-gp+good", "200", name, 0.9)
        for name in ("coverage", "usefulness_variance_share")
    )
    reads = replace(claim, arms=(*claim.arms, "wgan-gp+good"))
    require_competence(claim, evidence(reads, held), "digits")
    low = Column("vral-parzen", "50", "coverage", 0.2)
    with pytest.raises(NotTestableError, match="the median coverage of VRAL Parzen at 50:1"):
        require_competence(claim, evidence(reads, (*held, low)), "digits")


def test_every_method_meets_the_same_g_at_every_stage():
    row = EXPERIMENTS["usefulness"]
    held = {}
    for arm in row.arms:
        base, stage = stage_of(arm.name)
        assert at_stage(base, stage) == arm.name
        config = row.config(arm, arm.ratio or "50", "digits")
        assert (config.generator, config.norm_g) == ("held" if stage else "trained", "batch")
        if stage:
            g = ("warmup", "lr", "latent", "width", "batch", "norm_g", "norm_d", "network")
            held.setdefault(stage, set()).add(tuple(getattr(config, name) for name in g))
    assert [len(held[stage]) for stage in STAGES] == [1, 1, 1]
    assert sum(not stage_of(arm.name)[1] for arm in row.arms) == len(row.arms) / 4
    assert len(claims_of("usefulness")) == 6 * len(FORMS_AND_DAMPED) + 2
