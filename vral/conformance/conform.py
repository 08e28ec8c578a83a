"""``conform`` tells from a trainer's trajectories what the trainer does."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from vral.conformance.dynamics import Dynamics, Lanes, Setting, State, initial, trajectories
from vral.conformance.hypotheses import (
    MOST_STEPS,
    ORDERS,
    SIMULTANEOUS,
    Hypothesis,
    candidates,
    programs,
)
from vral.conformance.observe import Trainer, observe
from vral.errors import ConfigError
from vral.objectives import OBJECTIVES

STARTS = torch.tensor([[1.0, 1.0], [0.5, -1.5], [-0.7, 0.45], [-1.1, -0.3]], dtype=torch.float64)
"""Starts (θ, ψ) in all four quadrants, with scores away from the kinks of the hinge."""

CALLS = 36
"""Calls of the trainer from each start; lazy R1 with an interval of 16 acts in three of them."""

TOLERANCE = 1e-9
"""Largest deviation of a match, relative to max(1, |θ|, |ψ|)."""


class Nearest(NamedTuple):
    """The hypothesis that agrees longest, the call (from 1) where it fails, and its deviation."""

    hypothesis: Hypothesis
    call: int
    gap: float


@dataclass(frozen=True)
class Conformance:
    """What a trainer does.

    ``matches`` are the hypotheses that agree at every call from every start and have the fewest
    departures; several of them have the same trajectories. Without a match there is ``nearest``.
    """

    setting: Setting
    matches: tuple[Hypothesis, ...]
    nearest: Nearest | None
    detached: bool | None
    """Whether fakes are detached in D's phase; None if the trajectories do not depend on it."""
    adaptive: bool
    """Whether every first step has length h, as with Adam."""

    @property
    def order(self) -> str | None:
        """One of ORDERS; None without a match."""
        return self.matches[0].order if self.matches else None

    @property
    def d_steps(self) -> int | None:
        """D steps in a call; None without a match."""
        return self.matches[0].d_steps if self.matches else None

    @property
    def g_steps(self) -> int | None:
        """G steps in a call; None without a match."""
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
        return self.matches[0].faults if self.matches else ()

    @property
    def report(self) -> str:
        """The findings as plain text."""
        s = self.setting
        lines = [
            f"Dirac-GAN, objective {s.objective}, h = {s.step_size:g}, γ = {s.gamma:g}: "
            f"{len(STARTS)} starts, {CALLS} calls each"
        ]
        if self.nearest:
            return "\n".join([*lines, *self._unmatched(self.nearest)])
        accounts = list(dict.fromkeys("\n".join(_account(m, s)) for m in self.matches))
        lines.append(accounts[0])
        if self.detached is not False:
            hidden = "as if detached: G's gradients are cleared before its steps, so it cannot show"
            lines.append(f"fakes: {'detached' if self.detached else hidden}")
        for other in accounts[1:]:
            lines += ["or, indistinguishable on these trajectories:", other]
        return "\n".join(lines)

    def _unmatched(self, nearest: Nearest) -> list[str]:
        most_d, most_g = MOST_STEPS[0]
        lines = [
            "no hypothesis matches: is it the declared objective, step size and γ, with plain "
            f"gradient descent, at most {most_d} D and {most_g} G steps a call?",
            f"nearest: it deviates first at call {nearest.call}, by {nearest.gap:.1e}",
            *(f"  {line}" for line in _account(nearest.hypothesis, self.setting)),
        ]
        if self.adaptive:
            lines.append(
                "every first move is h long, as with Adam: hand the trainer torch.optim.SGD"
            )
        elif nearest.call > 1:
            lines.append(
                "what agrees at first may be momentum, a schedule of h or γ, or a clipping"
            )
        return lines


def _account(hypothesis: Hypothesis, setting: Setting) -> list[str]:
    penalty = hypothesis.habits.penalty
    factor = f"{penalty.mean_weight:g}γ" if penalty.mean_weight != 1 else "γ"
    lines = [f"updates: {hypothesis.scheme}"]
    if not setting.gamma:
        lines.append("penalty: not asked for (γ = 0)")
    elif penalty.centre:
        lines.append(f"penalty: {penalty.text}")
    elif penalty.weight:
        effective = setting.gamma * penalty.mean_weight
        lines.append(f"penalty: R1, {penalty.text}")
        lines.append(f"effective γ: {effective:g} = {factor} in the form ½γ·E‖∇D‖²")
    else:
        lines.append(f"penalty: none, though γ = {setting.gamma:g} was given")
    return lines + [f"fault: {fault}" for fault in hypothesis.faults or ("none",)]


