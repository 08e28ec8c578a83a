"""Claims of the deck's panels R1, R3, R4 and R5 under the authors' own batch norm in G.

They are judged by ``vral reproduce deck``. What is read where:

* A training reading is its mean over the last fifth of the run. A probe's reading is likewise the
  mean over the probes of the last fifth, since VRAL's scores oscillate and an instant decides
  nothing. Fréchet distance and coverage are those of the last probe.
* Competence: a quotient says nothing where its denominator's G has learned nothing. A claim names
  the (arm, ratio) pairs that it divides by; the median coverage of each must be 0.3 or more
  (``verdict.COMPETENT``), and so must that of -log D and LSGAN at 1:1. Otherwise the claim is not
  testable.
  The gates of C2 and C5 on their baselines at 50:1 were added after 50:1 had been run and seen.
* How parts combine: ``answers``. Every VRAL form (``FORMS``) has its own parts. C7 asks further
  that the standard GANs do lose (``C7.panels.loses.*``) and that WGAN-GP keeps what it has at 1:1
  after as many updates of D, and C2 is about the forms beside baselines that do not saturate, not
  beside Standard.

The thresholds stand in ``register.csv``, since before the first run.
"""

from typing import Any

import numpy as np

from vral.claims.outputs import Setting, no_overlap, outputs
from vral.claims.quantities import last, paired, quotient
from vral.claims.register import registered
from vral.claims.verdict import Claim

FORMS = ("vral-meta", "vral-meta-10", "vral-parzen", "vral-parzen-h1")
"""VRAL as first implemented, with ten steps of R and F a D update, and by a Parzen window: ours, so
narrow that D can meet its targets, and the authors' own, of bandwidth 1."""
MATCHING = ("vral-meta+mean", "vral-parzen-h1+mean")
"""Forms whose G matches means instead of aiming at 1."""
NOT_SATURATING = ("nonsaturating", "lsgan")
STANDARD_GANS = ("standard", "nonsaturating", "lsgan")
GATES = tuple((arm, "1") for arm in NOT_SATURATING)
"""The pairs whose coverage gates every claim of the experiment."""


def panel(name: str, *divides_by: tuple[str, str], **fields: Any) -> Claim:
    """A claim of the experiment ``deck``, gated by GATES and by what its effect divides by."""
    return registered(name, experiment="deck", competent=(*GATES, *divides_by), **fields)


GATE = [
    registered(
        f"C0.{arm}",
        experiment="deck",
        statement="The baseline draws samples of the data (the premise of every comparison).",
        source="this project",
        figure="samples",
        restatement=f"{arm}'s coverage at 1:1 is at least 0.3 at the end.",
        would_change="A longer run, or other networks.",
        arms=(arm,),
        ratios=("1",),
        test=last(arm, "coverage", "1"),
    )
    for arm, _ in GATES
]

VANISHING = [
    panel(
        "C1.panels.saturating",
        statement="An overly strong discriminator emits vanishing gradients.",
        source="deck, conclusion 1 and panel R1",
        figure="generator",
        restatement="Standard's signal to G at 50:1 is 1 % of that at 1:1 or less.",
        would_change="A D that is no better at 50:1 than at 1:1.",
        arms=("standard",),
        ratios=("50", "1"),
        test=quotient(last("standard", "signal_fake"), last("standard", "signal_fake", "1")),
    ),
    *(
        panel(
            f"C1.panels.control.{arm}",
            statement="Losses that do not saturate keep their gradient (the control of C1).",
            source="this project",
            figure="generator",
            restatement=f"{arm}'s signal to G at 50:1 is half of that at 1:1 or more.",
            would_change="A D whose slope itself dies where the fakes lie.",
            arms=(arm,),
            ratios=("50", "1"),
            test=quotient(last(arm, "signal_fake"), last(arm, "signal_fake", "1")),
        )
        for arm in (*NOT_SATURATING, "wgan-gp")
    ),
]

NONZERO = [
    panel(
        f"C2.panels.{arm}.{baseline}",
        (baseline, "50"),
        statement="VRAL gives G a stronger signal than losses that do not saturate.",
        source="arXiv 1707.00309, abstract, beside the controls that it lacks",
        figure="generator",
        restatement=f"At 50:1 {arm}'s signal to G is no less than that of {baseline}: at least "
        "1 times it.",
        would_change="Other units of D's scores: the signal scales with them.",
        arms=(arm, baseline),
        test=quotient(last(arm, "signal_fake"), last(baseline, "signal_fake")),
    )
    for arm in FORMS
    for baseline in NOT_SATURATING
]

AT_50 = Setting(panel, "panels", "At 50:1", "50")
OUTPUTS = [
    *(claim for arm in FORMS for claim in outputs(arm, AT_50)),
    *(no_overlap(arm, AT_50) for arm in STANDARD_GANS),
]

VARIANCE = {
    "statement": "The variance of D(G(z)) stays up for VRAL and collapses or explodes for others.",
    "source": "deck, panel R4",
    "figure": "gradients",
}
VARIANCES = [
    *(
        panel(
            f"C4.panels.{arm}",
            **VARIANCE,
            restatement=f"At 50:1 {arm}'s Var D(G(z)) over the last fifth is between 0.5 and 1.5.",
            would_change="A G that collapses leaves D(G(z)) no variance, whatever D is asked for.",
            arms=(arm,),
            test=last(arm, "score_var_fake"),
        )
        for arm in FORMS
    ),
    *(
        panel(
            f"C4.panels.breaks.{arm}",
            **VARIANCE,
            restatement=f"At 50:1 {arm}'s Var D(G(z)) is ten times too small or too large: at "
            "most 0.1 or at least 10.",
            would_change="Another length of training: unbounded scores grow with it.",
            arms=(arm,),
            test=paired(lambda v: np.maximum(v, 1 / v), last(arm, "score_var_fake")),
            divergence="supports",
        )
        for arm in (*STANDARD_GANS, "wgan")
    ),
]

