"""Deterministic claims: what a number says, and that each is joined to a row that was measured."""

import json
import re
from math import inf, nan
from pathlib import Path

import pytest

from vral.claims import theory
from vral.claims.catalogue import CLAIMS
from vral.claims.evidence import NotRunError, read_numbers
from vral.claims.verdict import judge_number
from vral.cli.dynamics import COMMANDS
from vral.study.experiments import EXPERIMENTS

COMPUTED = [claim for claim in CLAIMS.values() if claim.kind == "deterministic"]
PUBLISHED = Path(__file__).parents[2] / "runs" / "published"


@pytest.mark.parametrize("claim", COMPUTED, ids=lambda claim: claim.id)
def test_a_number_within_the_threshold_confirms_and_one_outside_refutes(claim):
    low, high = claim.threshold.low, claim.threshold.high
    for value, expected in (
        (low if low > -inf else high, "confirmed"),
        (high if high < inf else low, "confirmed"),
        (high + 1e-3, "confirmed" if high == inf else "refuted"),
        (low - 1e-3, "confirmed" if low == -inf else "refuted"),
        (inf, "confirmed" if high == inf else "refuted"),
        (nan, "inconclusive"),
    ):
        verdict = judge_number(claim, claim.test({claim.row: value}), Path("study"))
        assert verdict.verdict == expected
        assert (verdict.low, verdict.high) == pytest.approx((value, value), nan_ok=True)
        assert (verdict.seeds, verdict.diverged, verdict.in_family) == (0, 0, False)


def test_a_missing_row_is_named():
    for claim in COMPUTED:
        message = f"measured.csv has no row {': '.join(claim.row)}"
        with pytest.raises(NotRunError, match=re.escape(message)):
            claim.test({})


def test_a_computed_claim_has_a_command():
    for claim in COMPUTED:
        assert claim.experiment in COMMANDS
        assert claim.experiment not in EXPERIMENTS


def test_a_claim_on_another_quantity_than_the_registered_one_cannot_be_made():
    claim = CLAIMS["T5.r3gan"]
    renamed = claim.row._replace(quantity="error of the printed eigenvalue")
    with pytest.raises(ValueError, match=r"T5\.r3gan measures .* the register has"):
        theory.computed("T5.r3gan", theory.ERRATA, renamed, statement="", restatement="")


def test_the_published_numbers_give_the_published_verdicts():
    """Every deterministic claim finds its row in the tables that were measured long before."""
    published = {
        entry["claim"]: (entry["verdict"], entry["effect"])
        for entry in json.loads((PUBLISHED / "claims.json").read_text(encoding="utf-8"))["verdicts"]
        if entry["kind"] == "deterministic"
    }
    assert published.keys() == {claim.id for claim in COMPUTED}
    for claim in COMPUTED:
        root = PUBLISHED / claim.experiment
        verdict = judge_number(claim, claim.test(read_numbers(root)), root)
        effect = nan if published[claim.id][1] is None else published[claim.id][1]
        assert verdict.verdict == published[claim.id][0]
        assert verdict.effect == pytest.approx(effect, nan_ok=True)
