"""CLAIMS: what the sources say, each part made precise enough to fail.

The thresholds are those of the project's specification where it names one. ``register.csv`` has the
date of each; a changed threshold needs a new line there (tests/claims/test_catalogue.py), and the
claim's ``history`` carries both.
"""

import csv
from collections import defaultdict
from dataclasses import replace
from functools import partial
from importlib.resources import files
from typing import Any

import numpy as np

from vral.claims.readings import (
    end_over_peak,
    end_over_start,
    last,
    late_probes,
    measured,
    over_arms,
    paired,
    path_swing,
    quotient,
    rank_correlation,
    scale_gap,
    spread,
    worst_poincare,
)
from vral.claims.verdict import Claim, Registered, Threshold
from vral.data.datasets import MODES
from vral.study.legacy import filler_variance

DECK_SEVEN = ("standard", "nonsaturating", "lsgan", "wgan", "wgan-gp", "vral-meta", "vral-parzen")


def at_least(number: float) -> Threshold:
    return Threshold(low=number)


def at_most(number: float) -> Threshold:
    return Threshold(high=number)


OVERLY_STRONG_D = {
    "statement": "An overly strong discriminator emits vanishing gradients.",
    "source": "deck, conclusion 1 and panel R1",
}
HELD_RATIO = "200"
held_last = partial(last, ratio=HELD_RATIO)
HELD = {"experiment": "well-trained", "figure": "signal", "ratios": (HELD_RATIO,)}
"""G is held; D is trained from its start on for 60 times the warm-up W, a round being one W."""
TRAINING = {"experiment": "ratios", "figure": "generator"}
"""G moves, at 50 D updates to 1."""

C1 = [
    Claim(
        id="C1.saturating",
        **OVERLY_STRONG_D,
        **HELD,
        restatement="G held, D trained 60 W updates: Standard's median signal to G ends at 1 % of "
        "its largest value or less.",
        quantity="median ‖∂l_G/∂G(z)‖ of Standard at the end over its maximum in time",
        threshold=at_most(0.01),
        would_change="A D that stays uncertain: too small, too noisy, or trained too briefly.",
        arms=("standard",),
        test=end_over_peak("standard", "median_signal_fake", HELD_RATIO),
    ),
    *(
        Claim(
            id=f"C1.control.{arm}",
            statement="Losses that do not saturate keep their gradient (the control of C1).",
            source="this project",
            **HELD,
            restatement=f"As C1.saturating, but {arm}'s median signal stays above 1 % of its "
            "largest value.",
            quantity=f"median ‖∂l_G/∂G(z)‖ of {arm} at the end over its maximum in time",
            threshold=at_least(0.01),
            would_change="A D whose slope itself dies where the fakes lie.",
            arms=(arm,),
            test=end_over_peak(arm, "median_signal_fake", HELD_RATIO),
        )
        for arm in ("nonsaturating", "lsgan", "wgan-gp")
    ),
    Claim(
        id="C1.logit",
        statement="What vanishes is the gradient through the sigmoid, not that of D's logit.",
        source="this project, against the deck's ‖∇D‖ panels",
        **HELD,
        restatement="As C1.saturating, but the median ‖∇ₓD‖ of Standard's logit stays above 1 % "
        "of its largest value.",
        quantity="median ‖∇ₓD(G(z))‖ of Standard's logit at the end over its maximum in time",
        threshold=at_least(0.01),
        would_change="A D whose logit goes flat around the fakes.",
        arms=("standard",),
        test=end_over_peak("standard", "median_grad_norm_fake", HELD_RATIO),
    ),
    Claim(
        id="C1.training",
        **OVERLY_STRONG_D,
        **TRAINING,
        restatement="While G trains: Standard's signal to G at 50:1 is 1 % of that at 1:1 or less.",
        quantity="E‖∂l_G/∂G(z)‖ of Standard at 50:1 over that at 1:1, last fifth of the run",
        threshold=at_most(0.01),
        would_change="A D that is no better at 50:1 than at 1:1.",
        arms=("standard",),
        ratios=("50", "1"),
        test=quotient(last("standard", "signal_fake"), last("standard", "signal_fake", "1")),
    ),
    Claim(
        id="C1.eps",
        **OVERLY_STRONG_D,
        **TRAINING,
        restatement="At 50:1 half of Standard's G gradient or more lies below Adam's ε, so that G "
        "stands still.",
        quantity="share of coordinates of G's gradient below Adam's ε, Standard at 50:1",
        threshold=at_least(0.5),
        would_change="A smaller ε: Adam is scale invariant above it.",
        arms=("standard",),
        test=last("standard", "g_grad_below_eps"),
    ),
]

NONZERO = {
    "statement": "VRAL gives G a non-zero gradient even with a perfect classifier.",
    "source": "arXiv 1707.00309, abstract",
}
C2 = [
    claim
    for arm in ("vral-meta", "vral-parzen")
    for claim in (
        Claim(
            id=f"C2.time.{arm}",
            **NONZERO,
            **HELD,
            restatement=f"G held: {arm}'s median signal after 60 W updates of D is half of that "
            "after W or more.",
            quantity=f"median ‖∂l_G/∂G(z)‖ of {arm} at the end over that at T = W",
            threshold=at_least(0.5),
            would_change="Training D further, if the signal is still falling at the end.",
            arms=(arm,),
            test=end_over_start(arm, "median_signal_fake", HELD_RATIO),
        ),
        Claim(
            id=f"C2.standard.{arm}",
            **NONZERO,
            **HELD,
            restatement=f"G held: {arm}'s median signal at the end is ten times Standard's or "
            "more.",
            quantity=f"median ‖∂l_G/∂G(z)‖ of {arm} over that of Standard, at the end",
            threshold=at_least(10.0),
            would_change="A Standard D that does not saturate.",
            arms=(arm, "standard"),
            test=quotient(
                held_last(arm, "median_signal_fake"), held_last("standard", "median_signal_fake")
            ),
        ),
        Claim(
            id=f"C2.training.{arm}",
            **NONZERO,
            **TRAINING,
            restatement=f"While G trains at 50:1, {arm}'s signal is ten times Standard's or more.",
            quantity=f"E‖∂l_G/∂G(z)‖ of {arm} over that of Standard at 50:1",
            threshold=at_least(10.0),
            would_change="A Standard D that does not saturate at 50:1.",
            arms=(arm, "standard"),
            test=quotient(last(arm, "signal_fake"), last("standard", "signal_fake")),
        ),
        Claim(
            id=f"C2.parameters.{arm}",
            **NONZERO,
            **TRAINING,
            restatement=f"At 50:1 the gradient reaches G's parameters: less than half of {arm}'s "
            "coordinates lie below Adam's ε.",
            quantity=f"share of coordinates of G's gradient below Adam's ε, {arm} at 50:1",
            threshold=at_most(0.5),
            would_change="A G that has collapsed passes no gradient on, whatever D says.",
            arms=(arm,),
            test=last(arm, "g_grad_below_eps"),
        ),
    )
] + [
    Claim(
        id="C2.perfect",
        **{**NONZERO, "statement": "VRAL's own D is a perfect classifier (the premise of C2)."},
        **HELD,
        restatement="In the last fifth, VRAL's own D has a held-out AUC of 0.95 or more on average "
        "(N(0,1) and N(1,1) would give 0.76).",
        quantity="held-out AUC of VRAL meta's D, mean over the last fifth",
        threshold=at_least(0.95),
        would_change="Targets further apart: at means ∓1 the ideal AUC is 0.92.",
        arms=("vral-meta",),
        test=late_probes("vral-meta", "auc", HELD["ratios"][0]),
    )
]

