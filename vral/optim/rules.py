"""RULES: every update rule by name, built from its players' transforms and a run's settings."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from vral.optim.directions import consensus, gradient_norm, symplectic, unrolled
from vral.optim.rule import Rule, extragradient, first_order
from vral.optim.transforms import TRANSFORMS, Transform, optimistic

Transforms = Mapping[str, Transform]


class RuleRow(NamedTuple):
    """A rule by name: ``build(transforms, rates, settings)``, with each player's transform and
    learning rate."""

    description: str
    build: Callable[[Transforms, Mapping[str, float], Any], Rule]


RULES: dict[str, RuleRow] = {
    **{
        name: RuleRow(row.description, lambda transforms, rates, s: first_order(transforms))
        for name, row in TRANSFORMS.items()
    },
    "extragradient": RuleRow(
        "step ahead, then step by the gradient found there",
        lambda transforms, rates, s: extragradient(transforms),
    ),
    "optimistic": RuleRow(
        "twice the step less the last one: OGDA, optimistic Adam",
        lambda transforms, rates, s: first_order(
            {player: optimistic(transform) for player, transform in transforms.items()}
        ),
    ),
    "consensus": RuleRow(
        "everybody also descends ½‖all gradients‖² (--consensus, --consensus-draws)",
        lambda transforms, rates, s: first_order(
            transforms, consensus(s.consensus, s.consensus_draws == 2), s.consensus_draws
        ),
    ),
    "smooth": RuleRow(
        "D is penalised by ½‖G's gradient‖² (--smooth)",
        lambda transforms, rates, s: first_order(transforms, gradient_norm(s.smooth, "D", "G")),
    ),
    "nk": RuleRow(
        "Nagarajan and Kolter: G is penalised by ½‖D's gradient‖² (--nk)",
        lambda transforms, rates, s: first_order(transforms, gradient_norm(s.nk, "G", "D")),
    ),
    "sga": RuleRow(
        "symplectic gradient adjustment (--sga, --sga-sign)",
        lambda transforms, rates, s: first_order(
            transforms, symplectic(s.sga, s.sga_sign == "aligned")
        ),
    ),
    "unrolled": RuleRow(
        "G looks through gradient steps of its opponents (--unroll, --unroll-lr)",
        lambda transforms, rates, s: first_order(
            transforms,
            unrolled(s.unroll, {p: s.unroll_lr or rate for p, rate in rates.items()}),
        ),
    ),
}
"""Rules that are no transform themselves are followed by --transform, or a player's own rule."""
