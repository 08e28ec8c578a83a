"""Sentences about verdicts that the terminal, the Markdown table and the page share."""

from collections import Counter
from collections.abc import Sequence
from typing import get_args

from vral.claims.verdict import FEWEST_SEEDS, Judgement, Verdict
from vral.study.statistics import LEVEL


def family_notes(verdicts: Sequence[Verdict]) -> list[str]:
    """How many claims were judged, at what level, and what that means for all of them together."""
    if not verdicts:
        return ["No claim can be judged on these studies."]
    family = [verdict for verdict in verdicts if verdict.in_family]
    notes = _chance_notes(family) if family else []
    computed = [verdict for verdict in verdicts if verdict.claim.kind == "deterministic"]
    if computed:
        notes.append(
            f"{len(computed)} claims are deterministic: {_tally(computed)}. They are computed "
            "without seeds and judged by their thresholds alone, apart from the family."
        )
    identities = [verdict for verdict in verdicts if verdict.claim.kind == "identity"]
    if identities:
        names = ", ".join(dict.fromkeys(verdict.claim.id for verdict in identities))
        notes.append(
            f"True by arithmetic, whatever the runs say, and so in no count above: {names} "
            f"({_tally(identities)})."
        )
    others = sum(bool(verdict.settings) for verdict in verdicts)
    if others:
        notes.append(
            f"{others} of these verdicts are of runs with other settings than the experiment's, "
            "and need not hold for the experiment itself; each names them."
        )
    return notes


def _tally(verdicts: Sequence[Verdict]) -> str:
    count = Counter(verdict.verdict for verdict in verdicts)
    kinds = [kind for kind in get_args(Judgement) if count[kind]]
    return ", ".join(f"{count[kind]} {kind}" for kind in kinds)


def _chance_notes(verdicts: Sequence[Verdict]) -> list[str]:
    """Of verdicts over seeds."""
    count = Counter(verdict.verdict for verdict in verdicts)
    fewest = min(verdict.seeds for verdict in verdicts)
    kept = sum(verdict.survives for verdict in verdicts)
    decided = len(verdicts) - count["inconclusive"]
    notes = [
        f"{len(verdicts)} claims judged, each by itself at the nominal {LEVEL:.0%}: "
        + ", ".join(f"{count[outcome]} {outcome}" for outcome in get_args(Judgement))
        + f". If every effect lay at its threshold, about {2**-4 * len(verdicts):.1f} of them "
        "would be decided by chance with five seeds.",
        f"{kept} of the {decided} decided stand as one family (Holm at {LEVEL:.0%} over t-tests, "
        "which suppose a normal law, of logarithms where values are positive; a sign test where a "
        "seed failed, whose value is infinite). Without such a law none could with five seeds: a "
        f"sign test's smallest p is then 1/16. Fewest seeds: {fewest}.",
    ]
    if fewest < FEWEST_SEEDS:
        notes.append(
            f"With fewer than {FEWEST_SEEDS} seeds a claim stays inconclusive: chance alone would "
            f"confirm it in more than {LEVEL:.0%} of studies."
        )
    if any(verdict.diverged for verdict in verdicts):
        notes.append(
            "A seed whose subject (first arm) diverged counts against the claim, or for it where "
            "the claim says that it breaks down; one whose baseline diverged, as anything."
        )
    return notes
