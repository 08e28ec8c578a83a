"""The hypotheses that agree with a trajectory, those with the fewest departures."""

from collections.abc import Sequence
from functools import cache
from itertools import product
from math import inf

import torch
from torch import Tensor

from vral.conformance.dynamics import (
    TOLERANCE,
    Dynamics,
    Lanes,
    Setting,
    initial,
    numbers_of,
    sizes,
)
from vral.conformance.fit import DECAYS, TIERS, Side, fitted, joined, steady
from vral.conformance.hypotheses import (
    ADAM,
    MOMENTUM,
    MOST_STEPS,
    NO_PENALTY,
    R1_FULL,
    R1_HALF,
    REALS,
    RMSPROP,
    SIMULTANEOUS,
    Habits,
    Hypothesis,
    Loss,
    Manner,
    Rule,
    Timing,
    candidates,
    programs,
)
from vral.conformance.losses import d_losses, g_losses
from vral.conformance.observe import LARGEST

STARTS = torch.tensor(
    [
        [1.0, 2.0, -0.6],
        [0.5, -1.5, -0.8],
        [-0.7, 0.45, 0.9],
        [-1.1, -0.3, -0.4],
        [-0.9, 1.3, -0.5],
        [0.0003, 0.004, 0.0001],
    ],
    dtype=torch.float64,
)
"""Starts (θ, ψ, c), with reals at c: (θ, ψ) in all four quadrants, with scores on both sides of the
kinks of the hinge and away from them. The last is near the equilibrium (c, 0) and 0, where even a
tightly clipped ψ shows D's loss on reals."""

CALLS = 36
"""Calls of the trainer from each start; lazy R1 with an interval of 16 acts in three of them."""

MOST_JOINED = 60
"""The most pairs of a D and a G, each explained alone, that are tried together."""

LONGEST_TIMING = 12
"""The largest k of a player that moves at every k-th call; it moves three times."""


def search(observed: Tensor, setting: Setting) -> tuple[list[Hypothesis], dict[str, list[Side]]]:
    """The hypotheses that move (θ, ψ) from STARTS along ``observed`` (call, start, 2).

    Without any, also those that agree with one player alone.
    """
    seen = Manner(
        timing_d=_timing(observed, 1), timing_g=_timing(observed, 0), clip=_clip(observed)
    )
    found = _structural(observed, setting, 0, Loss(), seen, programs(0))
    sides: dict[str, list[Side]] = {}
    plain = Loss(), seen
    levels = range(len(MOST_STEPS))
    for tiers in (TIERS - 1, TIERS):  # the likely first
        if found:
            break
        sides = fitted(observed, STARTS, setting, seen, tiers)
        fits = [h for h in joined(sides)[:MOST_JOINED] if agrees(h, setting, observed)]
        bases = [plain]
        if tiers == TIERS and not fits:
            bases += [(loss, seen) for loss in _other_losses(setting.objective)]
            bases += [(Loss(), manner) for manner in _other_manners(observed, setting, seen)]
        for departures in levels[1:] if tiers == TIERS else levels[1:3]:
            if found:
                break
            for loss, manner in bases:
                left = departures - loss.departures - (manner.departures - seen.departures)
                if left > 0 and (left == 1 or (loss, manner) == plain):
                    some = programs(departures)
                    found += _structural(observed, setting, left, loss, manner, some)
            found += [h for h in fits if h.departures - seen.departures == departures]
        if not found and fits:
            least = min(h.departures for h in fits)
            found = [h for h in fits if h.departures == least]
    return _with_longer_steps(found, setting, observed), sides


def _with_longer_steps(
    matches: list[Hypothesis], setting: Setting, observed: Tensor
) -> list[Hypothesis]:
    """Also those with one longer step where several are the same, as with a straight loss."""
    longer = []
    several = [match for match in matches if max(match.d_steps, match.g_steps) > 1]
    for match, penalty in product(several, (NO_PENALTY, R1_HALF, R1_FULL)):
        d, g = match.manner.rule_d, match.manner.rule_g
        once = match._replace(
            d_steps=min(match.d_steps, 1),
            g_steps=min(match.g_steps, 1),
            habits=match.habits._replace(penalty=penalty),
            manner=match.manner._replace(
                rule_d=d._replace(step=d.step * max(match.d_steps, 1)),
                rule_g=g._replace(step=g.step * max(match.g_steps, 1)),
            ),
        )
        if once not in matches + longer and agrees(once, setting, observed):
            longer.append(once)
    return matches + longer


def agrees(
    hypothesis: Hypothesis,
    setting: Setting,
    observed: Tensor,
    curvature: float = 0.0,
    place: str = REALS,
) -> bool:
    """Whether a hypothesis moves (θ, ψ) along ``observed`` from every start."""
    dynamics = Dynamics(setting, hypothesis, STARTS[:, 2], curvature, place)
    lanes = Lanes.of([hypothesis.habits], hypothesis.loss, hypothesis.manner)
    return bool(len(_survivors(dynamics, lanes, 1, STARTS, observed)))


