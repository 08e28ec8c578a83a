"""Every claim on studies whose truth is known, and the register of thresholds."""

import re
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from math import inf, nan
from pathlib import Path

import pytest
from worlds import true_and_false

from vral.claims.catalogue import CLAIMS, register
from vral.claims.ledger import judge_claim
from vral.claims.readings import NotRun
from vral.claims.verdict import Claim, judge_number
from vral.cli.dynamics import COMMANDS
from vral.study.experiments import EXPERIMENTS

REGISTERED = (177, "2ea79cc8d63a631ceb9cbc6efd2d50b4a62361f3f0efae4f25731d3a9b385424")
"""How many lines register.csv had, and their digest, when this was last set."""

EVERY = pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
SEEDED = [claim for claim in CLAIMS.values() if claim.kind != "deterministic"]
COMPUTED = [claim for claim in CLAIMS.values() if claim.kind == "deterministic"]
OVER_SEEDS = pytest.mark.parametrize("claim", SEEDED, ids=lambda claim: claim.id)
WITHOUT_CHANCE = pytest.mark.parametrize("claim", COMPUTED, ids=lambda claim: claim.id)


def verdict(claim: Claim, found):
    return judge_claim(claim, found, "digits", Path("study"))


def row_of(claim: Claim) -> tuple[str, str]:
    (case,) = claim.arms
    return case, claim.quantity.removesuffix(f"; {case}")


@WITHOUT_CHANCE
def test_a_number_within_the_threshold_confirms_and_one_outside_refutes(claim):
    low, high = claim.threshold.low, claim.threshold.high
    for value, said in (
        (low if low > -inf else high, "confirmed"),
        (high if high < inf else low, "confirmed"),
        (high + 1e-3, "confirmed" if high == inf else "refuted"),
        (low - 1e-3, "confirmed" if low == -inf else "refuted"),
        (inf, "confirmed" if high == inf else "refuted"),
        (nan, "inconclusive"),
    ):
        found = judge_number(claim, claim.test({row_of(claim): value}), Path("study"))
        assert found.verdict == said
        assert (found.low, found.high) == pytest.approx((value, value), nan_ok=True)
        assert (found.seeds, found.diverged, found.in_family) == (0, 0, False)


@WITHOUT_CHANCE
def test_a_row_that_lacks_is_said(claim):
    case, quantity = row_of(claim)
    with pytest.raises(NotRun, match=re.escape(f"measured.csv has no row {case}: {quantity}")):
        claim.test({})


@OVER_SEEDS
def test_a_claim_that_is_true_is_confirmed_and_one_that_is_false_refuted(claim):
    true, false = true_and_false(claim)
    assert verdict(claim, true).verdict == "confirmed"
    assert verdict(claim, false).verdict == "refuted"


@OVER_SEEDS
def test_what_a_subject_that_diverges_does_to_a_claim(claim):
    true, false = true_and_false(claim)
    gone = frozenset((claim.arms[0], claim.ratios[0], seed) for seed in range(5))
    found = verdict(claim, replace(true, diverged=gone))
    expected = {"fails": "refuted", "supports": "confirmed", "ignored": "confirmed"}
    assert found.verdict == expected[claim.divergence]
    assert (found.seeds, found.diverged) == (5, 5)
    if claim.divergence == "supports":
        assert verdict(claim, replace(false, diverged=gone)).verdict == "confirmed"


@pytest.mark.parametrize(
    "claim",
    [c for c in SEEDED if len(c.arms) == 2 and c.divergence != "ignored"],
    ids=lambda claim: claim.id,
)
def test_a_baseline_that_diverges_leaves_a_claim_open(claim):
    true, _ = true_and_false(claim)
    gone = frozenset((claim.arms[1], r, seed) for r in claim.ratios for seed in range(3))
    found = verdict(claim, replace(true, diverged=gone))
    assert found.verdict == "inconclusive"
    assert (found.seeds, found.diverged) == (5, 3)


@pytest.mark.parametrize("name", ["C7.standard", "C7.frechet", "C1.training"])
def test_a_subject_that_diverges_where_it_is_compared_leaves_a_claim_open(name):
    """At 1:1 it is the baseline of its own run at 50:1."""
    claim = CLAIMS[name]
    for world in true_and_false(claim):
        gone = frozenset((claim.arms[0], "1", seed) for seed in range(5))
        found = verdict(claim, replace(world, diverged=gone))
        assert (found.verdict, found.diverged) == ("inconclusive", 5)


@EVERY
def test_every_claim_asks_for_what_the_register_says(claim):
    """To change a threshold or a quantity, add a line to register.csv; leave the old ones."""
    quantity, entry = register()[claim.id][-1]
    assert (entry.threshold, quantity) == (str(claim.threshold), claim.quantity)
    dates = [entry.since for entry in claim.history]
    assert dates == sorted(dates)


def test_what_was_registered_once_stays():
    """Lines are added behind those of the digest, and none of these is changed."""
    lines, digest = REGISTERED
    text = (files("vral.claims") / "register.csv").read_text(encoding="utf-8")
    begun = "".join(text.splitlines(keepends=True)[:lines])
    assert sha256(begun.encode()).hexdigest() == digest


def test_the_register_knows_no_other_claims():
    assert register().keys() == CLAIMS.keys()


def test_ids_are_those_of_the_specification():
    families = {name.split(".")[0] for name in CLAIMS}
    theory = {f"T{i}" for i in range(1, 9)}
    assert families == {*(f"C{i}" for i in range(1, 12)), "Q1", "Q2", "P1", "A", *theory}


def test_a_subject_can_only_be_said_to_break_down_by_a_one_sided_claim():
    for claim in CLAIMS.values():
        if claim.divergence == "supports":
            assert float("inf") in (claim.threshold.high, -claim.threshold.low)


@OVER_SEEDS
def test_a_claim_s_experiment_runs_what_it_needs(claim):
    row = EXPERIMENTS[claim.experiment]
    assert set(claim.arms) <= {arm.name for arm in row.arms}
    assert set(claim.ratios) <= {*row.ratios, *(arm.ratio for arm in row.arms)}


@WITHOUT_CHANCE
def test_a_computed_claim_has_a_command(claim):
    assert claim.experiment in COMMANDS
    assert claim.experiment not in EXPERIMENTS
