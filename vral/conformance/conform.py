"""``conform`` tells from a trainer's trajectories what the trainer does."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vral.conformance import wording
from vral.conformance.dynamics import TOLERANCE, Setting, trajectories
from vral.conformance.hypotheses import (
    BETWEEN,
    BOTH,
    FAKES,
    NOT_ADAPTIVE,
    REALS,
    WEIGHT,
    Hypothesis,
)
from vral.conformance.observe import Trainer, observe
from vral.conformance.search import CALLS, STARTS, agrees, search
from vral.errors import ConfigError
from vral.objectives import OBJECTIVES

CURVATURE, CURVED_CALLS = 0.5, 4
"""κ of the D that tells where a penalty takes ∇D, and the calls that it is given."""


@dataclass(frozen=True)
class Conformance:
    """What a trainer does.

    ``matches`` are the hypotheses that agree at every call from every start and have the fewest
    departures; several of them have the same trajectories.
    """

    setting: Setting
    matches: tuple[Hypothesis, ...]
    detached: bool | None
    """Whether fakes are detached in D's phase; None if the trajectories do not depend on it."""
    penalty_on: str | None
    """Where the penalty takes ∇D, one of PLACES; None without a penalty or if it is not told."""
    seen: tuple[str, ...] = ()
    """What was seen where nothing matches, and remarks on the run, a line each."""

    @property
    def order(self) -> str | None:
        """One of ORDERS; None without a match."""
        return self.matches[0].order if self.matches else None

    @property
    def d_steps(self) -> int | None:
        """D steps in a call in which D moves; None without a match."""
        return self.matches[0].d_steps if self.matches else None

    @property
    def g_steps(self) -> int | None:
        """G steps in a call in which G moves; None without a match."""
        return self.matches[0].g_steps if self.matches else None

    @property
    def effective_gamma(self) -> float | None:
        """The γ that gives the same penalty in the form ½γ·E‖∇D‖², on average over D's steps."""
        if not self.matches:
            return None
        return self.setting.gamma * self.matches[0].habits.penalty.mean_weight

    @property
    def g_touched(self) -> bool | None:
        """Whether G moves in D's phase."""
        if not self.matches:
            return None
        return self.matches[0].habits.optimisers in ("shared", "D's holds G")

    @property
    def d_touched(self) -> bool | None:
        """Whether D moves in G's phase."""
        if not self.matches:
            return None
        return self.matches[0].habits.optimisers in ("shared", "G's holds D")

    @property
    def faults(self) -> tuple[str, ...]:
        """What the first match does otherwise than declared, in one phrase each."""
        return wording.faults(self.matches[0], self.setting.objective) if self.matches else ()

    @property
    def report(self) -> str:
        """The findings as plain text."""
        s = self.setting
        lines = [
            f"Dirac-GAN, objective {s.objective}, h = {s.step_size:g}, γ = {s.gamma:g}: "
            f"{len(STARTS)} starts, {CALLS} calls each"
        ]
        if not self.matches:
            return "\n".join([*lines, "no hypothesis matches; what was seen:", *self.seen])
        accounts = list(
            dict.fromkeys("\n".join(wording.account(m, s, self.penalty_on)) for m in self.matches)
        )
        lines.append(accounts[0])
        if self.detached is not False:
            hidden = "detached or not, it is the same: G's gradients are cleared before its steps"
            lines.append(f"fakes: {'detached' if self.detached else hidden}")
        for other in accounts[1:]:
            lines += ["or, indistinguishable on these trajectories:", other]
        return "\n".join([*lines, *self.seen])


def conform(
    trainer: Trainer, objective: str, *, step_size: float = 0.2, gamma: float = 0.3
) -> Conformance:
    """Find out what ``trainer`` does by running it on the Dirac-GAN.

    Args:
        trainer: ``trainer(G, D, step_size, gamma)`` sets up its optimisers and returns
            ``update(real, latent)``, one call of its loop; see ``vral.conformance``.
        objective: the objective that it declares, a row of OBJECTIVES (the mean over the batch).
        step_size: the step size h that it is given, from 0.001 to 1.
        gamma: the γ that it is given, from 0.001 to 100; 0 if it has no penalty.

    Raises:
        ConfigError: a setting that is not allowed, or a trainer that does not train these modules.
    """
    if objective not in OBJECTIVES:
        raise ConfigError(f"objective: {objective!r} given; allowed: {', '.join(OBJECTIVES)}")
    if not 0.001 <= step_size <= 1:
        raise ConfigError(f"step size: {step_size} given; allowed: from 0.001 to 1")
    if gamma != 0 and not 0.001 <= gamma <= 100:
        raise ConfigError(f"gamma: {gamma} given; allowed: 0, or from 0.001 to 100")
    setting = Setting(objective, float(step_size), float(gamma))
    given = setting.step_size, setting.gamma
    observed = observe(trainer, *given, STARTS, CALLS)
    again = observe(trainer, *given, STARTS[:1], 2)
    repeats = torch.allclose(observed[:2, :1], again, rtol=TOLERANCE, equal_nan=True)
    curved = observe(trainer, *given, STARTS, CURVED_CALLS, CURVATURE) if gamma else None
    return explain(observed, setting, curved, repeats=repeats)


def explain(
    observed: Tensor, setting: Setting, curved: Tensor | None = None, repeats: bool = True
) -> Conformance:
    """The hypotheses that move (θ, ψ) from STARTS along ``observed`` (call, start, 2).

    ``curved`` is what was observed with CURVATURE; ``repeats`` says whether a second run from the
    first start was the same.
    """
    matches, sides = search(observed, setting) if repeats else ([], {})
    seen = [] if matches else wording.seen(observed, setting, sides)
    if not repeats:
        seen.append("two runs from one start differ: the loop draws random numbers that matter")
    ended = (~observed.isfinite()).any(-1).any(1).nonzero()
    if len(ended):
        seen.append(
            f"from call {int(ended[0]) + 1} on θ or ψ passes 1e12 or is NaN from some starts: what "
            "comes later was not compared, and a smaller step size shows more"
        )
    return Conformance(
        setting,
        tuple(matches),
        _detached(matches[0], setting, observed) if matches else None,
        _place(matches[0], setting, curved) if matches and curved is not None else None,
        tuple(seen),
    )


def _detached(hypothesis: Hypothesis, setting: Setting, observed: Tensor) -> bool | None:
    """Whether fakes are detached; None if both possibilities give the same trajectories."""
    habits = hypothesis.habits
    other = hypothesis._replace(habits=habits._replace(detached=not habits.detached))
    return None if agrees(other, setting, observed) else habits.detached


def _place(hypothesis: Hypothesis, setting: Setting, curved: Tensor) -> str | None:
    """Where the penalty takes ∇D, told by a D whose gradient is ψ + κx."""
    if not hypothesis.habits.penalty.weight:
        return None
    for place in (REALS, FAKES, BOTH, WEIGHT):
        if agrees(hypothesis, setting, curved, CURVATURE, place):
            return place
    rule = hypothesis.manner.rule_d.kind
    if rule not in NOT_ADAPTIVE or hypothesis.d_steps != 1:
        return None
    # ψ after the first step is linear in the mean place of ∇D.
    real, fake = (
        trajectories(hypothesis, setting, STARTS, 1, CURVATURE, place)[0, :, 1]
        for place in (REALS, FAKES)
    )
    share = (curved[0, :, 1] - real) / (fake - real)
    midway = torch.allclose(share, torch.tensor(0.5, dtype=share.dtype))
    return BETWEEN if bool(((share > 0) & (share < 1)).all()) and not midway else None
