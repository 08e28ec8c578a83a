"""Verdicts that are not to be quoted, in every form of the ledger."""

from dataclasses import replace
from pathlib import Path

import pytest

from vral.claims import CLAIMS
from vral.claims.markdown import as_markdown
from vral.claims.verdict import JUDGEMENTS, Verdict, judge
from vral.claims.withdrawn import WITHDRAWN, doubt
from vral.claims.wording import COLOURS, MARKS, family_notes, remarks
from vral.study.experiments import EXPERIMENTS

VALUES = {seed: 1 + seed / 100 for seed in range(5)}
PLAIN_G = ("--norm-g none (not batch)",)


def verdict(name: str, dataset: str, settings: tuple[str, ...] = PLAIN_G) -> Verdict:
    """As the ledger judges a run of the first definitions, whose G had no batch norm."""
    return replace(judge(CLAIMS[name], dict(VALUES), dataset, Path("study")), settings=settings)


@pytest.mark.parametrize(
    ("name", "dataset", "standing"),
    [
        ("C1.training", "mnist", "withdrawn"),
        ("C1.saturating", "mnist", "withdrawn"),
        ("C1.training", "digits", None),
        ("C1.saturating", "digits", None),
        ("C10.clip-all", "mnist", "withdrawn"),
        ("C7.frechet", "mnist", "withdrawn"),
        ("C7.frechet", "digits", None),
        ("A.clip-all", "digits", None),
        ("C11.variance.hidden=0.1", "digits", None),
        ("C3.panels.overlap.vral-parzen", "mnist", None),
        ("C9.panels.benefit", "mnist", None),
        ("P1.kl.stacked-mnist", "stacked-mnist", None),
    ],
)
def test_what_was_made_without_the_batch_norm_is_withdrawn_or_being_redone(name, dataset, standing):
    row = doubt(verdict(name, dataset))
    assert (row.standing if row else None) == standing
    assert doubt(verdict(name, dataset, settings=())) is None, "a run of the experiment as it is"


@pytest.mark.parametrize(
    ("settings", "standing"),
    [
        ((), None),
        (("--rounds 5000 (not 1000)",), None),
        (("--rounds 200 (not 1000)", *PLAIN_G), "withdrawn"),
        (("--norm-g group (not batch)",), None),
        (("--norm-g none (not batch)", "--warmup 100 (not 500)"), "withdrawn"),
    ],
)
def test_only_runs_that_had_what_is_held_against_them_are_concerned(settings, standing):
    other = verdict("C1.training", "mnist", settings)
    row = doubt(other)
    assert (row.standing if row else None) == standing
    assert bool(settings) == any(
        f"Other settings than the experiment's: {', '.join(settings)}" == text
        for text in remarks(other)
    )


def test_no_reason_says_of_a_later_run_what_only_the_published_ones_lacked():
    assert all(row.reason.startswith("the published runs ") for row in WITHDRAWN)
    assert all(row.made_with for row in WITHDRAWN)


def test_every_form_says_what_is_withdrawn_and_leaves_the_verdict_as_it_is(tmp_path):
    mnist = verdict("C7.frechet", "mnist")
    ring = verdict("P1.vral-meta.ring", "ring", ("--rounds 200 (not 5000)",))
    assert mnist.verdict == ring.verdict == "confirmed"
    notes = " ".join(family_notes([mnist, ring]))
    assert "1 verdict withdrawn and not counted (C7 on mnist)" in notes
    assert "1 verdict being redone (P1 on ring)" in notes
    assert all(row.reason in notes for row in map(doubt, (mnist, ring)) if row)
    page = as_markdown([mnist, ring], tmp_path / "page.md", "figures")
    assert "1 claim judged" in notes
    assert "| withdrawn |  |" in page
    assert "✓ 1 (0 of 1 survive Holm, being redone) |" in page
    assert "Confirmed: 1 parts" in page
    assert "Withdrawn, and not counted: 1 parts" in page
    assert "5 seeds. Withdrawn." in page
    assert "5 seeds, does not survive Holm. Being redone." in page


def test_the_table_names_experiments_and_families_that_exist():
    for row in WITHDRAWN:
        assert row.experiments <= EXPERIMENTS.keys()
        assert row.claims <= CLAIMS.keys() | {claim.family for claim in CLAIMS.values()}


def test_signs_and_colours_come_in_the_order_of_the_judgements():
    assert tuple(MARKS) == tuple(COLOURS) == JUDGEMENTS
