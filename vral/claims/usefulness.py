"""C2 asked anew: VRAL's signal to G does not vanish, but does it point at the data?

The claims are judged by ``vral reproduce usefulness``. What is read where:

* A reading is its mean over the probes in the last fifth of the run: what a D that has been trained
  on tells G. It is taken on held-out data by ``diagnostics.usefulness``.
* On a held G all methods train their D against the same G, seed by seed, so that a form of VRAL is
  compared with the best of -log D, LSGAN and WGAN-GP by a quotient of the same quantity. "Useful"
  asks for half of the best, since the forms differ by factors, not by per cents. The maximum of
  three noisy readings is too large on average, which is against VRAL.
* No verdict on a dead G: a stage's claims are testable only where G's coverage and its share of the
  data's variance reach what ``STAGES`` asks, where anything is to be divided by only if the best
  baseline's cosine is POINTS or more, and of a trained G only if it is COMPETENT.
* How parts combine (``claims.answers``): a form's signal is useful where both C2.usefulness.FORM
  claims, on the good G, are confirmed. C2.stages say where else it was, C2.chance whether it says
  anything at all. C2.points.good must be confirmed, or the instrument finds no direction where
  the referee found one, and nothing follows from the rest. It was first asked of the early G
  (C2.points.control) and refuted there; of the good G it is asked since five seeds had been
  seen, and judged with ten. C2.moves asks what could reconcile a useless signal on a held G with a
  G that learns: that D's signal is better while G moves.

The thresholds stand in ``register.csv``, since before the first run but for C2.points.good.
"""

import numpy as np
from numpy.typing import NDArray

from vral.claims.evidence import Evidence, Values, require_median
from vral.claims.panels import BEST, FORMS
from vral.claims.quantities import Test, late_probes, paired
from vral.claims.register import registered
from vral.claims.verdict import Claim, Need
from vral.study.experiments import G_HELD_RATIO, STAGES, at_stage
from vral.study.frames import late

FORMS_AND_DAMPED = (*FORMS[:1], "vral-meta+damped", *FORMS[1:])
POINTS = 0.1
"""The least median cosine of a signal that points somewhere; that of random vectors is 0 ± .007."""
COSINE, DROP = "usefulness_cosine", "usefulness_w2_drop"
ALONG, FALL = "cosine with the way to the data", "fall of squared W2 per unit step"
CHANCE = ("", "_permuted", "_permuted_sd", "_random_sd")

SAID = {
    "statement": "VRAL gives G a gradient that does not vanish. Does it point at the data?",
    "source": "arXiv 1707.00309, abstract; what it says of the gradient's norm, asked of its use",
    "experiment": "usefulness",
    "figure": "usefulness",
}


def held(arm: str, stage: str, column: str) -> Test:
    """The mean of ``column`` over the late probes, G of ``stage`` being held."""
    return late_probes(at_stage(arm, stage), column, G_HELD_RATIO)


def alive(stage: str) -> tuple[Need, ...]:
    """What the held G of ``stage`` must reach; it is the same for every method."""
    arm, row = at_stage("wgan-gp", stage), STAGES[stage]
    return (
        Need(arm, G_HELD_RATIO, "coverage", row.coverage),
        Need(arm, G_HELD_RATIO, "usefulness_variance_share", row.variance_share),
    )


def against_the_best(arm: str, stage: str, column: str) -> Test:
    """``column`` of ``arm`` over the largest of BEST. Raises NotTestableError where none points."""

    def largest(column: str) -> Test:
        return paired(lambda *v: np.max(v), *(held(other, stage, column) for other in BEST))

    def values(evidence: Evidence) -> Values:
        found = largest(COSINE)(evidence).values()
        require_median(f"the best cosine of {', '.join(BEST)} on the {stage} G", found, POINTS)
        share = paired(_share, held(arm, stage, column), largest(column))
        return share(evidence)

    return values


