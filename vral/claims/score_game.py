"""Claims about the linearised game of scores: when VRAL meets its targets and when it fails (T9).

They are judged by ``vral reproduce score-game``, whose ``measured.csv`` has rows for every seed.
The thresholds stand in ``register.csv``, since before the first run and after pilots at other
seeds (``score_map`` says what was chosen after them).

No verdict where the held G is dead: scores of fakes that are nothing like the data say nothing of
VRAL. G is the same in every cell of a seed, and must cover half of the data in the median seed.
"""

from collections.abc import Callable
from typing import Any

from vral.claims.evidence import Numbers, Values, require_median
from vral.claims.quantities import measured_by_seed
from vral.claims.register import registered
from vral.claims.verdict import Claim
from vral.dynamics import score_map

METHOD = "vral-meta"
COVERED = 0.5
"""The least median coverage over seeds of the held G, as ``STAGES`` asks it of a good one."""


def of_a_live_g(quantity: str) -> Callable[[Numbers], Values]:
    """``measured_by_seed``; it raises NotTestableError where the held G covers too little."""

    def values(numbers: Numbers) -> Values:
        found = measured_by_seed(quantity)(numbers)
        coverage = measured_by_seed(score_map.COVERAGE)(numbers).values()
        require_median(f"the median {score_map.COVERAGE}", coverage, COVERED)
        return found

    return values


def scored(name: str, quantity: str, **fields: Any) -> Claim:
    """The claim ``name`` on one quantity of ``measured.csv``, which has a row for every seed.

    Raises ValueError where the register asks for another quantity.
    """
    claim = registered(
        name,
        source="this project, on the deck's future work 2",
        experiment=score_map.EXPERIMENT,
        figure=score_map.EXPERIMENT,
        arms=(METHOD,),
        ratios=(),
        datasets=("digits",),
        test=of_a_live_g(quantity),
        divergence="ignored",
        **fields,
    )
    if claim.quantity != quantity:
        raise ValueError(f"{name} measures {quantity}; the register has {claim.quantity}")
    return claim


STEPS = "What VRAL's outputs lack are steps of R and F for each of D's."
DAMPING = "Where the linearised game of scores is damped, VRAL meets its targets."
CLAIMS = [
    scored(
        "T9.steps.one",
        score_map.ONE_STEP,
        statement=STEPS,
        restatement="With one step of R and F a D update, λ = 0 and equal learning rates, C3 holds "
        "at no more than 25 % of the late probes.",
        would_change="A slower D.",
    ),
    scored(
        "T9.steps.ten",
        score_map.TEN_STEPS,
        statement=STEPS,
        restatement="With ten steps, all else equal, C3 holds at 50 % or more.",
        would_change="A G that is harder to tell from the data, or a D that learns them by heart.",
    ),
    scored(
        "T9.steps.critical",
        score_map.STEPS_NEEDED,
        statement=DAMPING,
        restatement="The fewest steps with which C3 holds at half of the late probes are between "
        "0.5 and 2 times n*.",
        would_change="Modes of the scores beyond mean and standard deviation that decide.",
    ),
    scored(
        "T9.line",
        score_map.DAMPED_SIDE,
        statement=DAMPING,
        restatement="Over the map of τ and λ, the share of late probes at which C3 holds is larger "
        "by 0.3 or more on the damped side of λ*(τ).",
        would_change="So much penalty that D hardly moves in the time it has.",
    ),
    scored(
        "T9.cells",
        score_map.DAMPED_CELLS,
        statement=DAMPING,
        restatement="Over the map, the share of late probes at which C3 holds is larger by 0.3 or "
        "more where the damping ratio ζ, at the cell's own Adam state, is above 0.157: where a "
        "swing falls by e each turn.",
        would_change="Play so far from its targets that its linearisation says nothing.",
    ),
    scored(
        "T9.rank",
        score_map.RANK,
        statement=DAMPING,
        restatement="Over the map, ζ at the cell's own Adam state has a rank correlation of -0.5 "
        "or less with the measured KS distance.",
        would_change="Play so far from its targets that its linearisation says nothing.",
    ),
]
