"""Claims on the deck's open questions (Q), on mode collapse (P) and the original's defects (A)."""

from typing import Any

import numpy as np

from vral.claims.deck import CLIP_ALL, critic_has_learned
from vral.claims.quantities import Test, last, paired, quotient, scale_gap
from vral.claims.register import registered
from vral.claims.verdict import Claim, Need
from vral.data.datasets import MODES
from vral.study.legacy import filler_variance

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
EPSILON = "ε is 1e-8 for every arm since 2026-11-26; Q2.vral-meta+eps=3e-6 asks the converse"
QUESTIONS = [
    registered(
        "Q1.lipschitz",
        **ENFORCED,
        restatement="At 50:1 VRAL meta's empirical Lipschitz constant is at most half of that "
        "without a regulariser (LSGAN 0/1).",
        would_change="A baseline that is smooth by itself.",
        arms=("vral-meta", "lsgan-01"),
        test=quotient(last("vral-meta", "lipschitz"), last("lsgan-01", "lipschitz")),
        competent=(("vral-meta", "50"), ("lsgan-01", "50")),
    ),
    registered(
        "Q1.r1",
        **ENFORCED,
        restatement="It is also at most 1.25 times that of LSGAN 0/1 with R1, a penalty that asks "
        "for it.",
        would_change="A weaker R1.",
        arms=("vral-meta", "lsgan-01+r1"),
        test=quotient(last("vral-meta", "lipschitz"), last("lsgan-01+r1", "lipschitz")),
        competent=(("vral-meta", "50"), ("lsgan-01+r1", "50")),
    ),
    *(
        registered(
            f"Q1.earns.{arm}",
            statement="Meta-adversarial training earns its place.",
            source="TL;DR of the ICLR submission; this project's question",
            experiment="necessity",
            figure="necessity",
            restatement=f"At 50:1, each with its tuned settings, {text} does at least 1.25 times "
            "worse than VRAL meta.",
            would_change="A grid with other settings.",
            arms=("vral-meta", arm),
            test=quotient(last(arm, "frechet"), last("vral-meta", "frechet")),
            competent=(("vral-meta", "50"),),
        )
        for arm, text in (
            ("moment", "asking for the same moments directly"),
            ("lsgan-01+r1", "R1"),
            ("lsgan-01", "no regulariser"),
        )
    ),
    *(
        registered(
            f"Q2.{arm}",
            **FAILS,
            restatement=f"VRAL meta fails with {text}: its Fréchet distance at 50:1 at least "
            "doubles.",
            would_change="Other settings at which that one starts.",
            arms=(arm, "vral-meta"),
            test=quotient(last(arm, "frechet"), last("vral-meta", "frechet")),
            divergence="supports",
            competent=(("vral-meta", "50"),),
            retired=EPSILON if "1e-8" in arm else "",
        )
        for arm, text in (
            ("vral-meta+mean", "mean matching"),
            ("vral-meta+eps=1e-8", "Adam's ε at 1e-8"),
            ("vral-meta+eps=3e-6", "Adam's ε at 3e-6, the authors'"),
            ("vral-meta+batch", "meta-discriminators of a batch's scores as one vector"),
            ("vral-meta+means=-1,1", "target means -1 and 1"),
            ("vral-meta+once", "meta-discriminators trained once a round (1:1:k:1)"),
        )
    ),
    registered(
        "Q2.moment+mean",
        **FAILS,
        restatement="The control: the moment penalty too fails with mean matching; its Fréchet "
        "distance at 50:1 at least doubles.",
        would_change="Another weight of the penalty.",
        arms=("moment+mean", "moment"),
        test=quotient(last("moment+mean", "frechet"), last("moment", "frechet")),
        divergence="supports",
        competent=(("moment", "50"),),
    ),
]


SHARP = 0.5
"""The least share of high-quality samples with which a mixture counts as drawn."""


def _mode_share(dataset: str, arm: str, ratio: str = "50") -> Test:
    """Modes covered as a share of the data set's."""
    return paired(lambda count: count / MODES[dataset], last(arm, "modes_covered", ratio))


def _drawn_share(dataset: str, arm: str, ratio: str = "50") -> Test:
    """Modes drawn as a share of the data set's.

    They are those covered, but none of a mixture's where less than half of the samples lie at a
    mode: a cloud covers all of them and draws none.
    """
    if dataset.startswith("stacked"):
        return _mode_share(dataset, arm, ratio)
    return paired(
        lambda share, quality: share * (quality >= SHARP),
        _mode_share(dataset, arm, ratio),
        last(arm, "high_quality", ratio),
    )


def _drawn(dataset: str, arm: str, ratio: str) -> Need:
    """That ``arm`` draws the modes: half of its samples lie at one, or half of the stacks occur."""
    if dataset.startswith("stacked"):
        return Need(arm, ratio, "modes_covered", 0.5 * MODES[dataset])
    return Need(arm, ratio, "high_quality", SHARP)