def _share(value: float, best: float) -> float:
    """Their quotient; NaN where there is nothing to have a share of."""
    return value / best if best > 0 else float("nan")


def above_chance(arm: str, stage: str) -> Test:
    """How many standard deviations the cosine is above that of the signal's vectors dealt out anew.

    The larger one of the two chance levels' deviations counts; mean over the late probes.
    """

    def reduce(updates: NDArray, value: NDArray, mean: NDArray, *sds: NDArray) -> float:
        return ((value - mean) / np.maximum(*sds))[late(updates)].mean()

    columns = ["d_updates", *(f"{COSINE}{ending}" for ending in CHANCE)]
    name = at_stage(arm, stage)
    return lambda evidence: evidence.by_seed(evidence.probes, name, G_HELD_RATIO, columns, reduce)


def _useful(name: str, form: str, stage: str, column: str, what: str) -> Claim:
    return registered(
        name,
        **SAID,
        restatement=f"On the {stage} G, held, {form}'s {what} is at least half of the best of "
        "-log D, LSGAN and WGAN-GP.",
        would_change="R and F nearer to their optimum, or a D that has been trained for less long.",
        arms=(at_stage(form, stage), *(at_stage(other, stage) for other in BEST)),
        ratios=(G_HELD_RATIO,),
        test=against_the_best(form, stage, column),
        needs=alive(stage),
    )


CONTROLS = [
    registered(
        name,
        **{
            **SAID,
            "statement": "A signal that points at the data is read as one (the control).",
            "source": "this project",
        },
        restatement=f"On the {stage} G, held, the cosine of WGAN-GP's signal with the way to the "
        "data is at least 0.3 above that of its vectors dealt out anew.",
        would_change=change,
        arms=(at_stage("wgan-gp", stage),),
        ratios=(G_HELD_RATIO,),
        test=paired(
            np.subtract, *(held("wgan-gp", stage, f"{COSINE}{ending}") for ending in CHANCE[:2])
        ),
        needs=alive(stage),
    )
    for name, stage, change in (
        ("C2.points.good", "good", "Another data set, or a D that fails to train."),
        (
            "C2.points.control",
            "early",
            "A G that is less nearly a point: from one point all ways to the data are alike.",
        ),
    )
]

CLAIMS = [
    *CONTROLS,
    *(
        _useful(f"C2.usefulness.{form}.{part}", form, "good", column, what)
        for form in FORMS_AND_DAMPED
        for part, column, what in (("cosine", COSINE, ALONG), ("drop", DROP, FALL))
    ),
    *(
        _useful(f"C2.stages.{form}.{stage}", form, stage, COSINE, ALONG)
        for form in FORMS_AND_DAMPED
        for stage in STAGES
        if stage != "good"
    ),
    *(
        registered(
            f"C2.chance.{form}",
            **SAID,
            restatement=f"On the good G, held, the cosine of {form}'s signal is at least 3 "
            "standard deviations above chance.",
            would_change="More fakes: the standard deviation falls with their root.",
            arms=(at_stage(form, "good"),),
            ratios=(G_HELD_RATIO,),
            test=above_chance(form, "good"),
            needs=alive("good"),
        )
        for form in FORMS_AND_DAMPED
    ),
    *(
        registered(
            f"C2.moves.{form}",
            **SAID,
            restatement=f"At 50:1, where G moves, the cosine of {form}'s signal is larger by 0.05 "
            "or more than on the good G that is held.",
            would_change="A G that has come less far points at more: it has further to go.",
            arms=(form, at_stage(form, "good")),
            ratios=("50", G_HELD_RATIO),
            test=paired(np.subtract, late_probes(form, COSINE, "50"), held(form, "good", COSINE)),
            competent=((form, "50"),),
            needs=alive("good"),
        )
        for form in FORMS_AND_DAMPED
    ),
]
"""All claims of the experiment ``usefulness``, in the order of the tables."""
