"""What a claim is, and how values over seeds become a verdict on it.

One rule judges every claim. A test gives one value per seed; the effect is their median, with its
interval over seeds (``study.statistics.median_interval``). The claim is confirmed if the whole
interval lies within its threshold, refuted if all of it lies outside on one side, else
inconclusive.

How far to trust that: with five seeds the interval is the range, so a null effect (a true median at
the threshold) is called confirmed with probability 2⁻⁵ = 3.1 % and refuted as often, whatever the
distribution of the values, if they are independent (those of C5.seeds are not, see
quantities.deviation). With n < 5 it would be more than 5 %; the ledger does not judge such studies.

All verdicts together (``primary.as_families``): Holm over t-tests, which suppose normal values, or
normal logarithms where they are positive. Of studies of the deck's claims with the truth at every
threshold, at most 5 % have a false verdict that survives, no more with heavy tails or skew, but
more with uniform logarithms.

Two kinds of claim do not rest on seeds and stand outside the family of verdicts that are judged
jointly. A "deterministic" claim is computed once without chance and judged by its threshold alone.
An "identity" is true by arithmetic whatever the runs say; it only shows that the code agrees.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf, nan
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from scipy.stats import t as student

from vral.study.measured import Quantity
from vral.study.statistics import LEVEL, inverted, median_interval, no_less_than_one

FEWEST_SEEDS = 5
"""The fewest seeds with which a null effect is called confirmed in at most LEVEL of studies."""

COMPETENT = 0.3
"""The least median coverage of a G that has learned something."""

Judgement = Literal["confirmed", "refuted", "inconclusive"]
JUDGEMENTS: tuple[Judgement, ...] = get_args(Judgement)
"""Every judgement, in the order of all tables."""

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

    @classmethod
    def parse(cls, text: str) -> "Threshold":
        """The threshold that ``str`` writes as ``text``. Raises ValueError for any other text."""
        if text.startswith("≤"):
            return cls(high=float(text[1:]))
        if text.startswith("≥"):
            return cls(low=float(text[1:]))
        low, high = text.split("…")
        return cls(float(low), float(high))

    @property
    def worst(self) -> float:
        """A value that fails."""
        return inf if self.high < inf else -inf


@dataclass(frozen=True)
class Registered:
    """An entry of the register: what a claim asks for from ``since`` (YYYY-MM-DD) on, and why."""

    since: str
    threshold: str
    note: str


class Need(NamedTuple):
    """What must hold of a G for a claim about it, or against it, to be testable."""

    arm: str
    ratio: str
    column: str
    least: float
    """The least median over seeds of the column's final value."""
    not_on: tuple[str, ...] = ()
    """Data sets on which it is not asked."""


@dataclass(frozen=True)
class Claim:
    """A statement of the source made precise, with the test that judges it.

    ``test`` maps the evidence of a study to one value per seed, NaN where a seed diverged or where
    the value does not exist; for a deterministic claim it maps the numbers of ``measured.csv`` to
    one of them. It raises ``evidence.NotRunError`` where the study lacks something.
    """

    id: str
    statement: str
    """The statement in the source's words, shortened."""
    source: str
    restatement: str
    experiment: str
    """The command under ``vral reproduce`` whose study judges it."""
    figure: str
    """File name of the figure that shows it, without its ending."""
    quantity: str
    """What the effect is, with its unit."""
    threshold: Threshold
    would_change: str
    """What would change the verdict."""
    arms: tuple[str, ...]
    """Arms the test reads. The first is the subject, the others are what it is compared with. For a
    deterministic claim: the case of its row."""
    test: Callable[[Any], Any] = field(repr=False, compare=False)
    ratios: tuple[str, ...] = ("50",)
    datasets: tuple[str, ...] = ()
    """Data sets the claim is about, all if empty. For a deterministic claim: its game."""
    divergence: Literal["fails", "supports", "ignored"] = "fails"
    """What a seed whose subject diverged does to the claim; "ignored" where the test reads what was
    recorded before the divergence."""
    either_way: bool = False
    """Whether a quotient may change by the threshold's factor either up or down. The seeds must
    agree on the direction: their median decides it, and an interval that holds 1 allows for no
    change."""
    competent: tuple[tuple[str, str], ...] = ()
    """(arm, ratio) pairs whose G must reach COMPETENT for the claim to be testable, as what it
    compares with says nothing otherwise."""
    needs: tuple[Need, ...] = ()
    """What else must hold for the claim to be testable."""
    one_of: tuple[Need, ...] = ()
    """At least one of these must hold as well; none is asked for if empty."""
    retired: str = ""
    """Why no study judges it any more; empty where one does."""
    kind: Kind = "seeds"
    row: Quantity | None = None
    """The row of ``measured.csv`` that a deterministic claim judges."""
    history: tuple[Registered, ...] = ()
    """Its thresholds with their dates; the last one is in force."""

    @property
    def family(self) -> str:
        """The claim of the source that this is a part of, such as C1."""
        return self.id.partition(".")[0]


