"""Claims on a G that does not move, which must be alive to be told anything."""

import numpy as np
import pytest
from worlds import Column, evidence

from vral.claims.catalogue import CLAIMS
from vral.claims.evidence import NotTestableError
from vral.claims.ledger import require_competence
from vral.claims.verdict import Need
from vral.study.experiments import EXPERIMENTS, G_HELD_RATIO, STAGES

HELD = [c for c in CLAIMS.values() if c.experiment in ("well-trained", "noise")]


@pytest.mark.parametrize("claim", HELD, ids=lambda claim: claim.id)
def test_a_held_g_that_is_dead_makes_its_claims_not_testable_but_on_the_segments(claim):
    for dead in claim.needs:
        assert dead.arm in claim.arms
        columns = (
            Column(need.arm, G_HELD_RATIO, need.column, 0.4 if need == dead else 0.6)
            for need in claim.needs
        )
        read = evidence(claim, tuple(columns))
        with pytest.raises(NotTestableError, match=rf"median {dead.column} of .* is 0\.4, asked ≥"):
            require_competence(claim, read, "digits")
        require_competence(claim, read, "segments")


@pytest.mark.parametrize(("name", "ratio"), [("C10.clip-all", "5"), ("A.clip-all", "50")])
def test_clipping_everything_is_judged_only_beside_a_critic_that_has_learned(name, ratio):
    claim = CLAIMS[name]
    for auc, testable in ((0.65, False), (0.75, True)):
        read = evidence(claim, (Column("wgan+norm-d=batch", ratio, "auc", auc),))
        if testable:
            require_competence(claim, read, "digits")
        else:
            with pytest.raises(NotTestableError, match=r"the median auc of WGAN norm-d=batch"):
                require_competence(claim, read, "digits")


def test_the_held_g_is_the_good_one_of_usefulness_and_the_segments_are_as_they_were():
    useful = EXPERIMENTS["usefulness"]
    good = next(arm for arm in useful.arms if arm.name == "lsgan+good")
    for name in ("well-trained", "noise"):
        row = EXPERIMENTS[name]
        held = row.config(row.arms[0], G_HELD_RATIO, "digits")
        same = {"warmup", "norm_g", "rule", "lr", "latent", "width", "batch", "generator"}
        reference = useful.config(good, G_HELD_RATIO, "digits")
        assert held.model_dump(include=same) == reference.model_dump(include=same)
        assert held.rounds * int(G_HELD_RATIO) == 12_000
        segments = row.config(row.arms[0], G_HELD_RATIO, "segments")
        assert (segments.warmup, segments.norm_g, segments.rule) == (0, "none", "adam")
    for claim in HELD:
        subject = claim.arms[0]
        assert claim.needs == (
            Need(subject, G_HELD_RATIO, "coverage", 0.5, ("segments",)),
            Need(subject, G_HELD_RATIO, "variance_share", 0.5, ("segments",)),
        )
    assert STAGES["good"][1:] == (0.5, 0.5)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("C3.held.overlap.vral-meta", "overlap"),
        ("C3.held.contrast.standard", "overlap"),
        ("C3.panels.ks-real.vral-parzen", "ks_real"),
    ],
)
def test_outputs_are_read_over_all_probes_of_the_last_fifth(monkeypatch, name, column):
    monkeypatch.setattr("worlds.D_UPDATES", (200, 9600, 12000))
    claim = CLAIMS[name]
    read = evidence(claim, (Column(claim.arms[0], claim.ratios[0], column, (9.0, 0.2, 0.6)),))
    assert np.median(list(claim.test(read).values())) == pytest.approx(0.4)


def test_a_distance_of_the_mean_scores_has_no_sign():
    """Where fakes score above reals it is as far, and explains the slope as well."""
    claim = CLAIMS["C6.scale"]
    for sign in (1, -1):
        columns = [
            Column(arm, "50", name, value)
            for i, arm in enumerate(claim.arms, 1)
            for name, value in {
                "lipschitz": i,
                "held_out_var_fake": i,
                "held_out_mean_real": 0,
                "held_out_mean_fake": sign * i,
            }.items()
        ]
        values = claim.test(evidence(claim, tuple(columns))).values()
        np.testing.assert_allclose(list(values), 0, atol=1e-9)
