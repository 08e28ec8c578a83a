"""C3: how D's outputs on held-out samples are held against N(0,1) and N(1,1), in any study.

A reading is its mean over the probes of the last fifth, since VRAL's scores oscillate and an
instant decides nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from vral.claims.quantities import Test, late_probes, paired
from vral.claims.verdict import Claim

MATCHES = {
    "statement": "D's outputs match smooth, overlapping Gaussians N(0,1) and N(1,1).",
    "source": "arXiv 1707.00309, abstract; deck, panel R3",
    "would_change": "R and F nearer to their optimum, or further from it.",
    "figure": "histograms",
}


def _off(target: float, test: Test) -> Test:
    return paired(lambda value: abs(value - target), test)


@dataclass(frozen=True)
class Setting:
    """Names the study and the ratio at which D's outputs are read."""

    register: Callable[..., Claim]
    """Makes a claim of its name and its fields."""
    mark: str
    """What stands in the name."""
    where: str
    """The beginning of the restatement."""
    ratio: str


def outputs(arm: str, setting: Setting) -> list[Claim]:
    """C3 for one form: mean, variance, KS distance and overlap, averaged over the last fifth."""
    register, mark = setting.register, setting.mark
    where, late = (
        f"{setting.where}, over the last fifth",
        partial(late_probes, arm, ratio=setting.ratio),
    )
    parts = []
    for side, target in {"fake": 0.0, "real": 1.0}.items():
        parts += [
            register(
                f"C3.{mark}.mean-{side}.{arm}",
                **MATCHES,
                arms=(arm,),
                restatement=f"{where}, the mean of {arm}'s D on held-out {side} samples is within "
                f"0.2 of {target:g} on average.",
                test=_off(target, late(f"held_out_mean_{side}")),
            ),
            register(
                f"C3.{mark}.variance-{side}.{arm}",
                **MATCHES,
                arms=(arm,),
                restatement=f"{where}, the variance of {arm}'s D on held-out {side} samples is "
                "within 0.36 of 1 on average (a standard deviation of 0.8 to 1.17).",
                test=_off(1.0, late(f"held_out_var_{side}")),
            ),
            register(
                f"C3.{mark}.ks-{side}.{arm}",
                **MATCHES,
                arms=(arm,),
                restatement=f"{where}, the Kolmogorov-Smirnov distance of {arm}'s held-out {side} "
                f"scores to N({target:g},1) is at most 0.1 on average.",
                test=late(f"ks_{side}"),
            ),
        ]
    return [
        *parts,
        register(
            f"C3.{mark}.overlap.{arm}",
            **MATCHES,
            arms=(arm,),
            restatement=f"{where}, {arm}'s two score densities overlap by 0.4 or more on average "
            "(ideal 0.617).",
            test=late("overlap"),
        ),
    ]


def no_overlap(arm: str, setting: Setting) -> Claim:
    """The contrast of ``outputs``: another loss's scores do not overlap."""
    return setting.register(
        f"C3.{setting.mark}.contrast.{arm}",
        **{**MATCHES, "statement": "Without it the outputs do not overlap."},
        arms=(arm,),
        restatement=f"{setting.where}, over the last fifth, {arm}'s two score densities overlap "
        "by 0.05 at most on average.",
        test=late_probes(arm, "overlap", setting.ratio),
    )