def _baselines(dataset: str) -> tuple[Need, ...]:
    """That WGAN-GP or R1 draws the modes at 50:1, without which nothing is said of a loss."""
    return tuple(_drawn(dataset, arm, "50") for arm in ("wgan-gp", "r1"))


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
            registered(
                f"P1.problem{suffix}.{dataset}",
                statement="GANs suffer from mode collapse.",
                **COLLAPSE,
                restatement=f"{name} at 50:1 covers at most half of the modes of {dataset}.",
                would_change="A D that stays weak at 50:1.",
                arms=(arm,),
                test=_mode_share(dataset, arm),
                datasets=(dataset,),
                one_of=_baselines(dataset),
                divergence="supports",
            )
            for suffix, arm, name in (
                ("", "standard", "Standard"),
                (".nonsaturating", "nonsaturating", "-log D"),
            )
        ),
        *(
            registered(
                f"P1.{arm}.{dataset}",
                statement="VRAL's gradients keep G from collapsing.",
                **COLLAPSE,
                restatement=f"{arm} at 50:1 draws at least 90 % of the modes of {dataset}.",
                would_change="Longer training, where modes are still being found.",
                arms=(arm,),
                test=_drawn_share(dataset, arm),
                datasets=(dataset,),
                one_of=_baselines(dataset),
            )
            for arm in ("vral-meta", "vral-parzen")
        ),
        registered(
            f"P1.ratio.{dataset}",
            statement="VRAL's gradients keep G from collapsing.",
            **COLLAPSE,
            restatement=f"On {dataset} VRAL meta draws at 50:1 at least 95 % of the modes that it "
            "draws at 1:1.",
            would_change="A better 1:1 run.",
            arms=("vral-meta",),
            test=quotient(
                _drawn_share(dataset, "vral-meta"), _drawn_share(dataset, "vral-meta", "1")
            ),
            datasets=(dataset,),
            one_of=_baselines(dataset),
            ratios=("50", "1"),
            needs=(_drawn(dataset, "vral-meta", "1"),),
        ),
        registered(
            f"P1.best.{dataset}",
            statement="VRAL's gradients keep G from collapsing.",
            **COLLAPSE,
            restatement=f"On {dataset} VRAL meta draws at 50:1 at least 95 % of the modes that the "
            "better of WGAN-GP and R1 does.",
            would_change="Baselines tuned less well, or VRAL tuned better.",
            arms=("vral-meta", "wgan-gp", "r1"),
            test=quotient(
                _drawn_share(dataset, "vral-meta"),
                paired(np.maximum, *(_drawn_share(dataset, arm) for arm in ("wgan-gp", "r1"))),
            ),
            datasets=(dataset,),
            one_of=_baselines(dataset),
        ),
        registered(
            f"P1.kl.{dataset}",
            statement="VRAL's gradients keep G from collapsing.",
            **COLLAPSE,
            restatement=f"On {dataset} VRAL meta's reverse KL at 50:1 is at most half of "
            "Standard's.",
            would_change="A D that stays weak at 50:1.",
            arms=("vral-meta", "standard"),
            test=quotient(last("vral-meta", "reverse_kl"), last("standard", "reverse_kl")),
            datasets=(dataset,),
            one_of=_baselines(dataset),
        )
        if dataset.startswith("stacked")
        else registered(
            f"P1.quality.{dataset}",
            statement="VRAL's gradients keep G from collapsing.",
            **COLLAPSE,
            restatement=f"On {dataset} at least half of VRAL meta's samples at 50:1 lie within "
            "three sd of a mode.",
            would_change="Longer training, where samples still sharpen.",
            arms=("vral-meta",),
            test=last("vral-meta", "high_quality"),
            datasets=(dataset,),
            one_of=_baselines(dataset),
        ),
    )
]


def _artefact(part: str, section: str, **fields: Any) -> Claim:
    """The claim ``A.part`` on a defect of the original code."""
    return registered(
        f"A.{part}",
        source=f"the original code, spec section {section}",
        experiment="artefacts",
        figure="artefacts",
        **fields,
    )


ARTEFACTS = [
    _artefact(
        "scale",
        "4.2",
        statement="The original's gradient norms stand on two scales, 64-fold apart at batch 64.",
        restatement="From the same records, Standard's E‖∇D‖² over VRAL's comes out B times too "
        "large on the original's scales.",
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
        restatement="With batch norm in D and a rate of 1e-4, as it was, E‖∇D(G(z))‖ with "
        "everything clipped differs at least tenfold.",
        would_change="Enough updates: a slow critic arrives later.",
        arms=CLIP_ALL,
        test=quotient(*(last(arm, "grad_norm_fake") for arm in CLIP_ALL)),
        needs=critic_has_learned("50"),
        either_way=True,
        divergence="supports",
    ),
    _artefact(
        "label",
        "4.8",
        statement="A run of LSGAN at 10:1 was filed under 50:1.",
        restatement="It matters: LSGAN's Fréchet distance at 10:1 and at 50:1 differs at least "
        "1.25-fold.",
        would_change="A D that is near-optimal at 10:1 already.",
        arms=("lsgan",),
        ratios=("10", "50"),
        test=quotient(last("lsgan", "frechet", "10"), last("lsgan", "frechet")),
        competent=(("lsgan", "10"),),
        either_way=True,
        divergence="supports",
    ),
    *(
        _artefact(
            f"batch-norm.{arm}",
            "4.3",
            statement="Batch norm in D at measurement distorts ‖∇D‖.",
            restatement=f"E‖∇D(G(z))‖ of {arm} with batch norm in D differs at least twofold.",
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
            would_change="Small k, or a data set hardly larger than a batch.",
            arms=(f"{arm}+same-real", arm),
            test=quotient(last(f"{arm}+same-real", "frechet"), last(arm, "frechet")),
            competent=((arm, "50"),),
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
        would_change="A D whose gradient depends on ε, the place between fake and real.",
        arms=("wgan-gp+real-gp", "wgan-gp"),
        test=quotient(last("wgan-gp+real-gp", "grad_norm_real"), last("wgan-gp", "grad_norm_real")),
        competent=(("wgan-gp", "50"),),
    ),
]