STEADY = {"statement": "‖∇D‖ stays stable for VRAL.", "source": "deck, panel R4"}
SWINGS = [
    claim
    for arm in FORMS
    for claim in (
        panel(
            f"C5.panels.swing.{arm}",
            **STEADY,
            figure="gradients",
            restatement="At 50:1, in the last half, the largest mean ‖∇D‖ of a round of "
            f"{arm} is at most ten times the smallest.",
            would_change="Bursts late in a longer run.",
            arms=(arm,),
            test=last(arm, "grad_norm_swing"),
        ),
        *(
            panel(
                f"C5.panels.than.{arm}.{baseline}",
                (baseline, "50"),
                **STEADY,
                figure="gradients",
                restatement=f"At 50:1 {arm}'s ‖∇D‖ swings no more than {baseline}'s.",
                would_change="A setting in which the other loss is unsteady.",
                arms=(arm, baseline),
                test=quotient(last(arm, "grad_norm_swing"), last(baseline, "grad_norm_swing")),
            )
            for baseline in ("lsgan", "wgan-gp")
        ),
    )
]

ROBUST = {
    "statement": "VRAL is robust to large ratios; standard GANs are not.",
    "source": "deck, goal and conclusion 3",
    "figure": "samples",
}
RATIOS = [
    *(
        panel(
            f"C7.panels.keeps.{arm}",
            (arm, "1"),
            **ROBUST,
            restatement=f"{arm}'s Fréchet distance at 50:1 is at most 1.25 times that at 1:1.",
            would_change="Another number of updates: at 1:1 a slow method is not done.",
            arms=(arm,),
            ratios=("50", "1"),
            test=quotient(last(arm, "frechet"), last(arm, "frechet", "1")),
        )
        for arm in (*FORMS, "wgan-gp")
    ),
    *(
        panel(
            f"C7.panels.loses.{arm}",
            (arm, "1"),
            **ROBUST,
            restatement=f"{arm}'s Fréchet distance at 50:1 is at least twice that at 1:1.",
            would_change="A D that stays weak at 50:1.",
            arms=(arm,),
            ratios=("50", "1"),
            test=quotient(last(arm, "frechet"), last(arm, "frechet", "1")),
            divergence="supports",
        )
        for arm in STANDARD_GANS
    ),
    *(
        panel(
            f"C7.panels.matched.{arm}",
            (f"{arm}+matched", "1"),
            **ROBUST,
            restatement=f"{arm}'s Fréchet distance at 50:1 is at most 1.25 times that at 1:1 after "
            "as many updates of D, which are fifty times as many of G.",
            would_change="A shorter run: G gets fifty times the updates at 1:1.",
            arms=(arm, f"{arm}+matched"),
            ratios=("50", "1"),
            test=quotient(last(arm, "frechet"), last(f"{arm}+matched", "frechet", "1")),
        )
        for arm in (*FORMS, "wgan-gp")
    ),
]

MODE_MATCHING = {
    "statement": "Mode matching lets G learn with a well-trained discriminator.",
    "source": "deck, objectives and conclusions",
    "figure": "samples",
    "would_change": "Baselines tuned less well, or VRAL tuned better.",
}
BEST = ("nonsaturating", "lsgan", "wgan-gp")
LEARNS = [
    panel(
        f"C8.panels.{arm}",
        ("wgan-gp", "50"),
        **MODE_MATCHING,
        restatement=f"At 50:1 {arm} is within 1.25 times the best of -log D, LSGAN and WGAN-GP in "
        "Fréchet distance.",
        arms=(arm, *BEST),
        test=quotient(
            last(arm, "frechet"), paired(min, *(last(other, "frechet") for other in BEST))
        ),
    )
    for arm in (*FORMS, *MATCHING)
] + [
    panel(
        f"C8.panels.learns.{arm}",
        **MODE_MATCHING,
        restatement=f"At 50:1 {arm}'s coverage is at least 0.3 at the end.",
        arms=(arm,),
        test=last(arm, "coverage"),
    )
    for arm in (*FORMS, *MATCHING)
]

PARZEN = [
    panel(
        name,
        ("vral-meta", "50"),
        statement="A Parzen window of D's outputs gives the same benefit.",
        source="deck, density-estimator objective, panels R3 and R4",
        figure="overview",
        restatement=f"At 50:1 {words}'s Fréchet distance is at most 1.25 times VRAL meta's.",
        would_change="Another bandwidth.",
        arms=(arm, "vral-meta"),
        test=quotient(last(arm, "frechet"), last("vral-meta", "frechet")),
    )
    for name, arm, words in (
        ("C9.panels.benefit", "vral-parzen", "VRAL Parzen"),
        ("C9.panels.benefit.h1", "vral-parzen-h1", "VRAL with the authors' Parzen window"),
    )
]

CLAIMS = [
    *(*GATE, *VANISHING, *NONZERO, *OUTPUTS, *VARIANCES),
    *(*SWINGS, *RATIOS, *LEARNS, *PARZEN),
]
"""All claims of the experiment ``deck``, in the order of the tables."""