MATCHES = {
    "statement": "D's outputs match smooth, overlapping Gaussians N(0,1) and N(1,1).",
    "source": "arXiv 1707.00309, abstract; deck, panel R3",
}
CONTRAST = "Without it the outputs do not overlap (the contrast of C3)."
KEEPING_UP = "Meta-discriminators that keep up with D: wider ones, faster ones, or a slower D."
TARGETS = {"fake": 0.0, "real": 1.0}


def _output_claims(suffix: str, setting: dict[str, Any], where: str) -> list[Claim]:
    """C3 for VRAL meta, and the contrast with Standard, in one experiment."""
    far = {"arms": ("vral-meta",), **MATCHES, **setting}
    end = partial(last, ratio=setting.get("ratios", ("50",))[0])
    parts = []
    for side, target in TARGETS.items():
        mean, variance = f"held_out_mean_{side}", f"held_out_var_{side}"
        parts += [
            Claim(
                id=f"C3.mean-{side}{suffix}",
                **far,
                restatement=f"{where}, the mean of D on held-out {side} samples is within 0.2 of "
                f"{target:g}.",
                quantity=f"|mean of D - {target:g}| on {side} samples, VRAL meta",
                threshold=at_most(0.2),
                would_change=KEEPING_UP,
                test=paired(lambda m, at=target: abs(m - at), end("vral-meta", mean)),
            ),
            Claim(
                id=f"C3.sd-{side}{suffix}",
                **far,
                restatement=f"{where}, the standard deviation of D on held-out {side} samples is "
                "within 0.2 of 1.",
                quantity=f"|standard deviation of D - 1| on {side} samples, VRAL meta",
                threshold=at_most(0.2),
                would_change=KEEPING_UP,
                test=paired(lambda v: abs(np.sqrt(v) - 1), end("vral-meta", variance)),
            ),
            Claim(
                id=f"C3.ks-{side}{suffix}",
                **far,
                restatement=f"{where}, the Kolmogorov-Smirnov distance of D's held-out {side} "
                f"scores to N({target:g},1) is at most 0.1.",
                quantity=f"KS distance to N({target:g},1) on {side} samples, VRAL meta",
                threshold=at_most(0.1),
                would_change=KEEPING_UP,
                test=end("vral-meta", f"ks_{side}"),
            ),
        ]
    return [
        *parts,
        Claim(
            id=f"C3.overlap{suffix}",
            **far,
            restatement=f"{where}, the two score densities overlap by 0.4 or more (ideal 0.617).",
            quantity="overlap of the real and the fake score density, VRAL meta",
            threshold=at_least(0.4),
            would_change="A D that gives up the targets to tell the classes apart.",
            test=end("vral-meta", "overlap"),
        ),
        Claim(
            id=f"C3.overlap-standard{suffix}",
            **{**far, "arms": ("standard",), "statement": CONTRAST},
            restatement=f"{where}, Standard's score densities overlap by 0.05 at most.",
            quantity="overlap of the real and the fake score density, Standard",
            threshold=at_most(0.05),
            would_change="A G that is good, or a D that is weak.",
            test=end("standard", "overlap"),
        ),
    ]


C3 = [
    *_output_claims("", {"experiment": "ratios", "figure": "histograms"}, "At 50:1"),
    *_output_claims(".held", {**HELD, "figure": "histograms"}, "G held, D trained to the end"),
]

VARIANCE_STAYS = {
    "statement": "The variance of D(G(z)) stays up for VRAL and collapses or explodes for others.",
    "source": "deck, panel R4",
    "experiment": "ratios",
    "figure": "gradients",
}
C4 = [
    *(
        Claim(
            id=f"C4.{arm}",
            **VARIANCE_STAYS,
            restatement=f"At 50:1 {arm}'s Var D(G(z)) over the last fifth is between 0.5 and 1.5.",
            quantity=f"Var D(G(z)) of {arm} at 50:1",
            threshold=Threshold(0.5, 1.5),
            would_change="A G that collapses leaves D(G(z)) no variance, whatever D is asked for.",
            arms=(arm,),
            test=last(arm, "score_var_fake"),
        )
        for arm in ("vral-meta", "vral-parzen")
    ),
    Claim(
        id="C4.lsgan",
        **VARIANCE_STAYS,
        restatement="At 50:1 LSGAN's Var D(G(z)) is at most 0.1.",
        quantity="Var D(G(z)) of LSGAN at 50:1",
        threshold=at_most(0.1),
        would_change="A D that cannot fit its codes.",
        arms=("lsgan",),
        test=last("lsgan", "score_var_fake"),
    ),
    *(
        Claim(
            id=f"C4.{arm}",
            **VARIANCE_STAYS,
            restatement=f"At 50:1 {arm}'s Var D(G(z)) is ten times too small or too large: at "
            "most 0.1 or at least 10.",
            quantity=f"larger of Var D(G(z)) and its inverse, {arm} at 50:1",
            threshold=at_least(10.0),
            would_change="Another length of training: unbounded scores grow with it.",
            arms=(arm,),
            test=paired(lambda v: np.maximum(v, 1 / v), last(arm, "score_var_fake")),
            divergence="supports",
        )
        for arm in ("standard", "nonsaturating", "wgan")
    ),
]