@dataclass(frozen=True)
class Verdict:
    """A claim judged on one data set of one study."""

    claim: Claim
    dataset: str
    effect: float
    """Median over seeds of the claim's quantity. low and high are its interval, and equal to it
    where there is no chance."""
    low: float
    high: float
    seeds: int
    """0 where there is no chance."""
    verdict: Judgement
    study: Path
    diverged: int
    """Number of seeds that diverged in an arm that the test reads."""
    p: float
    """Two-sided p of a test against the threshold over seeds (see ``p_value``); 1 if the claim is
    undecided, NaN where it does not belong to the family."""
    settings: tuple[str, ...] = ()
    """Settings of its runs that differ from the experiment's."""
    survives: bool = False
    """Whether the verdict still stands among those of its family (``primary.as_families``)."""

    @property
    def in_family(self) -> bool:
        """Whether the verdict rests on seeds, and so counts in the joint judgement."""
        return self.claim.kind == "seeds"


def judgements(low: NDArray, high: NDArray, seeds: int, threshold: Threshold) -> NDArray:
    """The judgement from each of the intervals [``low``, ``high``] over ``seeds`` seeds.

    ``low`` and ``high`` are arrays of one shape; so is the result, an array of Judgement.
    """
    decided = sides(low, high, threshold)
    return decided if seeds >= FEWEST_SEEDS else np.full_like(decided, "inconclusive")


def sides(low: NDArray, high: NDArray, threshold: Threshold) -> NDArray:
    """The side of the threshold on which all of [``low``, ``high``] lies, as ``judgements``.

    "inconclusive" where the interval crosses an end of the threshold.
    """
    inside = (low >= threshold.low) & (high <= threshold.high)
    outside = (high < threshold.low) | (low > threshold.high)
    return np.where(inside, "confirmed", np.where(outside, "refuted", "inconclusive"))


def p_value(values: NDArray, threshold: Threshold, judgement: Judgement) -> float:
    """Two-sided p of the test that the centre of ``values`` (seeds,) lies where ``judgement`` says.

    A t-test, of logarithms where values and limits are positive. An infinite value, a seed that
    failed, has no mean; the test is then a sign test of the median, which counts NaN against
    ``judgement``. 1 for an undecided claim.
    """
    if judgement == "inconclusive":
        return 1.0
    low, high = threshold.low, threshold.high
    with np.errstate(invalid="ignore"):
        positive = (values > 0).all()
    if positive and all(limit > 0 for limit in (low, high) if np.isfinite(limit)):
        values, high = np.log(values), np.log(high)
        low = np.log(low) if low > 0 else -inf
    if judgement == "confirmed":
        doubt = max(_p_above(values, low), _p_above(-values, -high))
    else:
        doubt = min(_p_above(-values, -low), _p_above(values, high))
    return float(min(1.0, 2 * doubt))


def p_of(claim: Claim, values: NDArray, judgement: Judgement) -> float:
    """``p_value`` of a claim's ``values`` (seeds,).

    For a claim ``either_way`` that is refuted, the alternative is a change by less than the
    threshold's factor: a quotient between the threshold's inverse and the threshold.
    """
    limit = claim.threshold.low
    if claim.either_way and judgement == "refuted":
        return p_value(values, Threshold(1 / limit, limit), "confirmed")
    return p_value(values, claim.threshold, judgement)


def _p_above(values: NDArray, limit: float) -> float:
    """One-sided p of the test that the centre of ``values`` is above ``limit``."""
    n = len(values)
    if not np.isfinite(values).all():
        return float(binom.sf((values > limit).sum() - 1, n, 0.5)) if limit > -inf else 0.0
    gap, error = values.mean() - limit, values.std(ddof=1) / np.sqrt(n)
    if error == 0:  # Equal values have no t statistic; the sign test remains.
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
    if claim.either_way:
        quotients = inverted(np.array(list(values.values())))
        values = dict(zip(values, quotients.tolist(), strict=True))
    if claim.divergence != "ignored":
        sign = 1 if claim.divergence == "fails" else -1
        values |= dict.fromkeys(subject_diverged & values.keys(), sign * claim.threshold.worst)
    numbers = np.array(list(values.values()))
    effect, low, high = (float(end) for end in median_interval(numbers))
    if claim.either_way:
        low, high = no_less_than_one(low, high)
    judgement = judgements(np.array(low), np.array(high), len(numbers), claim.threshold).item()
    return Verdict(
        claim=claim,
        dataset=dataset,
        effect=effect,
        low=low,
        high=high,
        seeds=len(numbers),
        verdict=judgement,
        study=root,
        diverged=len((subject_diverged | others_diverged) & values.keys()),
        p=p_of(claim, numbers, judgement) if claim.kind == "seeds" else nan,
    )


def judge_number(claim: Claim, value: float, root: Path) -> Verdict:
    """The verdict on a deterministic ``claim``: ``value`` against the threshold, without seeds."""
    judgement = sides(np.array(value), np.array(value), claim.threshold).item()
    (game,) = claim.datasets
    return Verdict(claim, game, value, value, value, 0, judgement, root, diverged=0, p=nan)
