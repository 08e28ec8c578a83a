"""What a claim is, and how values over seeds become a verdict on it.

One rule for every claim. A test gives one value per seed; the effect is their median, with its 95 %
percentile-bootstrap interval over seeds. The claim is confirmed if the whole interval lies within
its threshold, refuted if all of it lies outside on one side, else inconclusive.

How far to trust that: with five seeds the interval is the range, so a null effect (a true median at
the threshold) is called confirmed with probability 2⁻⁵ = 3.1 % and refuted as often, whatever the
law of the values, if they are independent (those of C5.seeds are not, see readings.deviation). With
n < 5 it would be more than 5 %; such studies are inconclusive.

Two kinds of claim are not of that sort and stand apart, outside the family: what is computed once
without chance ("deterministic") is judged by its threshold alone, and what arithmetic makes true
whatever the runs say ("identity") only shows that the code agrees with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf, nan
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from scipy.stats import t as student

from vral.study.statistics import LEVEL, bootstrap_median

FEWEST_SEEDS = 5
"""The fewest seeds with which a null effect is called confirmed in at most LEVEL of studies."""

Judgement = Literal["confirmed", "refuted", "inconclusive"]

Kind = Literal["seeds", "deterministic", "identity"]
"""What an effect rests on: a sample of seeds, one computation without chance, or arithmetic."""


@dataclass(frozen=True)
class Threshold:
    """The effects with which a claim holds: ``low`` to ``high``, ends included."""

    low: float = -inf
    high: float = inf

    def __str__(self) -> str:
        if self.low == -inf:
            return f"≤ {self.high:g}"
        return f"≥ {self.low:g}" if self.high == inf else f"{self.low:g} … {self.high:g}"

    @property
    def worst(self) -> float:
        """A value that fails."""
        return inf if self.high < inf else -inf


@dataclass(frozen=True)
class Registered:
    """An entry of the register: what a claim asked for from ``since`` (YYYY-MM-DD) on, and why."""

    since: str
    threshold: str
    note: str


@dataclass(frozen=True)
class Claim:
    """A statement of the source made precise, with the test that judges it.

    ``test`` maps a study's readings to one value per seed: NaN where a seed diverged or where the
    value does not exist; of a deterministic claim its rows to their one value. It raises
    ``readings.NotRun`` where the study lacks something.
    """

    id: str
    statement: str
    """In the source's words, shortened."""
    source: str
    restatement: str
    experiment: str
    """The command under ``vral reproduce`` whose study judges it."""
    figure: str
    """File name of the figure it belongs to, without its ending."""
    quantity: str
    """What the effect is, with its unit."""
    threshold: Threshold
    would_change: str
    """What would change the verdict."""
    arms: tuple[str, ...]
    """Arms the test reads; the first is the subject, the others are what it is compared with. Of a
    deterministic claim the case that its row is about."""
    test: Callable[[Any], Any] = field(repr=False, compare=False)
    ratios: tuple[str, ...] = ("50",)
    datasets: tuple[str, ...] = ()
    """Data sets it speaks of, all if empty; of a deterministic claim its game."""
    divergence: Literal["fails", "supports", "ignored"] = "fails"
    """What a subject that diverged does to the claim, the whole of that seed; "ignored" where the
    test reads what was recorded until then."""
    either_way: bool = False
    """Of a quotient: how many times it changes, up or down, is judged. The seeds must agree on the
    side: their median decides it, and where the interval holds 1 there may be no change."""
    kind: Kind = "seeds"
    history: tuple[Registered, ...] = ()
    """Its thresholds with their dates, the one in force last."""


@dataclass(frozen=True)
class Verdict:
    """A claim judged on one data set of one study."""

    claim: Claim
    dataset: str
    effect: float
    """Median over seeds of the claim's quantity; low and high are its 95 % interval, and equal to
    it where there is no chance."""
    low: float
    high: float
    seeds: int
    """0 where there is no chance."""
    verdict: Judgement
    study: Path
    diverged: int
    """How many of the seeds diverged in an arm that the test reads."""
    p: float
    """Of a test against the threshold over seeds, two-sided (see ``p_value``); 1 if the claim is
    undecided, NaN where it does not belong to the family."""
    settings: tuple[str, ...] = ()
    """Those of its runs that are not the experiment's."""
    survives: bool = False
    """Whether the verdict still stands when all verdicts of the ledger are judged as one family."""

    @property
    def in_family(self) -> bool:
        return self.claim.kind == "seeds"


def outcomes(low: NDArray, high: NDArray, seeds: int, threshold: Threshold) -> NDArray:
    """What intervals [``low``, ``high``] over ``seeds`` seeds say: an array of Judgement."""
    decided = sides(low, high, threshold)
    return decided if seeds >= FEWEST_SEEDS else np.full_like(decided, "inconclusive")