STEADY = {"statement": "‖∇D‖ stays stable for VRAL.", "source": "deck, panel R4"}
C5 = [
    *(
        claim
        for arm in ("vral-meta", "vral-parzen")
        for claim in (
            Claim(
                id=f"C5.swing.{arm}",
                **STEADY,
                experiment="ratios",
                figure="gradients",
                restatement=f"At 50:1, in the last half, the largest mean ‖∇D‖ of a round of {arm} "
                "is at most ten times the smallest.",
                quantity=f"largest over smallest E‖∇D(G(z))‖ in the last half, {arm} at 50:1",
                threshold=at_most(10.0),
                would_change="Bursts late in a longer run.",
                arms=(arm,),
                test=last(arm, "grad_norm_swing"),
            ),
            Claim(
                id=f"C5.seeds.{arm}",
                **STEADY,
                experiment="ratios",
                figure="gradients",
                restatement=f"At 50:1 E‖∇D‖ of {arm} has a coefficient of variation over seeds of "
                "0.5 at most; judged on each seed's distance from the others' mean, in units in "
                "which a normal law's median distance is that coefficient. It says little of rare "
                "bad seeds, which make the coefficient of other laws.",
                quantity=f"scaled relative distance of a seed's E‖∇D(G(z))‖ to the others, {arm}",
                threshold=at_most(0.5),
                would_change="More seeds: a rare bad one needs many to be seen.",
                arms=(arm,),
                test=spread(last(arm, "grad_norm_fake")),
            ),
        )
    ),
    *(
        Claim(
            id=f"C5.than.{arm}",
            **STEADY,
            experiment="ratios",
            figure="gradients",
            restatement=f"At 50:1 VRAL meta's ‖∇D‖ swings no more than {arm}'s.",
            quantity=f"largest over smallest E‖∇D(G(z))‖ of VRAL meta over that of {arm}",
            threshold=at_most(1.0),
            would_change="A setting in which the other loss is unsteady.",
            arms=("vral-meta", arm),
            test=quotient(last("vral-meta", "grad_norm_swing"), last(arm, "grad_norm_swing")),
        )
        for arm in ("standard", "lsgan", "wgan-gp")
    ),
    *(
        Claim(
            id=f"C5.path.{pairing}",
            **STEADY,
            experiment="interpolation",
            figure="interpolation",
            restatement=f"Along {pairing} pairs from real to fake, VRAL meta's mean ‖∇D‖ varies at "
            "most tenfold.",
            quantity="largest over smallest mean ‖∇D‖ over γ in [0, 1], VRAL meta at 50:1",
            threshold=at_most(10.0),
            would_change="Pairs further apart: between them D has never been trained.",
            arms=("vral-meta",),
            test=path_swing("vral-meta", pairing),
        )
        for pairing in ("random", "nearest")
    ),
]

INTERPRETATION = {
    "statement": "A D of bounded variance is a Lipschitz D: the variance interpretation.",
    "source": "deck, conclusion 2",
    "experiment": "lipschitz",
    "figure": "lipschitz",
}
LIPSCHITZ_ARMS = (*DECK_SEVEN, "r1", "moment")
C6 = [
    Claim(
        id="C6.correlation",
        **INTERPRETATION,
        restatement="Over methods × checkpoints, within each seed, Var D(G(z)) and D's empirical "
        "Lipschitz constant have a rank correlation of 0.7 or more.",
        quantity="Spearman's correlation of Var D(G(z)) and the 99.9th percentile of ‖∇D‖",
        threshold=at_least(0.7),
        would_change="Other methods: the correlation is one of the methods compared.",
        arms=LIPSCHITZ_ARMS,
        divergence="ignored",
        test=over_arms(LIPSCHITZ_ARMS, "held_out_var_fake", "lipschitz", rank_correlation),
    ),
    Claim(
        id="C6.poincare",
        statement="Var D(G(z)) ≤ E‖∇_z D(G(z))‖²: a variance of 1 keeps G's gradient in z up.",
        source="the Gaussian Poincaré inequality; this project",
        experiment="lipschitz",
        figure="lipschitz",
        restatement="The inequality holds at every checkpoint of every method, up to 10 % for the "
        "sampling error of 2000 latents.",
        quantity="largest Var D(G(z)) / E‖∇_z D(G(z))‖² over methods and checkpoints",
        threshold=at_most(1.1),
        would_change="Nothing but a defect of the code: it is a theorem.",
        arms=LIPSCHITZ_ARMS,
        divergence="ignored",
        test=over_arms(LIPSCHITZ_ARMS, "held_out_var_fake", "latent_grad_square", worst_poincare),
    ),
    Claim(
        id="C6.lipschitz",
        **INTERPRETATION,
        restatement="At 50:1 VRAL meta's empirical Lipschitz constant is at most twice WGAN-GP's.",
        quantity="99.9th percentile of ‖∇D‖ on interpolates, VRAL meta over WGAN-GP",
        threshold=at_most(2.0),
        would_change="A gradient penalty on VRAL's D, as its co-author's later port has.",
        arms=("vral-meta", "wgan-gp"),
        test=quotient(last("vral-meta", "lipschitz"), last("wgan-gp", "lipschitz")),
    ),
]

ROBUST = {
    "statement": "VRAL is robust to large ratios; standard GANs are not.",
    "source": "deck, goal and conclusion 3",
    "experiment": "ratios",
    "figure": "samples",
}
C7 = [
    Claim(
        id="C7.frechet",
        **ROBUST,
        restatement="VRAL meta's Fréchet distance at 50:1 is at most 1.25 times that at 1:1.",
        quantity="Fréchet distance of VRAL meta at 50:1 over that at 1:1",
        threshold=at_most(1.25),
        would_change="A better 1:1 run: the quotient says nothing of how good either is.",
        arms=("vral-meta",),
        ratios=("50", "1"),
        test=quotient(last("vral-meta", "frechet"), last("vral-meta", "frechet", "1")),
    ),
    Claim(
        id="C7.standard",
        **ROBUST,
        restatement="Standard's Fréchet distance at 50:1 is at least twice that at 1:1.",
        quantity="Fréchet distance of Standard at 50:1 over that at 1:1",
        threshold=at_least(2.0),
        would_change="A D that stays weak at 50:1.",
        arms=("standard",),
        ratios=("50", "1"),
        test=quotient(last("standard", "frechet"), last("standard", "frechet", "1")),
        divergence="supports",
    ),
    Claim(
        id="C7.coverage",
        **ROBUST,
        restatement="VRAL meta's coverage at 50:1 is at least 95 % of that at 1:1.",
        quantity="coverage of VRAL meta at 50:1 over that at 1:1",
        threshold=at_least(0.95),
        would_change="A better 1:1 run.",
        arms=("vral-meta",),
        ratios=("50", "1"),
        test=quotient(last("vral-meta", "coverage"), last("vral-meta", "coverage", "1")),
    ),
]

