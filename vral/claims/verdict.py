"""What a claim is, and how values over seeds become a verdict on it.

One rule for every claim. A test gives one value per seed; the effect is their median, with its 95 %
percentile-bootstrap interval over seeds. The claim is confirmed if the whole interval lies within
its threshold, refuted if all of it lies outside on one side, else inconclusive.

How far to trust that: with five seeds the interval is the range, so a null effect (a true median at
the threshold) is called confirmed with probability 2⁻⁵ = 3.1 % and refuted as often, whatever the
law of the values. With n < 5 it would be more than 5 %; such studies are inconclusive.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from vral import study

LEVEL = 0.05
"""Of an interval, and of the whole family of verdicts where they are judged together."""

FEWEST_SEEDS = 5
"""The fewest seeds with which a null effect is called confirmed in at most LEVEL of studies."""

Outcome = Literal["confirmed", "refuted", "inconclusive"]


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
    value does not exist. It raises ``readings.NotRun`` where the study lacks something.
    """

    id: str
    statement: str
    """In the source's words, shortened."""
    source: str
    restatement: str
    experiment: str
    """Row of EXPERIMENTS whose records judge it."""
    figure: str
    """File name of the figure it belongs to, without its ending."""
    quantity: str
    """What the effect is, with its unit."""
    threshold: Threshold
    would_change: str
    """What would change the verdict."""
    arms: tuple[str, ...]
    """Arms the test reads; the first is the subject, the others are what it is compared with."""
    test: Callable[[Any], dict[int, float]] = field(repr=False, compare=False)
    datasets: tuple[str, ...] = ()
    """Data sets it speaks of; all if empty."""
    divergence_supports: bool = False
    """Whether a subject that diverged is what the claim says."""
    history: tuple[Registered, ...] = ()
    """Its thresholds with their dates, the one in force last."""


@dataclass(frozen=True)
class Verdict:
    """A claim judged on one data set of one study."""

    claim: Claim
    dataset: str
    effect: float
    """Median over seeds of the claim's quantity; low and high are its 95 % interval."""
    low: float
    high: float
    seeds: int
    verdict: Outcome
    study: Path
    diverged: int
    """How many of the seeds diverged in an arm that the test reads."""
    p: float
    """Of a t-test against the threshold over seeds, two-sided; 1 if the claim is undecided."""
    survives: bool = False
    """Whether the verdict still stands when all verdicts of the ledger are judged as one family."""