def conform(
    trainer: Trainer, objective: str, *, step_size: float = 0.2, gamma: float = 0.3
) -> Conformance:
    """Find out what ``trainer`` does by running it on the Dirac-GAN.

    Args:
        trainer: ``trainer(G, D, step_size, gamma)`` sets up its optimisers and returns
            ``update(real, latent)``, one call of its loop; see ``vral.conformance``.
        objective: the objective that it declares, a row of OBJECTIVES (the mean over the batch).
        step_size: h of its plain gradient descent, from 0.001 to 1.
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
    observed = observe(trainer, setting.step_size, setting.gamma, STARTS, CALLS)
    return explain(observed, setting)


def explain(observed: Tensor, setting: Setting) -> Conformance:
    """The hypotheses that move (θ, ψ) from STARTS along ``observed`` (call, start, 2)."""
    nearest: Nearest | None = None
    matches: list[Hypothesis] = []
    for departures in range(len(MOST_STEPS)):
        for program in programs(departures):
            agreeing, best = _search(observed, setting, program, departures)
            matches += agreeing
            failing = [n for n in (nearest, best) if n]
            nearest = min(
                failing, default=None, key=lambda n: (-n.call, n.hypothesis.departures, n.gap)
            )
        if matches:
            break
    moves = (observed[0] - STARTS).abs()
    return Conformance(
        setting,
        tuple(matches),
        None if matches else nearest,
        _detached(matches[0], setting, observed) if matches else None,
        bool(((moves - setting.step_size).abs() < 1e-6 * setting.step_size).all()),
    )


def _search(
    observed: Tensor, setting: Setting, program: tuple[str, int, int], departures: int
) -> tuple[list[Hypothesis], Nearest | None]:
    """The hypotheses of one program that match, and the one that fails last, by the least gap."""
    dynamics = Dynamics(setting, *program)
    kind = (departures, dynamics.order == SIMULTANEOUS, setting.gamma > 0)
    ways, lanes = candidates(*kind), _lanes(*kind)
    if not ways:
        return [], None
    nearest = None
    index = torch.arange(len(ways))
    # After the first call from the first start few hypotheses are left to try from all starts.
    for starts, calls in ((1, 1), (len(STARTS), len(observed))):
        state = initial(STARTS[:starts], len(index))
        for number, (theta, psi) in enumerate(zip(*observed.unbind(-1), strict=True)):
            if number == calls or not len(index):
                break
            theta, psi = theta[:starts], psi[:starts]
            state = dynamics.call(lanes, state, number)
            size = torch.maximum(theta.abs(), psi.abs()).clamp_min(1)
            gaps = torch.maximum((state.theta - theta).abs(), (state.psi - psi).abs()) / size
            gap = gaps.nan_to_num(nan=torch.inf).amax(1)
            alive = (gap <= TOLERANCE).nonzero()[:, 0]
            if len(alive) < len(index):
                dead = gap.where(gap > TOLERANCE, torch.inf)
                least = int(dead.argmin())
                way = Hypothesis(*program, ways[int(index[least])])
                nearest = Nearest(way, number + 1, float(dead[least]))
                index, lanes = index[alive], lanes.keep(alive)
                state = State(*(tensor[alive] for tensor in state))
    return [Hypothesis(*program, ways[i]) for i in index.tolist()], nearest


@cache
def _lanes(departures: int, simultaneous: bool, penalised: bool) -> Lanes:
    return Lanes.of(candidates(departures, simultaneous, penalised))


def _detached(hypothesis: Hypothesis, setting: Setting, observed: Tensor) -> bool | None:
    """Whether fakes are detached; None if both possibilities give the same trajectories."""
    habits = hypothesis.habits
    other = hypothesis._replace(habits=habits._replace(detached=not habits.detached))
    path = trajectories(other, setting, STARTS, len(observed))
    gap = (path - observed).abs() / observed.abs().amax(-1, keepdim=True).clamp_min(1)
    return None if bool((gap <= TOLERANCE).all()) else habits.detached


EXPECTATIONS = {
    "order": ORDERS,
    "d_steps": tuple(map(str, range(MOST_STEPS[0][0] + 1))),
    "g_steps": tuple(map(str, range(MOST_STEPS[0][1] + 1))),
    "gamma": ("none", "half", "full", "a number"),
    "faults": ("none",),
}
"""Keys of an expectation to their values; ``half`` is ½γ·E‖∇D‖², ``full`` γ·E‖∇D‖²."""


def parse_expectation(text: str) -> dict[str, str]:
    """The dict of an expectation ``text``: ``key=value`` pairs, separated by commas.

    Raises:
        ConfigError: an unknown key, or a value that it cannot have.
    """
    expected = {}
    for piece in text.split(","):
        key, _, value = (part.strip() for part in piece.partition("="))
        if key not in EXPECTATIONS:
            keys = ", ".join(EXPECTATIONS)
            raise ConfigError(f"expect: {piece!r} given; allowed: key=value with key of {keys}")
        allowed = EXPECTATIONS[key]
        if value not in allowed and not (key == "gamma" and _is_weight(value)):
            raise ConfigError(f"expect: {piece!r} given; allowed for {key}: {', '.join(allowed)}")
        expected[key] = value
    return expected


def _is_weight(text: str) -> bool:
    try:
        return 0 <= float(text) < math.inf
    except ValueError:
        return False


def unmet(conformance: Conformance, expected: Mapping[str, str]) -> list[str]:
    """The expectations that the best match does not meet, one line each; none if it meets all."""
    if not conformance.matches:
        return ["no hypothesis matches"]
    return min(
        (_misses(match, conformance.setting, expected) for match in conformance.matches), key=len
    )


def _misses(match: Hypothesis, setting: Setting, expected: Mapping[str, str]) -> list[str]:
    penalty = match.habits.penalty
    given = {"none": 0.0, "half": setting.gamma, "full": 2 * setting.gamma}
    lines = []
    for key, value in expected.items():
        if key == "gamma":
            wanted = given[value] if value in given else float(value)
            effective = setting.gamma * penalty.mean_weight
            fulfilled = math.isclose(effective, wanted, rel_tol=1e-9) and not penalty.centre
            seen = f"effective γ {effective:g}" + (" centred at 1" if penalty.centre else "")
        elif key == "faults":
            fulfilled, seen = not match.faults, "; ".join(match.faults)
        else:
            fulfilled, seen = str(getattr(match, key)) == value, str(getattr(match, key))
        if not fulfilled:
            lines.append(f"expected {key}={value}, found {seen}")
    return lines