MODE_MATCHING = {
    "statement": "Mode matching lets G learn with a well-trained discriminator.",
    "source": "deck, objectives and conclusions",
    "figure": "samples",
}
C8 = [
    Claim(
        id="C8.target",
        **MODE_MATCHING,
        experiment="ratios",
        restatement="At 50:1 VRAL meta (G aims at 1) is within 1.25 times the better of LSGAN and "
        "WGAN-GP.",
        quantity="Fréchet distance of VRAL meta over the smaller of LSGAN's and WGAN-GP's",
        threshold=at_most(1.25),
        would_change="Baselines tuned less well, or VRAL tuned better.",
        arms=("vral-meta", "lsgan", "wgan-gp"),
        test=quotient(
            last("vral-meta", "frechet"),
            paired(np.minimum, last("lsgan", "frechet"), last("wgan-gp", "frechet")),
        ),
    ),
    Claim(
        id="C8.mean",
        **MODE_MATCHING,
        experiment="ratios",
        restatement="At 50:1 VRAL meta with mean matching is within 1.25 times the better of LSGAN "
        "and WGAN-GP.",
        quantity="Fréchet distance of vral-meta+mean over the smaller of LSGAN's and WGAN-GP's",
        threshold=at_most(1.25),
        would_change="Baselines tuned less well, or VRAL tuned better.",
        arms=("vral-meta+mean", "lsgan", "wgan-gp"),
        test=quotient(
            last("vral-meta+mean", "frechet"),
            paired(np.minimum, last("lsgan", "frechet"), last("wgan-gp", "frechet")),
        ),
    ),
    Claim(
        id="C8.mean-target",
        **MODE_MATCHING,
        experiment="ratios",
        restatement="At 50:1 matching the means does at least as well as aiming at 1.",
        quantity="Fréchet distance of VRAL meta with mean matching over that with G aiming at 1",
        threshold=at_most(1.0),
        would_change="(D(G(z))-1)² punishes the variance D is asked for; less so if that is small.",
        arms=("vral-meta+mean", "vral-meta"),
        test=quotient(last("vral-meta+mean", "frechet"), last("vral-meta", "frechet")),
    ),
]

PARZEN = {
    "statement": "A Parzen window of D's outputs gives the same benefit.",
    "source": "deck, density-estimator objective, panels R3 and R4",
}


def _sd_off(arm: str):
    """How far the sd of the class that is further off lies from the middle of [0.8, 1.1]."""
    return paired(
        lambda real, fake: max(abs(np.sqrt(real) - 0.95), abs(np.sqrt(fake) - 0.95)),
        last(arm, "score_var_real"),
        last(arm, "score_var_fake"),
    )


C9 = [
    Claim(
        id="C9.no-variance",
        statement="At the authors' h = 1 the forward KL asks for no variance at all.",
        source="this project: the optimum is max(0, 1 - h²)",
        experiment="parzen",
        figure="parzen",
        restatement="Forward KL, h = 1, 50:1: D's standard deviation is at most 0.3 on real and on "
        "fake samples.",
        quantity="larger of the two standard deviations of D, vral-parzen at h = 1",
        threshold=at_most(0.3),
        would_change="A D that cannot contract its scores.",
        arms=("vral-parzen+h=1",),
        test=paired(
            lambda real, fake: np.sqrt(max(real, fake)),
            last("vral-parzen+h=1", "score_var_real"),
            last("vral-parzen+h=1", "score_var_fake"),
        ),
    ),
    *(
        claim
        for kind, widths in {
            "forward": ("0.2", "0.3", "0.5", "1"),
            "backward": ("0.2", "0.3", "0.5", "1"),
        }.items()
        for h in widths
        for arm in [f"vral-parzen+h={h}" + ",backward" * (kind == "backward")]
        for claim in (
            Claim(
                id=f"C9.sd.{kind}.h={h}",
                **PARZEN,
                experiment="parzen",
                figure="parzen",
                restatement=f"{kind.capitalize()} KL, h = {h}, 50:1: D's standard deviation is "
                "between 0.8 and 1.1 on real and on fake samples"
                + " (the authors' setting)." * (h == "1" and kind == "forward")
                + "." * (h != "1" or kind != "forward"),
                quantity="distance of D's standard deviation to 0.95, the further class",
                threshold=at_most(0.15),
                would_change="A G that collapses leaves D(G(z)) no variance.",
                arms=(arm,),
                test=_sd_off(arm),
            ),
            Claim(
                id=f"C9.gradient.{kind}.h={h}",
                **PARZEN,
                experiment="parzen",
                figure="parzen",
                restatement=f"{kind.capitalize()} KL, h = {h}, 50:1: the gradient reaches G; less "
                "than half of its coordinates lie below Adam's ε.",
                quantity="share of coordinates of G's gradient below Adam's ε",
                threshold=at_most(0.5),
                would_change="A smaller ε.",
                arms=(arm,),
                test=last(arm, "g_grad_below_eps"),
            ),
        )
    ),
    Claim(
        id="C9.benefit",
        **PARZEN,
        experiment="ratios",
        figure="overview",
        restatement="At 50:1 VRAL Parzen (h = 0.3) is within 1.25 times VRAL meta.",
        quantity="Fréchet distance of VRAL Parzen over that of VRAL meta at 50:1",
        threshold=at_most(1.25),
        would_change="A bandwidth or a KL with which G does not collapse.",
        arms=("vral-parzen", "vral-meta"),
        test=quotient(last("vral-parzen", "frechet"), last("vral-meta", "frechet")),
    ),
]

CLIPPING = {
    "statement": "Clipping gives unstable gradient norms; a gradient penalty mends that.",
    "source": "deck, alternatives",
    "experiment": "clipping",
    "figure": "clipping",
}
C10 = [
    *(
        Claim(
            id=f"C10.clip={clip}",
            **CLIPPING,
            restatement=f"With weights clipped at {clip}, ‖∇D‖ varies at least twice as much over "
            "time as with a gradient penalty.",
            quantity=f"coefficient of variation over time of E‖∇D(G(z))‖, clip {clip} over WGAN-GP",
            threshold=at_least(2.0),
            would_change="Another clip, or a penalty so weak that it does not bind.",
            arms=(arm, "wgan-gp"),
            test=quotient(
                last(arm, "grad_norm_variation", "5"),
                last("wgan-gp", "grad_norm_variation", "5"),
            ),
            ratios=("5",),
            divergence="supports",
        )
        for clip, arm in (("0.01", "wgan+clip=0.01"), ("0.1", "wgan"))
    ),
    Claim(
        id="C10.clip-all",
        statement="The original's WGAN panel shows a critic that its clip-everything defect has "
        "crippled.",
        source="this project; spec section 4.5",
        experiment="clipping",
        figure="clipping",
        restatement="With Adam's state clipped too, the critic's ‖∇D‖ is a tenth of that with "
        "weights clipped, or less.",
        quantity="E‖∇D(G(z))‖ with everything clipped over that with weights clipped",
        threshold=at_most(0.1),
        would_change="Enough updates: a slow critic arrives later.",
        arms=("wgan+clip-all", "wgan"),
        test=quotient(
            last("wgan+clip-all", "grad_norm_fake", "5"), last("wgan", "grad_norm_fake", "5")
        ),
        ratios=("5",),
    ),
]

