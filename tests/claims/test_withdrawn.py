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


def verdict(name: str, dataset: str) -> Verdict:
    return judge(CLAIMS[name], dict(VALUES), dataset, Path("study"))


@pytest.mark.parametrize(
    ("name", "dataset", "standing"),
    [
        ("C1.training", "mnist", "withdrawn"),
        ("C1.training", "digits", None),
        ("C1.saturating", "mnist", "withdrawn"),
        ("C10.clip-all", "mnist", "withdrawn"),
        ("C7.frechet", "mnist", "withdrawn"),
        ("C7.frechet", "digits", "being redone"),
        ("C9.benefit", "digits", "being redone"),
        ("C3.overlap.held", "segments", "being redone"),
        ("C11.variance.hidden=0.1", "digits", "withdrawn"),
        ("C6.lipschitz", "digits", None),
        ("C3.panels.overlap.vral-parzen", "mnist", None),
        ("C9.panels.benefit", "mnist", None),
        ("P1.kl.stacked-mnist", "stacked-mnist", None),
    ],
)
def test_the_mnist_study_is_withdrawn_and_four_families_are_being_redone(name, dataset, standing):
    row = doubt(verdict(name, dataset))
    assert (row.standing if row else None) == standing


@pytest.mark.parametrize(
    ("settings", "standing"),
    [
        (("--norm-g batch (not none)",), None),
        (("--rounds 5000 (not 1000)", "--norm-g batch (not none)"), None),
        (("--rounds 200 (not 1000)", "--norm-g batch (not none)"), "withdrawn"),
        (("--norm-g batch (not none)", "--warmup 100 (not 200)"), "withdrawn"),
        (("--norm-g group (not none)",), "withdrawn"),
        (("--rounds 5000 (not 1000)",), "withdrawn"),
    ],
)
def test_only_runs_that_are_long_enough_and_have_the_batch_norm_are_mended(settings, standing):
    other = replace(verdict("C1.training", "mnist"), settings=settings)
    row = doubt(other)
    assert (row.standing if row else None) == standing
    assert f"Other settings than the experiment's: {', '.join(settings)}" in remarks(other)


def test_no_reason_says_of_a_later_run_what_only_the_published_ones_lacked():
    mended = replace(verdict("C7.frechet", "mnist"), settings=("--norm-g batch (not none)",))
    row = doubt(mended)
    assert row is not None
    assert row.standing == "being redone"
    assert all(row.reason.startswith("the published runs ") for row in WITHDRAWN)


def test_every_form_says_what_is_withdrawn_and_leaves_the_verdict_as_it_is(tmp_path):
    mnist, digits = (verdict("C7.frechet", dataset) for dataset in ("mnist", "digits"))
    assert mnist.verdict == digits.verdict == "confirmed"
    noise = verdict("C11.variance.hidden=0.1", "digits")
    notes = " ".join(family_notes([mnist, digits, noise]))
    assert "1 verdicts are withdrawn and not counted (C7 on mnist)" in notes
    assert "1 verdicts are withdrawn and not counted (C11 on digits)" in notes
    assert "1 verdicts are being redone (C7 on digits)" in notes
    assert all(row.reason in notes for row in WITHDRAWN)
    page = as_markdown([mnist, digits], tmp_path / "page.md", "figures")
    assert "1 claims judged" in notes
    assert "| withdrawn | ✓ 1 (0 of 1 survive Holm, being redone) |" in page
    assert "Confirmed: 1 parts" in page
    assert "Withdrawn, and not counted: 1 parts" in page
    assert "5 seeds. Withdrawn." in page
    assert "5 seeds, does not survive Holm. Being redone." in page


def test_the_table_names_experiments_and_families_that_exist():
    for row in WITHDRAWN:
        assert row.experiments <= EXPERIMENTS.keys()
        assert row.families <= {claim.family for claim in CLAIMS.values()}


def test_signs_and_colours_come_in_the_order_of_the_judgements():
    assert tuple(MARKS) == tuple(COLOURS) == JUDGEMENTS