def sides(low: NDArray, high: NDArray, threshold: Threshold) -> NDArray:
    """Where [``low``, ``high``] lies: all of it within the threshold, outside on one side, or
    neither, as an array of Judgement."""
    inside = (low >= threshold.low) & (high <= threshold.high)
    outside = (high < threshold.low) | (low > threshold.high)
    return np.where(inside, "confirmed", np.where(outside, "refuted", "inconclusive"))


def p_value(values: NDArray, threshold: Threshold, outcome: Judgement) -> float:
    """Two-sided p of the test that the middle of ``values`` (seeds,) lies where ``outcome`` says.

    A t-test, of logarithms where values and limit are positive. Where a value is infinite, a seed
    that failed, there is no mean: then a sign test of the median, which takes NaN for a value
    against ``outcome``. 1 for an undecided claim.
    """
    if outcome == "inconclusive":
        return 1.0
    low, high = threshold.low, threshold.high
    with np.errstate(invalid="ignore"):
        positive = (values > 0).all()
    if positive and all(limit > 0 for limit in (low, high) if np.isfinite(limit)):
        values, high = np.log(values), np.log(high)
        low = np.log(low) if low > 0 else -inf
    if outcome == "confirmed":
        doubt = max(_p_above(values, low), _p_above(-values, -high))
    else:
        doubt = min(_p_above(-values, -low), _p_above(values, high))
    return float(min(1.0, 2 * doubt))


def p_of(claim: Claim, values: NDArray, outcome: Judgement) -> float:
    """``p_value``; what changes less than the threshold either way lies between it and its
    inverse."""
    limit = claim.threshold.low
    if claim.either_way and outcome == "refuted":
        return p_value(values, Threshold(1 / limit, limit), "confirmed")
    return p_value(values, claim.threshold, outcome)


def _p_above(values: NDArray, limit: float) -> float:
    """One-sided p of the test that the middle of ``values`` is above ``limit``."""
    n = len(values)
    if not np.isfinite(values).all():
        return float(binom.sf((values > limit).sum() - 1, n, 0.5)) if limit > -inf else 0.0
    gap, error = values.mean() - limit, values.std(ddof=1) / np.sqrt(n)
    if error == 0:  # Values that coincide have no t; that of signs remains.
        return float(binom.sf(n - 1, n, 0.5)) if gap > 0 else 1.0
    return float(student.sf(gap / error, n - 1))


def holm(p: Sequence[float], level: float = LEVEL) -> list[bool]:
    """Which of a family survive Holm's step-down at ``level`` (Holm 1979)."""
    survivors = [False] * len(p)
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        if p[i] > level / (len(p) - rank):
            break
        survivors[i] = True
    return survivors


def judge(
    claim: Claim,
    values: dict[int, float],
    dataset: str,
    root: Path,
    subject_diverged: frozenset[int] = frozenset(),
    others_diverged: frozenset[int] = frozenset(),
) -> Verdict:
    """The verdict on ``claim`` from one value per seed.

    A seed whose subject diverged fails the claim (or meets it, where the claim says that the
    subject breaks down). A seed with a NaN for another reason, say a baseline that diverged, speaks
    neither for nor against: the interval reaches as far as its value could.
    """
    if claim.either_way and bootstrap_median(np.array(list(values.values())))[0] < 1:
        values = {seed: 1 / value if value else inf for seed, value in values.items()}
    if claim.divergence != "ignored":
        sign = 1 if claim.divergence == "fails" else -1
        values |= dict.fromkeys(subject_diverged & values.keys(), sign * claim.threshold.worst)
    numbers = np.array(list(values.values()))
    effect, low, high = (float(end) for end in bootstrap_median(numbers))
    if claim.either_way and low < 1:
        low, high = 1.0, max(high, 1 / low if low > 0 else inf)
    outcome = outcomes(np.array(low), np.array(high), len(numbers), claim.threshold).item()
    return Verdict(
        claim=claim,
        dataset=dataset,
        effect=effect,
        low=low,
        high=high,
        seeds=len(numbers),
        verdict=outcome,
        study=root,
        diverged=len((subject_diverged | others_diverged) & values.keys()),
        p=p_of(claim, numbers, outcome) if claim.kind == "seeds" else nan,
    )


def judge_number(claim: Claim, value: float, root: Path) -> Verdict:
    """The verdict on a deterministic ``claim``: ``value`` against the threshold, without seeds."""
    said = sides(np.array(value), np.array(value), claim.threshold).item()
    (game,) = claim.datasets
    return Verdict(claim, game, value, value, value, 0, said, root, diverged=0, p=nan)


def as_family(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The same verdicts with ``survives`` settled among those that belong to the family."""
    kept = iter(holm([verdict.p for verdict in verdicts if verdict.in_family]))
    return [replace(v, survives=v.in_family and next(kept)) for v in verdicts]