NOISE = {
    "statement": "Noise in D's layers promotes variance in its output.",
    "source": "deck, alternatives",
    "experiment": "noise",
    "figure": "noise",
    "ratios": (HELD_RATIO,),
}
C11 = [
    claim
    for noise in ("hidden=0.1", "hidden=0.3", "input=0.1", "input=0.3")
    for arm in [f"standard+{noise}"]
    for claim in (
        Claim(
            id=f"C11.variance.{noise}",
            **NOISE,
            restatement=f"G held, Standard with noise {noise}: Var D(G(z)), read without noise, is "
            "at the end at least twice that of Standard without.",
            quantity=f"Var D(G(z)) of {arm} over Standard's, at the end",
            threshold=at_least(2.0),
            would_change="More noise, up to where D can no longer tell.",
            arms=(arm, "standard"),
            test=quotient(
                held_last(arm, "held_out_var_fake"), held_last("standard", "held_out_var_fake")
            ),
        ),
        Claim(
            id=f"C11.signal.{noise}",
            **NOISE,
            restatement=f"G held, Standard with noise {noise}: the median signal to G is at the "
            "end at least twice that of Standard without.",
            quantity=f"median ‖∂l_G/∂G(z)‖ of {arm} over Standard's, at the end",
            threshold=at_least(2.0),
            would_change="More noise, up to where D can no longer tell.",
            arms=(arm, "standard"),
            test=quotient(
                held_last(arm, "median_signal_fake"), held_last("standard", "median_signal_fake")
            ),
        ),
        Claim(
            id=f"C11.auc.{noise}",
            **{**NOISE, "statement": "Noise costs D no accuracy (the premise of C11)."},
            restatement=f"G held, Standard with noise {noise}: held-out AUC drops by 0.05 at most.",
            quantity=f"held-out AUC of Standard less that of {arm}, at the end",
            threshold=at_most(0.05),
            would_change="Classes that are harder to tell apart.",
            arms=(arm, "standard"),
            test=paired(np.subtract, held_last("standard", "auc"), held_last(arm, "auc")),
        ),
    )
]

ENFORCED = {
    "statement": "Is a Lipschitz function actually being enforced by regularising D?",
    "source": "deck, future work 1",
    "experiment": "necessity",
    "figure": "necessity",
}
FAILS = {
    "statement": "Why does the method fail under certain hyperparameters?",
    "source": "deck, future work 2",
    "experiment": "necessity",
    "figure": "necessity",
}
QUESTIONS = [
    Claim(
        id="Q1.lipschitz",
        **ENFORCED,
        restatement="At 50:1 VRAL meta's empirical Lipschitz constant is at most half of that "
        "without a regulariser (LSGAN 0/1).",
        quantity="99.9th percentile of ‖∇D‖ on interpolates, VRAL meta over LSGAN 0/1",
        threshold=at_most(0.5),
        would_change="A baseline that is smooth by itself.",
        arms=("vral-meta", "lsgan-01"),
        test=quotient(last("vral-meta", "lipschitz"), last("lsgan-01", "lipschitz")),
    ),
    Claim(
        id="Q1.r1",
        **ENFORCED,
        restatement="It is also at most 1.25 times that of LSGAN 0/1 with R1, a penalty that asks "
        "for it.",
        quantity="99.9th percentile of ‖∇D‖ on interpolates, VRAL meta over LSGAN 0/1 with R1",
        threshold=at_most(1.25),
        would_change="A weaker R1.",
        arms=("vral-meta", "lsgan-01+r1"),
        test=quotient(last("vral-meta", "lipschitz"), last("lsgan-01+r1", "lipschitz")),
    ),
    *(
        Claim(
            id=f"Q1.earns.{arm}",
            statement="Meta-adversarial training earns its place.",
            source="TL;DR of the ICLR submission; this project's question",
            experiment="necessity",
            figure="necessity",
            restatement=f"At 50:1, everything else equal, {text} does at least 1.25 times worse "
            "than VRAL meta.",
            quantity=f"Fréchet distance of {arm} over that of VRAL meta at 50:1",
            threshold=at_least(1.25),
            would_change="A penalty with another weight, or VRAL tuned better.",
            arms=("vral-meta", arm),
            test=quotient(last(arm, "frechet"), last("vral-meta", "frechet")),
        )
        for arm, text in (
            ("moment", "asking for the same moments directly"),
            ("lsgan-01+r1", "R1"),
            ("lsgan-01", "no regulariser"),
        )
    ),
    *(
        Claim(
            id=f"Q2.{arm}",
            **FAILS,
            restatement=f"VRAL meta fails with {text}: its Fréchet distance at 50:1 at least "
            "doubles.",
            quantity=f"Fréchet distance of {arm} over that of VRAL meta at 50:1",
            threshold=at_least(2.0),
            would_change="Other settings at which that one starts.",
            arms=(arm, "vral-meta"),
            test=quotient(last(arm, "frechet"), last("vral-meta", "frechet")),
            divergence="supports",
        )
        for arm, text in (
            ("vral-meta+mean", "mean matching"),
            ("vral-meta+eps=1e-8", "Adam's ε at 1e-8"),
            ("vral-meta+batch", "meta-discriminators of a batch's scores as one vector"),
            ("vral-meta+means=-1,1", "target means -1 and 1"),
            ("vral-meta+once", "meta-discriminators trained once a round (1:1:k:1)"),
        )
    ),
    Claim(
        id="Q2.moment+mean",
        **FAILS,
        restatement="The control: the moment penalty too fails with mean matching; its Fréchet "
        "distance at 50:1 at least doubles.",
        quantity="Fréchet distance of moment+mean over that of moment at 50:1",
        threshold=at_least(2.0),
        would_change="Another weight of the penalty.",
        arms=("moment+mean", "moment"),
        test=quotient(last("moment+mean", "frechet"), last("moment", "frechet")),
        divergence="supports",
    ),
]


def _mode_share(dataset: str, arm: str, ratio: str = "50"):
    return paired(lambda count: count / MODES[dataset], last(arm, "modes_covered", ratio))


