"""Q3 and Q4: the ratio as a budget, and whether batch norm in G changes which method is best.

Q3 is judged by ``vral reproduce budget``, Q4 by ``vral reproduce batch-norm``. The thresholds stand
in ``register.csv``, since before the first run.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vral.claims.evidence import Evidence, NotRunError, Values, require_median
from vral.claims.panels import FORMS, GATES, NOT_SATURATING, STANDARD_GANS
from vral.claims.quantities import Test, last, quotient
from vral.claims.register import registered
from vral.claims.verdict import COMPETENT, Claim
from vral.study.experiments import EXPERIMENTS

RATIOS = EXPERIMENTS["budget"].ratios


def _at_every_ratio(
    arm: str, column: str, ratios: Sequence[str], evidence: Evidence
) -> tuple[NDArray, list[int]]:
    """Final values (seeds, ratios) and their seeds; a value that does not exist is NaN."""
    columns = [last(arm, column, ratio)(evidence) for ratio in ratios]
    seeds = sorted(set.intersection(*(set(values) for values in columns)))
    if not seeds:
        raise NotRunError(f"no seed of {arm} is common to the ratios")
    return np.array([[values[seed] for values in columns] for seed in seeds]), seeds


def best_ratio(arm: str, ratios: Sequence[str] = RATIOS) -> Test:
    """The ratio with the least Fréchet distance at the end, for each seed; NaN if there is none.

    Raises NotTestableError as ``best_by_others`` does: the best of failures says nothing.
    """

    def values(evidence: Evidence) -> Values:
        distances, seeds = _at_every_ratio(arm, "frechet", ratios, evidence)
        coverage, _ = _at_every_ratio(arm, "coverage", ratios, evidence)
        best = np.where(np.isnan(distances), np.inf, distances).argmin(1)
        _require(arm, coverage, best)
        numbers = np.array([float(ratio) for ratio in ratios])[best]
        numbers[np.isnan(distances).all(1)] = np.nan
        return dict(zip(seeds, numbers.tolist(), strict=True))

    return values


def best_by_others(arm: str, ratios: Sequence[str] = RATIOS) -> Test:
    """A seed's Fréchet distance at the ratio that is best by the median of the other seeds.

    The least of several noisy values is too small on average; a ratio that other seeds chose is
    not. Raises NotTestableError where that ratio's median coverage says that nothing was learned.
    """

    def values(evidence: Evidence) -> Values:
        distances, seeds = _at_every_ratio(arm, "frechet", ratios, evidence)
        coverage, _ = _at_every_ratio(arm, "coverage", ratios, evidence)
        ranked = np.where(np.isnan(distances), np.inf, distances)
        if len(seeds) < 2:
            raise NotRunError(f"{arm} has one seed, and the best ratio is that of the others")
        chosen = [np.median(np.delete(ranked, i, 0), 0).argmin() for i in range(len(seeds))]
        _require(arm, coverage, np.array(chosen))
        return {seed: float(distances[i, chosen[i]]) for i, seed in enumerate(seeds)}

    return values


def _require(arm: str, coverage: NDArray, best: NDArray) -> None:
    """Raise NotTestableError where each seed's ``coverage`` at its ``best`` ratio is too little."""
    reached = np.take_along_axis(coverage, best[:, None], 1)[:, 0]
    require_median(f"the median coverage of {arm} at its best ratio", reached, COMPETENT)


def _budget(part: str, arm: str, restatement: str, test: Test, **fields: Any) -> Claim:
    return registered(
        f"Q3.{part}.{arm}",
        statement="VRAL is robust to large ratios; standard GANs are not.",
        source="deck, goal and conclusion 3, asked for a budget of D updates",
        experiment="budget",
        figure="budget-d",
        restatement=restatement,
        would_change="A larger budget, of which a large ratio leaves G more updates.",
        arms=(arm,),
        ratios=("50", *(ratio for ratio in RATIOS if ratio != "50")),
        test=test,
        competent=GATES,
        **fields,
    )


BUDGETS = [
    *(
        _budget(
            "keeps",
            arm,
            f"After 50,000 updates of D, {arm}'s Fréchet distance at 50:1 is at most 1.25 times "
            "that at its best ratio.",
            quotient(last(arm, "frechet"), best_by_others(arm)),
        )
        for arm in (*FORMS, "wgan-gp")
    ),
    *(
        _budget(
            "loses",
            arm,
            f"After 50,000 updates of D, {arm}'s Fréchet distance at 50:1 is at least twice that "
            "at its best ratio.",
            quotient(last(arm, "frechet"), best_by_others(arm)),
            divergence="supports",
        )
        for arm in STANDARD_GANS
    ),
    *(
        _budget(
            "large",
            arm,
            f"After 50,000 updates of D, {arm}'s best ratio is 10:1 or larger.",
            best_ratio(arm),
            divergence="ignored",
        )
        for arm in (*FORMS, "wgan-gp")
    ),
    *(
        _budget(
            "small",
            arm,
            f"After 50,000 updates of D, {arm}'s best ratio is 5:1 or smaller.",
            best_ratio(arm),
            divergence="ignored",
        )
        for arm in STANDARD_GANS
    ),
]


def _norm(part: str, restatement: str, over: str, under: str, would_change: str) -> Claim:
    return registered(
        f"Q4.{part}",
        statement="The authors' batch norm in G changes which method is best.",
        source="this project's question",
        experiment="batch-norm",
        figure="norm",
        restatement=restatement,
        would_change=would_change,
        arms=(under, over),
        test=quotient(last(over, "frechet"), last(under, "frechet")),
        competent=(*GATES, (under, "50")),
    )


RANKING = [
    *(
        _norm(
            f"ahead{suffix.replace('+', '.')}.{baseline}",
            f"At 50:1 {with_it} batch norm in G, {baseline}'s Fréchet distance is at least 1.25 "
            "times VRAL meta's.",
            f"{baseline}{suffix}",
            f"vral-meta{suffix}",
            "A longer run, or other learning rates.",
        )
        for suffix, with_it in (("", "with"), ("+plain", "without"))
        for baseline in NOT_SATURATING
    ),
    *(
        _norm(
            f"helps.{arm}",
            f"At 50:1 {arm}'s Fréchet distance without batch norm in G is at least 1.25 times that "
            "with it.",
            f"{arm}+plain",
            arm,
            "A longer run, or other learning rates.",
        )
        for arm in (*NOT_SATURATING, "wgan-gp", *FORMS)
    ),
]
