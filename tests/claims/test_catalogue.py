"""Every claim on studies whose truth is known."""

import fnmatch
import re
from dataclasses import replace
from pathlib import Path

import pytest
from worlds import true_and_false

from vral.claims.catalogue import CLAIMS, claims_of, families
from vral.claims.ledger import examine, judge_claim
from vral.claims.verdict import Claim, Verdict
from vral.study.experiments import EXPERIMENTS

SEEDED = [c for c in CLAIMS.values() if c.experiment in EXPERIMENTS and not c.retired]
"""Claims that are judged on runs; all others on rows of ``measured.csv``."""
OVER_SEEDS = pytest.mark.parametrize("claim", SEEDED, ids=lambda claim: claim.id)


def judged(claim: Claim, recorded) -> Verdict:
    return judge_claim(claim, recorded, "digits", Path("study"))


@OVER_SEEDS
def test_a_claim_that_is_true_is_confirmed_and_one_that_is_false_refuted(claim):
    true, false = true_and_false(claim)
    assert judged(claim, true).verdict == "confirmed"
    assert judged(claim, false).verdict == "refuted"


@OVER_SEEDS
def test_what_a_subject_that_diverges_does_to_a_claim(claim):
    true, false = true_and_false(claim)
    diverged = frozenset((claim.arms[0], claim.ratios[0], seed) for seed in range(5))
    verdict = judged(claim, replace(true, diverged=diverged))
    expected = {"fails": "refuted", "supports": "confirmed", "ignored": "confirmed"}
    assert verdict.verdict == expected[claim.divergence]
    assert (verdict.seeds, verdict.diverged) == (5, 5)
    if claim.divergence == "supports":
        assert judged(claim, replace(false, diverged=diverged)).verdict == "confirmed"


@pytest.mark.parametrize(
    "claim",
    [c for c in SEEDED if len(c.arms) == 2 and c.divergence != "ignored"],
    ids=lambda claim: claim.id,
)
def test_a_baseline_that_diverges_leaves_a_claim_open(claim):
    true, _ = true_and_false(claim)
    diverged = frozenset((claim.arms[1], r, seed) for r in claim.ratios for seed in range(3))
    verdict = judged(claim, replace(true, diverged=diverged))
    assert verdict.verdict == "inconclusive"
    assert (verdict.seeds, verdict.diverged) == (5, 3)


@pytest.mark.parametrize("name", ["C7.standard", "C7.frechet", "C1.training"])
def test_a_subject_that_diverges_where_it_is_compared_leaves_a_claim_open(name):
    """At 1:1 the subject is the baseline of its own run at 50:1."""
    claim = CLAIMS[name]
    for world in true_and_false(claim):
        diverged = frozenset((claim.arms[0], "1", seed) for seed in range(5))
        verdict = judged(claim, replace(world, diverged=diverged))
        assert (verdict.verdict, verdict.diverged) == ("inconclusive", 5)


def test_ids_are_those_of_the_specification():
    theory = {f"T{i}" for i in range(1, 10)}
    deck = {f"C{i}" for i in range(12)}
    assert {claim.family for claim in CLAIMS.values()} == {
        *deck,
        "Q1",
        "Q2",
        "Q3",
        "Q4",
        "P1",
        "A",
        *theory,
    }


def test_a_subject_can_only_be_said_to_break_down_by_a_one_sided_claim():
    for claim in CLAIMS.values():
        if claim.divergence == "supports":
            assert float("inf") in (claim.threshold.high, -claim.threshold.low)


def test_a_claim_s_experiment_runs_what_it_needs():
    for claim in SEEDED:
        row = EXPERIMENTS[claim.experiment]
        assert set(claim.arms) <= {arm.name for arm in row.arms}
        assert set(claim.ratios) <= {*row.ratios, *(arm.ratio for arm in row.arms)}


def test_a_claim_that_was_retired_is_kept_and_judged_by_no_study():
    gone = {claim.id: claim for claim in CLAIMS.values() if claim.retired}
    held = {name for name in CLAIMS if name.startswith("C3.") and name.endswith(".held")}
    assert len(held) == 8
    assert gone.keys() == {"Q2.vral-meta+eps=1e-8", "C6.poincare"} | held
    verdicts, still_open = examine([])
    assert verdicts == []
    for name, claim in gone.items():
        assert claim not in claims_of(claim.experiment)
        assert name not in {entry.claim.id for entry in still_open}
        successors = re.findall(r"[CQ]\d\.[^ ]+", claim.retired)
        assert len(successors) == (name != "C6.poincare")
        assert all(fnmatch.filter(CLAIMS, pattern) for pattern in successors)


@pytest.mark.parametrize(
    "claim", [c for c in CLAIMS.values() if c.family in ("Q1", "Q2")], ids=lambda claim: claim.id
)
def test_what_necessity_divides_by_must_be_alive(claim):
    under = "vral-meta" if claim.id.startswith("Q1.earns") else claim.arms[-1]
    assert (under, "50") in claim.competent


def test_the_claims_of_an_experiment_and_of_its_figures():
    assert families("ratios") == ["C1", "C2", "C3", "C4", "C5", "C7", "C8", "C9"]
    assert families("ratios", "gradients") == ["C4", "C5"]
    assert families("errata") == ["T5"]
    assert claims_of("no experiment") == []
    assert sum(len(claims_of(name)) for name in {c.experiment for c in SEEDED}) == len(SEEDED)