COLLAPSE = {
    "source": "deck, mode collapse (problem 1)",
    "experiment": "mode-collapse",
    "figure": "modes",
}
PROBLEM = [
    claim
    for dataset in MODES
    for claim in (
        *(
            Claim(
                id=f"P1.problem{suffix}.{dataset}",
                statement="GANs suffer from mode collapse.",
                **COLLAPSE,
                restatement=f"{name} at 50:1 covers at most half of the modes of {dataset}.",
                quantity=f"share of modes covered, {name} at 50:1",
                threshold=at_most(0.5),
                would_change="A D that stays weak at 50:1.",
                arms=(arm,),
                test=_mode_share(dataset, arm),
                datasets=(dataset,),
                divergence="supports",
            )
            for suffix, arm, name in (
                ("", "standard", "Standard"),
                (".nonsaturating", "nonsaturating", "-log D"),
            )
        ),
        *(
            Claim(
                id=f"P1.{arm}.{dataset}",
                statement="VRAL's gradients keep G from collapsing.",
                **COLLAPSE,
                restatement=f"{arm} at 50:1 covers at least 90 % of the modes of {dataset}.",
                quantity=f"share of modes covered, {arm} at 50:1",
                threshold=at_least(0.9),
                would_change="Longer training, where modes are still being found.",
                arms=(arm,),
                test=_mode_share(dataset, arm),
                datasets=(dataset,),
            )
            for arm in ("vral-meta", "vral-parzen")
        ),
        Claim(
            id=f"P1.ratio.{dataset}",
            statement="VRAL's gradients keep G from collapsing.",
            **COLLAPSE,
            restatement=f"On {dataset} VRAL meta covers at 50:1 at least 95 % of the modes that it "
            "covers at 1:1.",
            quantity="modes covered by VRAL meta at 50:1 over those at 1:1",
            threshold=at_least(0.95),
            would_change="A better 1:1 run.",
            arms=("vral-meta",),
            test=quotient(
                last("vral-meta", "modes_covered"), last("vral-meta", "modes_covered", "1")
            ),
            datasets=(dataset,),
            ratios=("50", "1"),
        ),
        Claim(
            id=f"P1.best.{dataset}",
            statement="VRAL's gradients keep G from collapsing.",
            **COLLAPSE,
            restatement=f"On {dataset} VRAL meta covers at 50:1 at least 95 % of what the better "
            "of WGAN-GP and R1 does.",
            quantity="modes covered by VRAL meta over the larger of WGAN-GP's and R1's",
            threshold=at_least(0.95),
            would_change="Baselines tuned less well, or VRAL tuned better.",
            arms=("vral-meta", "wgan-gp", "r1"),
            test=quotient(
                last("vral-meta", "modes_covered"),
                paired(np.maximum, last("wgan-gp", "modes_covered"), last("r1", "modes_covered")),
            ),
            datasets=(dataset,),
        ),
        Claim(
            id=f"P1.kl.{dataset}",
            statement="VRAL's gradients keep G from collapsing.",
            **COLLAPSE,
            restatement=f"On {dataset} VRAL meta's reverse KL at 50:1 is at most half of "
            "Standard's.",
            quantity="reverse KL over modes, VRAL meta over Standard",
            threshold=at_most(0.5),
            would_change="A D that stays weak at 50:1.",
            arms=("vral-meta", "standard"),
            test=quotient(last("vral-meta", "reverse_kl"), last("standard", "reverse_kl")),
            datasets=(dataset,),
        )
        if dataset.startswith("stacked")
        else Claim(
            id=f"P1.quality.{dataset}",
            statement="VRAL's gradients keep G from collapsing.",
            **COLLAPSE,
            restatement=f"On {dataset} at least half of VRAL meta's samples at 50:1 lie within "
            "three sd of a mode.",
            quantity="share of high-quality samples, VRAL meta at 50:1",
            threshold=at_least(0.5),
            would_change="Longer training, where samples still sharpen.",
            arms=("vral-meta",),
            test=last("vral-meta", "high_quality"),
            datasets=(dataset,),
        ),
    )
]


def _artefact(id: str, section: str, **fields) -> Claim:
    about = {"source": f"the original code, spec section {section}", "experiment": "artefacts"}
    return Claim(id=f"A.{id}", **about, figure="artefacts", **fields)


ARTEFACTS = [
    _artefact(
        "scale",
        "4.2",
        statement="The original's gradient norms stand on two scales, 64-fold apart at batch 64.",
        restatement="From the same records, Standard's E‖∇D‖² over VRAL's comes out B times too "
        "large on the original's scales.",
        quantity="quotient of E‖∇D‖² on the original's scales over the true quotient, B = 64",
        threshold=Threshold(63.9, 64.1),
        would_change="Another batch: the factor is B.",
        arms=("standard", "vral-meta"),
        test=scale_gap("standard", "vral-meta"),
        kind="identity",
    ),
    _artefact(
        "filler",
        "4.7",
        statement="Rows of 99 that were never written add 5.22 to the variance of WGAN's outputs.",
        restatement="32 of 60,000 outputs of WGAN-GP's D set to 99 raise its variance by 5.22, "
        "within 10 %.",
        quantity="variance that the rows add to D(G(z)), WGAN-GP",
        threshold=Threshold(4.7, 5.74),
        would_change="A critic whose mean output is far from 0: the term is (99 - mean)².",
        arms=("wgan-gp",),
        test=paired(
            filler_variance,
            last("wgan-gp", "held_out_mean_fake"),
            last("wgan-gp", "held_out_var_fake"),
        ),
    ),
    _artefact(
        "clip-all",
        "4.5",
        statement="Clipping Adam's state too makes a crippled critic.",
        restatement="E‖∇D(G(z))‖ with everything clipped differs at least tenfold.",
        quantity="fold change of E‖∇D(G(z))‖ by clipping everything",
        threshold=at_least(10.0),
        would_change="Enough updates: a slow critic arrives later.",
        arms=("wgan+clip-all", "wgan"),
        test=quotient(last("wgan+clip-all", "grad_norm_fake"), last("wgan", "grad_norm_fake")),
        either_way=True,
        divergence="supports",
    ),
    _artefact(
        "label",
        "4.8",
        statement="A run of LSGAN at 10:1 was filed under 50:1.",
        restatement="It matters: LSGAN's Fréchet distance at 10:1 and at 50:1 differs at least "
        "1.25-fold.",
        quantity="fold change of LSGAN's Fréchet distance from 10:1 to 50:1",
        threshold=at_least(1.25),
        would_change="A D that is near-optimal at 10:1 already.",
        arms=("lsgan",),
        ratios=("10", "50"),
        test=quotient(last("lsgan", "frechet", "10"), last("lsgan", "frechet")),
        either_way=True,
        divergence="supports",
    ),
    *(
        _artefact(
            f"batch-norm.{arm}",
            "4.3",
            statement="Batch norm in D at measurement distorts ‖∇D‖.",
            restatement=f"E‖∇D(G(z))‖ of {arm} with batch norm in D differs at least twofold.",
            quantity=f"fold change of E‖∇D(G(z))‖ of {arm} by batch norm",
            threshold=at_least(2.0),
            would_change="Larger batches: the coupling of samples falls with them.",
            arms=(f"{arm}+norm-d=batch", arm),
            test=quotient(
                last(f"{arm}+norm-d=batch", "grad_norm_fake"), last(arm, "grad_norm_fake")
            ),
            either_way=True,
            divergence="supports",
        )
        for arm in ("standard", "vral-meta")
    ),
    *(
        _artefact(
            f"same-real.{arm}",
            "4.4",
            statement="One real batch for all k updates of D distorts the comparison.",
            restatement=f"The Fréchet distance of {arm} with one real batch a round differs at "
            "least 1.25-fold.",
            quantity=f"fold change of the Fréchet distance of {arm} by the reused batch",
            threshold=at_least(1.25),
            would_change="Small k, or a data set hardly larger than a batch.",
            arms=(f"{arm}+same-real", arm),
            test=quotient(last(f"{arm}+same-real", "frechet"), last(arm, "frechet")),
            either_way=True,
            divergence="supports",
        )
        for arm in ("standard", "wgan-gp", "vral-meta")
    ),
    _artefact(
        "real-gp",
        "4.10",
        statement="A penalty on the gradient with respect to the real image asks for 1/ε, not 1.",
        restatement="With it E‖∇D(x)‖ is 1.5 times that with the correct penalty: the minimiser of "
        "E(εn-1)² over n, within 20 %.",
        quantity="E‖∇D(x)‖ with the penalty on the real image over that of WGAN-GP",
        threshold=Threshold(1.2, 1.8),
        would_change="A D whose gradient depends on ε, the place between fake and real.",
        arms=("wgan-gp+real-gp", "wgan-gp"),
        test=quotient(last("wgan-gp+real-gp", "grad_norm_real"), last("wgan-gp", "grad_norm_real")),
    ),
]


