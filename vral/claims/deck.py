"""Claims of the deck and the paper: conclusions C1 to C11.

The thresholds, the exact quantities and their dates stand in ``register.csv``.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from vral.claims.outputs import Setting, no_overlap, outputs
from vral.claims.panels import FORMS
from vral.claims.quantities import (
    Test,
    end_over_peak,
    end_over_start,
    last,
    late_probes,
    over_arms,
    paired,
    path_swing,
    quotient,
    rank_correlation,
    spread,
    worst_poincare,
)
from vral.claims.register import registered
from vral.claims.verdict import Claim, Need
from vral.study.experiments import DECK, G_HELD_RATIO, STAGES

DECK_ARMS = tuple(arm.name for arm in DECK)

OVERLY_STRONG_D = {
    "statement": "An overly strong discriminator emits vanishing gradients.",
    "source": "deck, conclusion 1 and panel R1",
}
held_last = partial(last, ratio=G_HELD_RATIO)


def alive(arm: str) -> tuple[Need, ...]:
    """What the G that is held must reach, read in the runs of ``arm``; all arms hold the same.

    Not on the segments, where G is put in its place and nothing is learned.
    """
    good = STAGES["good"]
    return (
        Need(arm, G_HELD_RATIO, "coverage", good.coverage, ("segments",)),
        Need(arm, G_HELD_RATIO, "variance_share", good.variance_share, ("segments",)),
    )


G_HELD = {"experiment": "well-trained", "ratios": (G_HELD_RATIO,)}
"""G does not move. A fresh D is trained for 12,000 updates, with a probe every 200."""


def _held(name: str, **fields: Any) -> Claim:
    """A claim of ``well-trained``, whose G is held and must be alive."""
    about = {"figure": "signal", **G_HELD, **fields}
    return registered(name, needs=alive(fields["arms"][0]), **about)


TRAINING = {"experiment": "ratios", "figure": "generator"}
"""G moves; D makes 50 updates to one of G."""

C1 = [
    _held(
        "C1.saturating",
        **OVERLY_STRONG_D,
        restatement="G held, D trained for 12,000 updates: Standard's median signal to G ends at "
        "1 % of its largest value or less.",
        would_change="A D that stays uncertain: too small, too noisy, or trained too briefly.",
        arms=("standard",),
        test=end_over_peak("standard", "median_signal_fake", G_HELD_RATIO),
    ),
    *(
        _held(
            f"C1.control.{arm}",
            statement="Losses that do not saturate keep their gradient (the control of C1).",
            source="this project",
            restatement=f"As C1.saturating, but {arm}'s median signal stays above 1 % of its "
            "largest value.",
            would_change="A D whose slope itself dies where the fakes lie.",
            arms=(arm,),
            test=end_over_peak(arm, "median_signal_fake", G_HELD_RATIO),
        )
        for arm in ("nonsaturating", "lsgan", "wgan-gp")
    ),
    _held(
        "C1.logit",
        statement="What vanishes is the gradient through the sigmoid, not that of D's logit.",
        source="this project, against the deck's ‖∇D‖ panels",
        restatement="As C1.saturating, but the median ‖∇ₓD‖ of Standard's logit stays above 1 % "
        "of its largest value.",
        would_change="A D whose logit goes flat around the fakes.",
        arms=("standard",),
        test=end_over_peak("standard", "median_grad_norm_fake", G_HELD_RATIO),
    ),
    registered(
        "C1.training",
        **OVERLY_STRONG_D,
        **TRAINING,
        restatement="While G trains: Standard's signal to G at 50:1 is 1 % of that at 1:1 or less.",
        would_change="A D that is no better at 50:1 than at 1:1.",
        arms=("standard",),
        ratios=("50", "1"),
        test=quotient(last("standard", "signal_fake"), last("standard", "signal_fake", "1")),
        competent=(("standard", "1"),),
    ),
    registered(
        "C1.eps",
        **OVERLY_STRONG_D,
        **TRAINING,
        restatement="At 50:1 half of Standard's G gradient or more lies below Adam's ε, so that G "
        "stands still.",
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
        _held(
            f"C2.time.{arm}",
            **NONZERO,
            restatement=f"G held: {arm}'s median signal after 12,000 updates of D is half of that "
            "after 200 or more.",
            would_change="Training D further, if the signal is still falling at the end.",
            arms=(arm,),
            test=end_over_start(arm, "median_signal_fake", G_HELD_RATIO),
        ),
        _held(
            f"C2.standard.{arm}",
            **NONZERO,
            restatement=f"G held: {arm}'s median signal at the end is ten times Standard's or "
            "more.",
            would_change="A Standard D that does not saturate.",
            arms=(arm, "standard"),
            test=quotient(
                held_last(arm, "median_signal_fake"),
                held_last("standard", "median_signal_fake"),
            ),
        ),
        registered(
            f"C2.training.{arm}",
            **NONZERO,
            **TRAINING,
            restatement=f"While G trains at 50:1, {arm}'s signal is ten times Standard's or more.",
            would_change="A Standard D that does not saturate at 50:1.",
            arms=(arm, "standard"),
            test=quotient(last(arm, "signal_fake"), last("standard", "signal_fake")),
        ),
        registered(
            f"C2.parameters.{arm}",
            **NONZERO,
            **TRAINING,
            restatement=f"At 50:1 the gradient reaches G's parameters: less than half of {arm}'s "
            "coordinates lie below Adam's ε.",
            would_change="A G that has collapsed passes no gradient on, whatever D says.",
            arms=(arm,),
            test=last(arm, "g_grad_below_eps"),
        ),
    )
] + [
    _held(
        "C2.perfect",
        **{**NONZERO, "statement": "VRAL's own D is a perfect classifier (the premise of C2)."},
        restatement="In the last fifth, VRAL's own D has a held-out AUC of 0.95 or more on average "
        "(N(0,1) and N(1,1) would give 0.76).",
        would_change="Targets further apart: at means ∓1 the ideal AUC is 0.92.",
        arms=("vral-meta",),
        test=late_probes("vral-meta", "auc", G_HELD_RATIO),
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
    """C3 for VRAL meta and the contrast with Standard, under one ``setting``."""
    about = {"arms": ("vral-meta",), **MATCHES, **setting}
    end = partial(last, ratio=setting.get("ratios", ("50",))[0])
    parts = []
    for side, target in TARGETS.items():
        mean, variance = f"held_out_mean_{side}", f"held_out_var_{side}"
        parts += [
            registered(
                f"C3.mean-{side}{suffix}",
                **about,
                restatement=f"{where}, the mean of D on held-out {side} samples is within 0.2 of "
                f"{target:g}.",
                would_change=KEEPING_UP,
                test=paired(lambda m, at=target: abs(m - at), end("vral-meta", mean)),
            ),
            registered(
                f"C3.sd-{side}{suffix}",
                **about,
                restatement=f"{where}, the standard deviation of D on held-out {side} samples is "
                "within 0.2 of 1.",
                would_change=KEEPING_UP,
                test=paired(lambda v: abs(np.sqrt(v) - 1), end("vral-meta", variance)),
            ),
            registered(
                f"C3.ks-{side}{suffix}",
                **about,
                restatement=f"{where}, the Kolmogorov-Smirnov distance of D's held-out {side} "
                f"scores to N({target:g},1) is at most 0.1.",
                would_change=KEEPING_UP,
                test=end("vral-meta", f"ks_{side}"),
            ),
        ]
    return [
        *parts,
        registered(
            f"C3.overlap{suffix}",
            **about,
            restatement=f"{where}, the two score densities overlap by 0.4 or more (ideal 0.617).",
            would_change="A D that gives up the targets to tell the classes apart.",
            test=end("vral-meta", "overlap"),
        ),
        registered(
            f"C3.overlap-standard{suffix}",
            **{**about, "arms": ("standard",), "statement": CONTRAST},
            restatement=f"{where}, Standard's score densities overlap by 0.05 at most.",
            would_change="A G that is good, or a D that is weak.",
            test=end("standard", "overlap"),
        ),
    ]


ONE_INSTANT = (
    "asked VRAL meta alone, at the last probe; C3.held.* ask every form over the last fifth"
)
HELD_OUTPUTS = Setting(_held, "held", "G held, D trained for 12,000 updates", G_HELD_RATIO)
C3 = [
    *_output_claims("", {"experiment": "ratios", "figure": "histograms"}, "At 50:1"),
    *(
        replace(claim, needs=alive(claim.arms[0]), retired=ONE_INSTANT)
        for claim in _output_claims(
            ".held", {**G_HELD, "figure": "histograms"}, "G held, D trained to the end"
        )
    ),
    *(claim for form in FORMS for claim in outputs(form, HELD_OUTPUTS)),
    no_overlap("standard", HELD_OUTPUTS),
]

VARIANCE_STAYS = {
    "statement": "The variance of D(G(z)) stays up for VRAL and collapses or explodes for others.",
    "source": "deck, panel R4",
    "experiment": "ratios",
    "figure": "gradients",
}
C4 = [
    *(
        registered(
            f"C4.{arm}",
            **VARIANCE_STAYS,
            restatement=f"At 50:1 {arm}'s Var D(G(z)) over the last fifth is between 0.5 and 1.5.",
            would_change="A G that collapses leaves D(G(z)) no variance, whatever D is asked for.",
            arms=(arm,),
            test=last(arm, "score_var_fake"),
        )
        for arm in ("vral-meta", "vral-parzen")
    ),
    registered(
        "C4.lsgan",
        **VARIANCE_STAYS,
        restatement="At 50:1 LSGAN's Var D(G(z)) is at most 0.1.",
        would_change="A D that cannot fit its codes.",
        arms=("lsgan",),
        test=last("lsgan", "score_var_fake"),
    ),
    *(
        registered(
            f"C4.{arm}",
            **VARIANCE_STAYS,
            restatement=f"At 50:1 {arm}'s Var D(G(z)) is ten times too small or too large: at "
            "most 0.1 or at least 10.",
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
            registered(
                f"C5.swing.{arm}",
                **STEADY,
                experiment="ratios",
                figure="gradients",
                restatement=f"At 50:1, in the last half, the largest mean ‖∇D‖ of a round of {arm} "
                "is at most ten times the smallest.",
                would_change="Bursts late in a longer run.",
                arms=(arm,),
                test=last(arm, "grad_norm_swing"),
            ),
            registered(
                f"C5.seeds.{arm}",
                **STEADY,
                experiment="ratios",
                figure="gradients",
                restatement=f"At 50:1 E‖∇D‖ of {arm} has a coefficient of variation over seeds of "
                "0.5 at most; judged on each seed's distance from the others' mean, in units in "
                "which a normal law's median distance is that coefficient. It says little of rare "
                "bad seeds, which make the coefficient of other laws.",
                would_change="More seeds: a rare bad one needs many to be seen.",
                arms=(arm,),
                test=spread(last(arm, "grad_norm_fake")),
            ),
        )
    ),
    *(
        registered(
            f"C5.than.{arm}",
            **STEADY,
            experiment="ratios",
            figure="gradients",
            restatement=f"At 50:1 VRAL meta's ‖∇D‖ swings no more than {arm}'s.",
            would_change="A setting in which the other loss is unsteady.",
            arms=("vral-meta", arm),
            test=quotient(last("vral-meta", "grad_norm_swing"), last(arm, "grad_norm_swing")),
        )
        for arm in ("standard", "lsgan", "wgan-gp")
    ),
    *(
        registered(
            f"C5.path.{pairing}",
            **STEADY,
            experiment="interpolation",
            figure="interpolation",
            restatement=f"Along {pairing} pairs from real to fake, VRAL meta's mean ‖∇D‖ varies at "
            "most tenfold.",
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
POINCARE = (
    "with batch norm in G the reading goes through the batch's statistics and is not the slope of "
    "a sample in its own z, which the theorem is about; the largest ratio was 5.1 [4.2, 6.4]"
)
LIPSCHITZ_ARMS = (*DECK_ARMS, "r1", "moment")
VARIANCE_AND_SLOPE = over_arms(LIPSCHITZ_ARMS, ("held_out_var_fake", "lipschitz"), rank_correlation)
DISTANCE_AND_SLOPE = over_arms(
    LIPSCHITZ_ARMS,
    ("held_out_mean_real", "held_out_mean_fake", "lipschitz"),
    lambda real, fake, slope: rank_correlation(np.abs(real - fake), slope),
)
C6 = [
    registered(
        "C6.correlation",
        **INTERPRETATION,
        restatement="Over methods × checkpoints, within each seed, Var D(G(z)) and D's empirical "
        "Lipschitz constant have a rank correlation of 0.7 or more.",
        would_change="Other methods: the correlation is one of the methods compared.",
        arms=LIPSCHITZ_ARMS,
        divergence="ignored",
        test=VARIANCE_AND_SLOPE,
    ),
    registered(
        "C6.scale",
        **{
            **INTERPRETATION,
            "statement": "Variance bounds the slope by more than the scale that both share.",
            "source": "this project, the control of C6.correlation",
        },
        restatement="The correlation of C6.correlation is larger by 0.1 or more than that of D's "
        "empirical Lipschitz constant with the distance of D's mean scores, |E D(x) - E D(G(z))|: "
        "whatever grows with D's scale grows with its slope.",
        would_change="Other methods: the correlations are ones of the methods compared.",
        arms=LIPSCHITZ_ARMS,
        divergence="ignored",
        test=paired(np.subtract, VARIANCE_AND_SLOPE, DISTANCE_AND_SLOPE),
    ),
    registered(
        "C6.poincare",
        statement="Var D(G(z)) ≤ E‖∇_z D(G(z))‖²: a variance of 1 keeps G's gradient in z up.",
        source="the Gaussian Poincaré inequality; this project",
        experiment="lipschitz",
        figure="lipschitz",
        restatement="The inequality holds at every checkpoint of every method, up to 10 % for the "
        "sampling error of 2000 latents.",
        would_change="Batch norm in G, with which a sample is not a function of its own z alone.",
        arms=LIPSCHITZ_ARMS,
        divergence="ignored",
        test=over_arms(LIPSCHITZ_ARMS, ("held_out_var_fake", "latent_grad_square"), worst_poincare),
        retired=POINCARE,
    ),
    registered(
        "C6.lipschitz",
        **INTERPRETATION,
        restatement="At 50:1 VRAL meta's empirical Lipschitz constant is at most twice WGAN-GP's.",
        would_change="A gradient penalty on VRAL's D, as its co-author's later port has.",
        arms=("vral-meta", "wgan-gp"),
        test=quotient(last("vral-meta", "lipschitz"), last("wgan-gp", "lipschitz")),
        competent=(("wgan-gp", "50"),),
    ),
]

ROBUST = {
    "statement": "VRAL is robust to large ratios; standard GANs are not.",
    "source": "deck, goal and conclusion 3",
    "experiment": "ratios",
    "figure": "samples",
}
C7 = [
    registered(
        "C7.frechet",
        **ROBUST,
        restatement="VRAL meta's Fréchet distance at 50:1 is at most 1.25 times that at 1:1.",
        would_change="A better 1:1 run: the quotient says nothing of how good either is.",
        arms=("vral-meta",),
        ratios=("50", "1"),
        test=quotient(last("vral-meta", "frechet"), last("vral-meta", "frechet", "1")),
        competent=(("vral-meta", "1"),),
    ),
    registered(
        "C7.standard",
        **ROBUST,
        restatement="Standard's Fréchet distance at 50:1 is at least twice that at 1:1.",
        would_change="A D that stays weak at 50:1.",
        arms=("standard",),
        ratios=("50", "1"),
        test=quotient(last("standard", "frechet"), last("standard", "frechet", "1")),
        divergence="supports",
        competent=(("standard", "1"),),
    ),
    registered(
        "C7.coverage",
        **ROBUST,
        restatement="VRAL meta's coverage at 50:1 is at least 95 % of that at 1:1.",
        would_change="A better 1:1 run.",
        arms=("vral-meta",),
        ratios=("50", "1"),
        test=quotient(last("vral-meta", "coverage"), last("vral-meta", "coverage", "1")),
        competent=(("vral-meta", "1"),),
    ),
]

MODE_MATCHING = {
    "statement": "Mode matching lets G learn with a well-trained discriminator.",
    "source": "deck, objectives and conclusions",
    "figure": "samples",
}
C8 = [
    registered(
        "C8.target",
        **MODE_MATCHING,
        experiment="ratios",
        restatement="At 50:1 VRAL meta (G aims at 1) is within 1.25 times the better of LSGAN and "
        "WGAN-GP.",
        would_change="Baselines tuned less well, or VRAL tuned better.",
        arms=("vral-meta", "lsgan", "wgan-gp"),
        test=quotient(
            last("vral-meta", "frechet"),
            paired(np.minimum, last("lsgan", "frechet"), last("wgan-gp", "frechet")),
        ),
        competent=(("wgan-gp", "50"),),
    ),
    registered(
        "C8.mean",
        **MODE_MATCHING,
        experiment="ratios",
        restatement="At 50:1 VRAL meta with mean matching is within 1.25 times the better of LSGAN "
        "and WGAN-GP.",
        would_change="Baselines tuned less well, or VRAL tuned better.",
        arms=("vral-meta+mean", "lsgan", "wgan-gp"),
        test=quotient(
            last("vral-meta+mean", "frechet"),
            paired(np.minimum, last("lsgan", "frechet"), last("wgan-gp", "frechet")),
        ),
        competent=(("wgan-gp", "50"),),
    ),
    registered(
        "C8.mean-target",
        **MODE_MATCHING,
        experiment="ratios",
        restatement="At 50:1 matching the means does at least as well as aiming at 1.",
        would_change="(D(G(z))-1)² punishes the variance D is asked for; less so if that is small.",
        arms=("vral-meta+mean", "vral-meta"),
        test=quotient(last("vral-meta+mean", "frechet"), last("vral-meta", "frechet")),
        competent=(("vral-meta", "50"),),
    ),
]

PARZEN = {
    "statement": "A Parzen window of D's outputs gives the same benefit.",
    "source": "deck, density-estimator objective, panels R3 and R4",
}


def _sd_off(arm: str) -> Test:
    """Distance of D's standard deviation from 0.95, the larger of the two classes' distances."""
    return paired(
        lambda real, fake: max(abs(np.sqrt(real) - 0.95), abs(np.sqrt(fake) - 0.95)),
        last(arm, "score_var_real"),
        last(arm, "score_var_fake"),
    )


C9 = [
    registered(
        "C9.no-variance",
        statement="At the authors' h = 1 the forward KL asks for no variance at all.",
        source="this project: the optimum is max(0, 1 - h²)",
        experiment="parzen",
        figure="parzen",
        restatement="Forward KL, h = 1, 50:1: D's standard deviation is at most 0.3 on real and on "
        "fake samples.",
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
            registered(
                f"C9.sd.{kind}.h={h}",
                **PARZEN,
                experiment="parzen",
                figure="parzen",
                restatement=f"{kind.capitalize()} KL, h = {h}, 50:1: D's standard deviation is "
                "between 0.8 and 1.1 on real and on fake samples"
                + " (the authors' setting)." * (h == "1" and kind == "forward")
                + "." * (h != "1" or kind != "forward"),
                would_change="A G that collapses leaves D(G(z)) no variance.",
                arms=(arm,),
                test=_sd_off(arm),
            ),
            registered(
                f"C9.gradient.{kind}.h={h}",
                **PARZEN,
                experiment="parzen",
                figure="parzen",
                restatement=f"{kind.capitalize()} KL, h = {h}, 50:1: the gradient reaches G; less "
                "than half of its coordinates lie below Adam's ε.",
                would_change="A smaller ε.",
                arms=(arm,),
                test=last(arm, "g_grad_below_eps"),
            ),
        )
    ),
    registered(
        "C9.benefit",
        **PARZEN,
        experiment="ratios",
        figure="overview",
        restatement="At 50:1 VRAL Parzen (h = 0.3) is within 1.25 times VRAL meta.",
        would_change="A bandwidth or a KL with which G does not collapse.",
        arms=("vral-parzen", "vral-meta"),
        test=quotient(last("vral-parzen", "frechet"), last("vral-meta", "frechet")),
        competent=(("vral-meta", "50"),),
    ),
]

CLIPPING = {
    "statement": "Clipping gives unstable gradient norms; a gradient penalty mends that.",
    "source": "deck, alternatives",
    "experiment": "clipping",
    "figure": "clipping",
}
CLIP_ALL = ("wgan+norm-d=batch,clip-all", "wgan+norm-d=batch")
"""The replica of the defect, and its control."""


def critic_has_learned(ratio: str) -> tuple[Need, ...]:
    """What the control of CLIP_ALL must reach: a critic that tells real from fake samples.

    Its G at a rate of 1e-4 need not draw anything for D's slope to mean something.
    """
    return (Need(CLIP_ALL[1], ratio, "auc", 0.7),)


C10 = [
    *(
        registered(
            f"C10.clip={clip}",
            **CLIPPING,
            restatement=f"With weights clipped at {clip}, ‖∇D‖ varies at least twice as much over "
            "time as with a gradient penalty.",
            would_change="Another clip, or a penalty so weak that it does not bind.",
            arms=(arm, "wgan-gp"),
            test=quotient(
                last(arm, "grad_norm_variation", "5"),
                last("wgan-gp", "grad_norm_variation", "5"),
            ),
            ratios=("5",),
            divergence="supports",
            competent=(("wgan-gp", "5"),),
        )
        for clip, arm in (("0.01", "wgan+clip=0.01"), ("0.1", "wgan"))
    ),
    registered(
        "C10.clip-all",
        statement="The original's WGAN panel shows a critic that its clip-everything defect has "
        "crippled.",
        source="this project; spec section 4.5",
        experiment="clipping",
        figure="clipping",
        restatement="With batch norm in D and a rate of 1e-4, as it was: with batch norm's scales "
        "and Adam's state clipped too, the critic's ‖∇D‖ is a tenth of that with weights clipped, "
        "or less.",
        would_change="Enough updates: a slow critic arrives later.",
        arms=CLIP_ALL,
        test=quotient(*(last(arm, "grad_norm_fake", "5") for arm in CLIP_ALL)),
        ratios=("5",),
        needs=critic_has_learned("5"),
    ),
]

NOISE = {
    "statement": "Noise in D's layers promotes variance in its output.",
    "source": "deck, alternatives",
    "experiment": "noise",
    "figure": "noise",
    "ratios": (G_HELD_RATIO,),
}
C11 = [
    claim
    for noise in ("hidden=0.1", "hidden=0.3", "input=0.1", "input=0.3")
    for arm in [f"standard+{noise}"]
    for claim in (
        registered(
            f"C11.variance.{noise}",
            **NOISE,
            restatement=f"G held, Standard with noise {noise}: Var D(G(z)), read without noise, is "
            "at the end at least twice that of Standard without.",
            would_change="More noise, up to where D can no longer tell.",
            arms=(arm, "standard"),
            test=quotient(
                held_last(arm, "held_out_var_fake"), held_last("standard", "held_out_var_fake")
            ),
            needs=alive(arm),
        ),
        registered(
            f"C11.signal.{noise}",
            **NOISE,
            restatement=f"G held, Standard with noise {noise}: the median signal to G is at the "
            "end at least twice that of Standard without.",
            would_change="More noise, up to where D can no longer tell.",
            arms=(arm, "standard"),
            test=quotient(
                held_last(arm, "median_signal_fake"),
                held_last("standard", "median_signal_fake"),
            ),
            needs=alive(arm),
        ),
        registered(
            f"C11.auc.{noise}",
            **{**NOISE, "statement": "Noise costs D no accuracy (the premise of C11)."},
            restatement=f"G held, Standard with noise {noise}: held-out AUC drops by 0.05 at most.",
            would_change="Classes that are harder to tell apart.",
            arms=(arm, "standard"),
            test=paired(np.subtract, held_last("standard", "auc"), held_last(arm, "auc")),
            needs=alive(arm),
        ),
    )
]
