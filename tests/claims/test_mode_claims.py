"""When the claims on mode collapse may be judged."""

from dataclasses import replace

import numpy as np
import pytest
from worlds import Column, evidence

from vral.claims.catalogue import CLAIMS, claims_of
from vral.claims.evidence import NotTestableError
from vral.claims.ledger import require_competence


def study(name: str, column: str, **reached: float):
    """The claim, and readings of its arms and of the baselines, which have ``reached`` so much."""
    claim = CLAIMS[name]
    arms = tuple(dict.fromkeys((*claim.arms, "wgan-gp", "r1")))
    wider = replace(claim, arms=arms)
    at = [Column(arm.replace("_", "-"), "50", column, value) for arm, value in reached.items()]
    return claim, evidence(wider, tuple(at))


@pytest.mark.parametrize(
    ("name", "column", "little", "enough"),
    [
        ("P1.problem.ring", "high_quality", 0.4, 0.6),
        ("P1.vral-meta.grid", "high_quality", 0.4, 0.6),
        ("P1.best.stacked-digits", "modes_covered", 480.0, 520.0),
        ("P1.kl.stacked-mnist", "modes_covered", 480.0, 520.0),
    ],
)
def test_one_baseline_that_draws_the_modes_is_enough_and_without_any_nothing_is_said(
    name, column, little, enough
):
    for reached in ({"wgan_gp": little, "r1": enough}, {"wgan_gp": enough, "r1": little}):
        require_competence(*study(name, column, **reached), CLAIMS[name].datasets[0])
    claim, read = study(name, column, wgan_gp=little, r1=little)
    with pytest.raises(
        NotTestableError, match=rf"of WGAN-GP at 50:1 is .*; the median {column} of"
    ):
        require_competence(claim, read, claim.datasets[0])


def test_every_claim_on_modes_has_the_gate_and_the_ratio_another():
    for claim in claims_of("mode-collapse"):
        assert {need.arm for need in claim.one_of} == {"wgan-gp", "r1"}
        divides = claim.id.startswith("P1.ratio")
        assert [(n.arm, n.ratio) for n in claim.needs] == [("vral-meta", "1")] * divides


@pytest.mark.parametrize("name", ["P1.vral-meta.grid", "P1.vral-parzen.grid", "P1.best.grid"])
def test_a_cloud_covers_every_mode_and_draws_none(name):
    """What lies at a mode decides whether the same count of covered modes confirms or refutes."""
    claim = CLAIMS[name]
    for quality, drawn in ((0.4, False), (0.6, True)):
        columns = [
            *(Column(arm, "50", "high_quality", 0.9) for arm in claim.arms[1:]),
            *(Column(arm, "50", "modes_covered", 25.0) for arm in claim.arms),
            Column(claim.arms[0], "50", "high_quality", quality),
        ]
        values = claim.test(evidence(claim, tuple(columns)))
        assert all((value > 0.9) == drawn and (drawn or value == 0) for value in values.values())


def test_modes_at_either_ratio_count_only_where_that_ratio_draws_them():
    claim = CLAIMS["P1.ratio.grid"]
    covered = [Column("vral-meta", at, "modes_covered", 25.0) for at in ("1", "50")]
    for quality, value in (({"1": 0.9, "50": 0.4}, 0.0), ({"1": 0.4, "50": 0.9}, np.inf)):
        sharp = [Column("vral-meta", at, "high_quality", q) for at, q in quality.items()]
        assert set(claim.test(evidence(claim, (*covered, *sharp))).values()) == {value}


@pytest.mark.parametrize("better", ["wgan-gp", "r1"])
def test_vral_is_held_against_the_better_of_the_two_baselines(better):
    claim = CLAIMS["P1.best.grid"]
    columns = [
        column
        for arm in claim.arms
        for column in (
            Column(arm, "50", "high_quality", 0.9),
            Column(arm, "50", "modes_covered", 20.0 if arm == better else 10.0),
        )
    ]
    np.testing.assert_allclose(list(claim.test(evidence(claim, tuple(columns))).values()), 0.5)


def test_stacks_have_no_quality_and_their_modes_count_as_they_are():
    claim = CLAIMS["P1.vral-meta.stacked-digits"]
    read = evidence(claim, (Column("vral-meta", "50", "modes_covered", 950.0),))
    np.testing.assert_allclose(list(claim.test(read).values()), 0.95, rtol=0.03)