DIRAC = "Dirac-GAN"


def _theory(
    id: str, about: dict[str, str], case: str, quantity: str, threshold: Threshold, **fields
) -> Claim:
    """A claim on one row of ``measured.csv``: computed, without chance."""
    return Claim(
        id=id,
        quantity=f"{quantity}; {case}",
        threshold=threshold,
        arms=(case,),
        ratios=(),
        datasets=(about.get("game", DIRAC),),
        test=measured(case, quantity),
        kind="deterministic",
        **{name: text for name, text in about.items() if name != "game"},
        **fields,
    )


BASINS = {
    "statement": "R1 brings the Dirac-GAN home from all of [-2, 2]²; consensus at γ = 1 does not.",
    "source": "Mescheder et al. 2018; spurious attractors of consensus as recalled from its "
    "supplement",
    "experiment": "dirac-basins",
    "figure": "basins",
}
RATES = {
    "statement": "Two time scales do not mend an unregularised GAN.",
    "source": "Mescheder et al. 2018, Dirac-GAN; this project",
    "experiment": "dirac-damping",
    "figure": "damping",
}
ONE_CENTRED = {
    "statement": "WGAN-GP's field does not vanish at the equilibrium, and it circles around it.",
    "source": "Mescheder et al. 2018, Dirac-GAN",
    "experiment": "limit-cycles",
    "figure": "limit-cycles",
}
LAZY = {
    "statement": "R1 every k-th step with weight k·γ breaks at h·γ·k ≈ 2, if γ ≥ 1.",
    "source": "this project, on StyleGAN2's lazy regularisation",
    "experiment": "lazy-r1",
    "figure": "lazy-r1",
    "would_change": "Another curvature of the loss; at γ well below 1 the wall comes earlier.",
}
ERRATA = {
    "source": "this project, against the published artefact",
    "experiment": "errata",
    "figure": "errata",
    "would_change": "Nothing: both ways are computed from their definitions.",
}
DAMPED = {
    "statement": "Regularising D's variance damps the rotation of G and D by itself.",
    "source": "this project's question; VRAL on the Dirac-GAN has no published analysis",
    "experiment": "dirac",
    "figure": "portraits",
}
SHIFTED = {
    "game": "mixture GAN",
    "statement": "Consensus optimization moves a GAN's eigenvalues away from the imaginary axis.",
    "source": "Mescheder et al. 2017, figure of the eigenvalues",
    "experiment": "spectrum-mog",
    "figure": "spectrum-mog",
}
THEORY = [
    _theory(
        "T1.r1",
        BASINS,
        "R1",
        "smallest share",
        at_least(1.0),
        restatement="Of 41 × 41 starts in [-2, 2]² all come home with R1, under every γ of the map "
        "and every algorithm.",
        would_change="A step beyond R1's largest stable one.",
    ),
    _theory(
        "T1.consensus",
        BASINS,
        "consensus 1",
        "largest share",
        at_most(0.95),
        restatement="With the exact consensus at γ = 1 at most 95 % of the starts come home under "
        "any algorithm.",
        would_change="A γ at which fewer starts lie where ½‖v‖² falls towards infinity.",
    ),
    _theory(
        "T1.notebook",
        BASINS,
        "consensus, notebook 1, AltGD 1:5",
        "share",
        at_most(0.95),
        restatement="With consensus as in the authors' notebook at γ = 1, alternating 1:5, at most "
        "95 % of the starts come home.",
        would_change="Fewer D steps: its other algorithms bring all starts home at this γ.",
    ),
    _theory(
        "T2.simultaneous",
        RATES,
        "SimGD, unregularised",
        "smallest (ρ² - 1)/(hf)² over h",
        at_least(0.99),
        restatement="Simultaneous gradient descent on the unregularised game has ρ² of at least "
        "1 + 0.99 (hf')² at all steps tried: above 1 at each.",
        would_change="Any damping.",
    ),
    _theory(
        "T2.ttur",
        RATES,
        "TTUR, SimGD",
        "smallest (ρ² - 1)/(h_g h_d f²) over ratios",
        at_least(0.99),
        restatement="So it is at all ratios of step sizes from 1:64 to 64:1: ρ² of at least "
        "1 + 0.99 h_g h_d f'².",
        would_change="Any damping.",
    ),
    _theory(
        "T2.flow",
        RATES,
        "TTUR, flow",
        "largest |Re λ| over ratios",
        at_most(1e-9),
        restatement="In continuous time all eigenvalues stay on the imaginary axis at every ratio.",
        would_change="Any damping.",
    ),
    _theory(
        "T2.alternating",
        RATES,
        "TTUR, AltGD 1:1",
        "largest |ρ - 1| over ratios",
        at_most(1e-9),
        restatement="Alternating descent stays on the unit circle at every ratio: it neither grows "
        "nor converges.",
        would_change="Steps of √(h_g h_d)·f' above 2, at which it diverges.",
    ),
    _theory(
        "T3.field",
        ONE_CENTRED,
        "WGAN-GP",
        "‖v‖ at (0, ±0) / γg₀",
        at_least(0.99),
        restatement="Beside (0, 0) the field of WGAN-GP around g₀ is as long as γ·g₀: there is no "
        "equilibrium to converge to.",
        would_change="A penalty centred at 0.",
    ),
    _theory(
        "T3.cycle",
        ONE_CENTRED,
        "WGAN-GP",
        "smallest mean r / g₀",
        at_least(0.5),
        restatement="At all settings tried, one and five D steps among them, it ends on a cycle "
        "whose mean radius is half of g₀ or more.",
        would_change="A penalty centred at 0, or a step that decays.",
    ),
    *(
        _theory(
            f"T4.gamma={gamma}.{short}",
            LAZY,
            f"γ = {gamma}, {algorithm}",
            "h·γ·k at the wall",
            Threshold(1.6, 2.4),
            restatement=f"At γ = {gamma} under {algorithm} the first unstable interval k lies "
            "within 20 % of h·γ·k = 2.",
        )
        for gamma in (1, 2)
        for algorithm, short in (("SimGD", "sim"), ("AltGD 1:1", "alt"))
    ),
    _theory(
        "T5.consensus",
        ERRATA,
        "NUM17's consensus, as in the Dirac-GAN notebook",
        "largest error of its gradient",
        at_least(0.01),
        statement="The authors' Dirac-GAN notebook follows another field than consensus.",
        restatement="On 5 × 5 points of [-2, 2]² its gradient of ½‖v‖² errs by 0.01 or more.",
    ),
    _theory(
        "T5.escape",
        ERRATA,
        "NUM17's consensus, as in the Dirac-GAN notebook",
        "r at round 500, exact",
        at_least(1.0),
        statement="The authors' Dirac-GAN notebook follows another field than consensus.",
        restatement="From the start of a published panel, which shows convergence, exact consensus "
        "is 1 or more away from the equilibrium after 500 rounds.",
    ),
    _theory(
        "T5.r3gan",
        ERRATA,
        "R3GAN, equation 12",
        "error of the printed Im λ",
        at_least(0.01),
        statement="R3GAN's equation 12 lacks a square.",
        restatement="The imaginary part that it prints for γ = 0.3 errs by 0.01 or more.",
    ),
    _theory(
        "T5.jacobian",
        ERRATA,
        "NUM17's eigenvalue notebook",
        "rows kept / parameters",
        at_most(0.5),
        statement="The published eigenvalue notebook loses rows of its Jacobian.",
        restatement="Of the Jacobian's rows it keeps half or fewer, so there are no eigenvalues.",
    ),
    *(
        _theory(
            f"T6.{arm}",
            DAMPED | ({"statement": "R1 beside it does (the control)."} if "R1" in case else {}),
            case,
            "abscissa of (θ, ψ)",
            at_most(-0.01),
            restatement=f"At the equilibrium of the Dirac-GAN the eigenvalues of (θ, ψ) under "
            f"{case} have real parts of -0.01 or less.",
            would_change=change,
        )
        for arm, case, change in (
            ("meta", "VRAL meta", "Data that are no point: where D's scores have variance."),
            (
                "parzen",
                "VRAL Parzen bwd",
                "Data that are no point: where D's scores have variance.",
            ),
            (
                "parzen-forward",
                "VRAL Parzen fwd",
                "Data that are no point: where D's scores have variance.",
            ),
            ("meta-r1", "VRAL meta, R1 0.3", "The penalty taken away."),
            ("parzen-r1", "VRAL Parzen bwd, R1 0.3", "The penalty taken away."),
        )
    ),
    _theory(
        "T7.damping",
        SHIFTED,
        "after training",
        "-Σ Re λ / Σ |λ|, with consensus less without",
        at_least(0.1),
        restatement="After training, -Σ Re λ / Σ |λ| (1: all eigenvalues real and negative) of the "
        "field that consensus follows is larger by 0.1 than that of a GAN trained without it (one "
        "seed; undecided where a GAN has gone away from rest: ‖v‖ is larger than at its start).",
        would_change="Other seeds, a smaller step, longer training: no end is a stationary point.",
    ),
]