def _survivors(
    dynamics: Dynamics, lanes: Lanes, count: int, starts: Tensor, observed: Tensor
) -> Tensor:
    """Indices of the ``count`` lanes that agree with every call.

    Each call begins where the trainer was seen: a path that explodes multiplies rounding errors.
    """
    state, index = initial(starts, count), torch.arange(count)
    for number, seen in enumerate(observed):
        state = dynamics.call(lanes, state, number)
        gap = _gap(torch.stack([state.theta, state.psi], -1), seen)
        alive = (gap <= TOLERANCE).nonzero()[:, 0]
        if len(alive) < len(index):
            index, lanes, state = index[alive], lanes.keep(alive), state.keep(alive)
        if not len(index):
            break
        theta, psi = (column.expand(len(index), -1) for column in seen.unbind(-1))
        state = state._replace(theta=theta, psi=psi)
    return index


def _gap(predicted: Tensor, seen: Tensor) -> Tensor:
    """Largest relative deviation of (lane, start, 2) from (start, 2), as (lane,).

    Where a path was given up as infinite the prediction must explode too; afterwards nothing is
    asked.
    """
    gap = ((predicted - seen).abs().amax(-1) / sizes(seen)).nan_to_num(inf, inf, inf)
    finite = predicted.abs().amax(-1) < LARGEST
    gap = gap.where(~seen.isinf().any(-1), torch.where(finite, inf, 0.0))
    return gap.masked_fill(seen.isnan().any(-1), 0).amax(1)


def moved(observed: Tensor, column: int) -> list[int]:
    """The calls (from 0) that change θ (column 0) or ψ (column 1) from any start."""
    before = torch.cat([STARTS[None, :, :2], observed[:-1]])
    changed = (observed != before) & observed.isfinite()
    return changed[..., column].any(1).nonzero()[:, 0].tolist()


def _timing(observed: Tensor, column: int) -> Timing:
    calls = moved(observed, column)
    last = int(observed.isfinite().all(-1).any(1).sum())
    for every, rest in product(range(2, LONGEST_TIMING + 1), range(LONGEST_TIMING)):
        if rest < every and calls == list(range(rest, last, every)) and len(calls) > 2:
            return Timing(every, rest)
    return Timing()


def _clip(observed: Tensor) -> float:
    """The bound of ψ, if it is met from several starts; else infinity."""
    sizes = observed[..., 1].abs().nan_to_num(0, 0, 0)
    met = (sizes == sizes.max()).any(0).sum()
    return float(sizes.max()) if met > 1 else inf


def _other_losses(objective: str) -> list[Loss]:
    d, g = list(d_losses(objective)), list(g_losses(objective))
    both = [Loss(name, name) for name in d[1:] if name in g]
    return [Loss(d=name) for name in d[1:]] + [Loss(g=name) for name in g[1:]] + both


def _other_manners(observed: Tensor, setting: Setting, seen: Manner) -> list[Manner]:
    """Usual optimisers of both players, with the step sizes of their first moves."""
    adaptive = any(steady(observed, STARTS, column) for column in (0, 1))
    kinds = (ADAM, RMSPROP) if adaptive else (MOMENTUM,)
    moves = (observed[0] - STARTS[:, :2]).abs().amax(0) / setting.step_size
    manners = []
    for kind in kinds:
        for first, second in DECAYS[kind]:
            unit = {ADAM: 1.0, MOMENTUM: 0.0, RMSPROP: (1 - second) ** -0.5}[kind]
            step_g, step_d = (round(float(m) / unit, 4) if unit else 1.0 for m in moves)
            rules = Rule(kind, step_d, first, second), Rule(kind, step_g, first, second)
            manners.append(seen._replace(rule_d=rules[0], rule_g=rules[1]))
    return manners


def _structural(
    observed: Tensor,
    setting: Setting,
    departures: int,
    loss: Loss,
    manner: Manner,
    some: Sequence[tuple[str, int, int]],
) -> list[Hypothesis]:
    """The hypotheses of this loss and manner with that many departures in structure."""
    return [
        found
        for program in some
        for found in _agreeing(
            observed, setting, Hypothesis(*program, Habits(), loss, manner), departures
        )
    ]


def _agreeing(
    observed: Tensor, setting: Setting, scheme: Hypothesis, departures: int
) -> list[Hypothesis]:
    kind = (departures, scheme.order == SIMULTANEOUS, setting.gamma > 0)
    ways, lanes = candidates(*kind), _lanes(*kind)
    if not ways:
        return []
    lanes = lanes.with_numbers(numbers_of(scheme.loss, scheme.manner))
    # After the first call from the first start few hypotheses are left to try from all starts.
    first = _survivors(
        Dynamics(setting, scheme, STARTS[:1, 2]), lanes, len(ways), STARTS[:1], observed[:1, :1]
    )
    if not len(first):
        return []
    dynamics = Dynamics(setting, scheme, STARTS[:, 2])
    left = first[_survivors(dynamics, lanes.keep(first), len(first), STARTS, observed)]
    return [scheme._replace(habits=ways[i]) for i in left.tolist()]


@cache
def _lanes(departures: int, simultaneous: bool, penalised: bool) -> Lanes:
    return Lanes.of(candidates(departures, simultaneous, penalised), Loss(), Manner())