TOY2D = {"experiment": "toy2d", "figure": "transport"}
PLANE = [
    Claim(
        id="T8.wgan-gp",
        statement="WGAN-GP fails with one D step where it does not with five.",
        source="Mescheder et al. 2018, 2-D experiments, as recalled",
        **TOY2D,
        restatement="W1 to held-out points of WGAN-GP with one D step is at the end at least twice "
        "that with five.",
        quantity="W1 of WGAN-GP with one D step over that with five",
        threshold=at_least(2.0),
        would_change="A smaller step, with which one D step keeps up.",
        arms=("wgan-gp+1", "wgan-gp+5"),
        ratios=("1", "5"),
        test=quotient(last("wgan-gp+1", "w1", "1"), last("wgan-gp+5", "w1", "5")),
        divergence="supports",
    ),
    Claim(
        id="T8.r1-r2",
        statement="R1 and R2 do equally well in the plane.",
        source="Mescheder et al. 2018, 2-D experiments, as recalled",
        **TOY2D,
        restatement="W1 to held-out points of R1 is at the end between 0.8 and 1.25 times that of "
        "R2.",
        quantity="W1 of R1 over that of R2",
        threshold=Threshold(0.8, 1.25),
        would_change="A distance near the floor that sampling sets, which is noise.",
        arms=("r1", "r2"),
        ratios=("1",),
        test=quotient(last("r1", "w1", "1"), last("r2", "w1", "1")),
    ),
]


def register() -> dict[str, list[tuple[str, Registered]]]:
    """Per claim, in the order of ``register.csv``: its quantity, and threshold with date."""
    entries = defaultdict(list)
    with (files("vral.claims") / "register.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            entry = Registered(row["since"], row["threshold"], row["note"])
            entries[row["id"]].append((row["quantity"], entry))
    return entries


def _with_history(claims: list[Claim]) -> dict[str, Claim]:
    entries = register()
    return {
        claim.id: replace(claim, history=tuple(entry for _, entry in entries[claim.id]))
        for claim in claims
    }


CLAIMS: dict[str, Claim] = _with_history(
    [
        *C1,
        *C2,
        *C3,
        *C4,
        *C5,
        *C6,
        *C7,
        *C8,
        *C9,
        *C10,
        *C11,
        *QUESTIONS,
        *PROBLEM,
        *ARTEFACTS,
        *THEORY,
        *PLANE,
    ]
)
