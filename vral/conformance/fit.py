"""Loops with free numbers: step sizes, momentum, decay rates, labels, weights, a clipping.

Where each player has its own optimiser and clears its gradients, D and G meet through their
parameters alone, and these are known after every call. So each player is followed alone, from where
it was seen. Its free numbers are those that Gauss-Newton steps find on the first calls; what they
say is then checked along the whole trajectory, and once more for both players together.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from math import inf
from typing import NamedTuple

import torch
from torch import Tensor

from vral.conformance.dynamics import (
    NUMBERS,
    TOLERANCE,
    Dynamics,
    Lanes,
    Setting,
    State,
    initial,
    numbers_of,
    sizes,
)
from vral.conformance.hypotheses import (
    ADAM,
    AFTER,
    BEFORE,
    D_THEN_G,
    G_THEN_D,
    MOMENTUM,
    NESTEROV,
    NO_PENALTY,
    NOT_ADAPTIVE,
    PENALTIES,
    RMSPROP,
    SGD,
    SIMULTANEOUS,
    Habits,
    Hypothesis,
    Loss,
    Manner,
    Rule,
)
from vral.conformance.losses import G_LABELS, LABELS, d_losses, g_losses

D, G = "d", "g"

MOST = {D: 5, G: 3}
"""The most steps of a player in a call."""

FIT_CALLS, ROUNDS, DIFFERENCE = 4, 7, 1e-6
"""Calls that numbers are fitted to, Gauss-Newton steps, and the difference of a derivative."""

HOPE = 2, 0.1
"""After so many Gauss-Newton steps, hypotheses with a larger relative error are given up."""

TIERS = 3
"""Hypotheses on a player are tried in this order: with no, one, or several departures."""

DECAYS = {
    MOMENTUM: ((0.9, 0.0),),
    NESTEROV: ((0.9, 0.0),),
    ADAM: ((0.9, 0.999), (0.5, 0.999), (0.0, 0.99), (0.0, 0.9), (0.5, 0.9)),
    RMSPROP: ((0.0, 0.99), (0.0, 0.9)),
}
"""Usual (first, second) decay rates, where fits start."""


CLIPS = (0.1, 0.01)
"""Bounds where fits of a clipping before D's steps start."""


class Side(NamedTuple):
    """What one player does; the other's steps in ``hypothesis`` are 0."""

    hypothesis: Hypothesis
    sees_new: bool
    """Whether the other player has moved before it in a call."""


class Way(NamedTuple):
    """A hypothesis on a player, up to the numbers that are free."""

    habits: Habits
    free: tuple[str, ...]
    guess: dict[str, float]
    """Numbers to start from."""


class Family(NamedTuple):
    """Hypotheses on one player that differ in penalty and in which numbers are free."""

    player: str
    scheme: Hypothesis
    ways: tuple[Way, ...]


def fitted(
    observed: Tensor, starts: Tensor, setting: Setting, seen: Manner, tiers: int
) -> dict[str, list[Side]]:
    """What agrees with each player in the first ``tiers``, the least odd first.

    ``seen`` says at which calls the players move, and the bound of a clipping after steps.
    """
    groups = NOT_ADAPTIVE, (ADAM, RMSPROP)
    sides: dict[str, list[Side]] = {}
    adaptive = any(steady(observed, starts, column) for column in (0, 1))
    likely, other = reversed(groups) if adaptive else groups
    for player in (D, G):
        efforts = [(likely, tier) for tier in range(tiers)]
        efforts += [(other, tier) for tier in range(min(tiers, TIERS - 1))]
        for kinds, tier in efforts:
            found = {
                side: None
                for family in _families(player, setting, seen, kinds, tier)
                for sees_new in (False, True)
                for side in _agreeing(family, sees_new, observed, starts, setting)
            }
            sides[player] = sorted(found, key=lambda side: side.hypothesis.departures)
            if found:
                break
    return sides


def steady(observed: Tensor, starts: Tensor, column: int) -> bool:
    """Whether all first moves of θ (column 0) or ψ (1) have the same length, as with Adam."""
    moves = (observed[0] - starts[:, :2])[:, column].abs()
    return bool(((moves - moves[0]).abs() < 1e-3 * moves[0]).all())


def joined(sides: dict[str, list[Side]]) -> list[Hypothesis]:
    """Hypotheses on both players, the least odd first."""
    orders = {(False, True): D_THEN_G, (True, False): G_THEN_D, (False, False): SIMULTANEOUS}
    both = []
    for (d, d_new), (g, g_new) in product(sides[D], sides[G]):
        order = orders.get((d_new, g_new))
        if not order or (order == SIMULTANEOUS and (d.d_steps, g.g_steps) != (1, 1)):
            continue
        habits = d.habits._replace(frozen=order == SIMULTANEOUS)
        loss = d.loss._replace(g=g.loss.g, shift_g=g.loss.shift_g)
        manner = d.manner._replace(rule_g=g.manner.rule_g)
        both.append(Hypothesis(order, d.d_steps, g.g_steps, habits, loss, manner))
    return sorted(both, key=lambda hypothesis: hypothesis.departures)


def _families(
    player: str, setting: Setting, seen: Manner, kinds: Sequence[str], tier: int
) -> Iterator[Family]:
    losses = (d_losses if player == D else g_losses)(setting.objective)
    can_clip = player == D and seen.clip == inf
    for loss, kind, clipped, steps in product(
        losses, kinds, (AFTER, BEFORE) if can_clip else (AFTER,), range(1, MOST[player] + 1)
    ):
        rules = {f"rule_{player}": Rule(kind)}
        manner = seen._replace(clipped=clipped, **rules)
        scheme = Hypothesis(
            D_THEN_G,
            steps * (player == D),
            steps * (player == G),
            Habits(NO_PENALTY),
            Loss(d=loss) if player == D else Loss(g=loss),
            manner,
        )
        ways = tuple(_ways(player, scheme, setting, tier))
        if ways:
            yield Family(player, scheme, ways)


def _ways(player: str, scheme: Hypothesis, setting: Setting, tier: int) -> Iterator[Way]:
    """The penalties and free numbers of a tier."""
    rule = scheme.manner.rule_d if player == D else scheme.manner.rule_g
    plain = scheme.loss == Loss()
    clip = ("clip",) if scheme.manner.clipped == BEFORE else ()
    if not plain and (tier == TIERS - 1 and max(scheme.d_steps, scheme.g_steps) > 1):
        return
    penalties = PENALTIES if setting.gamma and player == D and not clip else (NO_PENALTY,)
    if tier and not (plain and rule.kind == SGD):
        penalties = tuple(penalty for penalty in penalties if not penalty.fault)
    if tier == TIERS - 1:
        penalties = tuple(p for p in penalties if p.every == 1 and not p.separate and not p.fault)
    losses = _loss_numbers(player, setting.objective) if plain else [()]
    if len(penalties) > 1:
        losses = [*losses, ("penalty",)]
    for (free, guess, odd), more in product(_rule_numbers(player, rule.kind), losses):
        if min(odd + len(more) + len(clip) + (not plain), TIERS - 1) == tier:
            some = penalties if "penalty" not in more else [p for p in penalties if p.standard]
            for penalty, bound in product(some, CLIPS if clip else CLIPS[:1]):
                start = guess | dict.fromkeys(clip, bound)
                yield Way(Habits(penalty), (*free, *more, *clip), start)


def _rule_numbers(player: str, kind: str) -> list[tuple[tuple[str, ...], dict[str, float], int]]:
    """Free numbers of an optimiser, those to start from, and how odd they are."""
    step, first, second = f"step_{player}", f"first_{player}", f"second_{player}"
    if kind == SGD:
        return [((), {}, 0), ((step,), {}, 1)]
    free, guess = {
        MOMENTUM: ((first,), {first: 0.5}),
        NESTEROV: ((first,), {first: 0.5}),
        ADAM: ((first, second), {first: 0.6, second: 0.95}),
        RMSPROP: ((second,), {second: 0.95}),
    }[kind]
    usual = [((step,), {first: a, second: b}, 1) for a, b in DECAYS[kind]]
    if kind not in NOT_ADAPTIVE:
        usual += [((step, f"epsilon_{player}"), start, 2) for _, start, _ in usual]
    return [*usual, ((step, *free), guess, 1 + (kind not in NOT_ADAPTIVE))]


def _loss_numbers(player: str, objective: str) -> list[tuple[str, ...]]:
    """Free numbers of the declared loss."""
    if player == G:
        return [(), ("shift_g",)] if objective in G_LABELS else [()]
    weights = [(), ("weight_real",), ("weight_fake",), ("weight_real", "weight_fake")]
    if objective not in LABELS:
        return weights
    return [*weights, ("shift_real",), ("shift_fake",), ("shift_real", "shift_fake")]


def _agreeing(
    family: Family, sees_new: bool, observed: Tensor, starts: Tensor, setting: Setting
) -> list[Side]:
    player, scheme, ways = family
    names = list(NUMBERS)
    base = torch.cat(list(numbers_of(scheme.loss, scheme.manner).values()), 1)
    numbers = base.repeat(len(ways), 1)
    slots = torch.zeros(max(len(way.free) for way in ways), *numbers.shape, dtype=torch.float64)
    for i, way in enumerate(ways):
        for name, value in way.guess.items():
            numbers[i, names.index(name)] = value
        for j, name in enumerate(way.free):
            slots[j, i, names.index(name)] = 1
    lanes = Lanes.of([way.habits for way in ways], scheme.loss, scheme.manner)
    follow = _Follower(Dynamics(setting, scheme, starts[:, 2]), player, sees_new, observed, starts)
    index, numbers = _solved(follow, lanes, numbers, slots)
    alive = follow.agreeing(lanes.keep(index).with_numbers(_columns(numbers)), len(index))
    found = [
        _with(scheme, ways[i].habits, dict(zip(names, number, strict=True)))
        for i, number in zip(index[alive].tolist(), numbers[alive].tolist(), strict=True)
    ]
    return [Side(hypothesis, sees_new) for hypothesis in found if _sensible(hypothesis, player)]


def _columns(numbers: Tensor) -> dict[str, Tensor]:
    return dict(zip(NUMBERS, numbers.split(1, 1), strict=True))


def _solved(
    follow: "_Follower", lanes: Lanes, numbers: Tensor, slots: Tensor
) -> tuple[Tensor, Tensor]:
    """Indices of the lanes that may agree, and their ``numbers`` (lane, number).

    Those in ``slots`` (slot, lane, number) are fitted.
    """
    index = torch.arange(len(numbers))
    identity = torch.eye(len(slots), dtype=torch.float64)
    for round_ in range(ROUNDS if len(slots) else 0):
        tried = torch.cat([numbers, *(numbers + DIFFERENCE * slot for slot in slots)])
        errors = follow.errors(lanes.keep(index.repeat(len(slots) + 1)), tried)
        errors = errors.view(len(slots) + 1, len(index), -1)
        if round_ == HOPE[0]:
            kept = (errors[0].abs().amax(1) < HOPE[1]).nonzero()[:, 0]
            index, numbers, slots, errors = (
                index[kept],
                numbers[kept],
                slots[:, kept],
                errors[:, kept],
            )
            if not len(index):
                break
        slope = ((errors[1:] - errors[0]) / DIFFERENCE).permute(1, 2, 0)
        square, right = slope.mT @ slope, slope.mT @ errors[0][..., None]
        ridge = 1e-14 * square.diagonal(dim1=1, dim2=2).sum(1) + 1e-200
        square = square + ridge[:, None, None] * identity
        change = torch.linalg.solve_ex(square, right).result[..., 0].nan_to_num(0, 0, 0)
        numbers = numbers - torch.einsum("lj,jln->ln", change, slots)
        for name in ("first_d", "second_d", "first_g", "second_g"):
            column = list(NUMBERS).index(name)
            numbers[:, column] = numbers[:, column].clamp(0, 0.99999)
    near = numbers.round(decimals=6)
    near = near.where((numbers - near).abs() < 1e-9, numbers)
    small = [list(NUMBERS).index(name) for name in ("epsilon_d", "epsilon_g")]
    near[:, small] = numbers[:, small]
    return index, near


class _Follower(NamedTuple):
    """Follows one player; before every phase both players are where they were seen."""

    dynamics: Dynamics
    player: str
    sees_new: bool
    observed: Tensor
    starts: Tensor

    def phase(self, lanes: Lanes, state: State, number: int) -> State:
        """The state after the player's steps in call ``number``."""
        before = self.observed[number - 1] if number else self.starts[:, :2]
        other = self.observed[number] if self.sees_new else before
        theta, psi = (before, other) if self.player == G else (other, before)
        shape = state.theta.shape
        state = state._replace(theta=theta[:, 0].expand(shape), psi=psi[:, 1].expand(shape))
        move = self.dynamics.d_phase if self.player == D else self.dynamics.g_phase
        return move(lanes, state, number)

    def _own(self, pair: State | Tensor) -> Tensor:
        theta, psi = pair[:2] if isinstance(pair, State) else pair.unbind(-1)
        return psi if self.player == D else theta

    def errors(self, lanes: Lanes, numbers: Tensor) -> Tensor:
        """The player's relative error after the first calls, as (lane, call and start)."""
        lanes, errors = lanes.with_numbers(_columns(numbers)), []
        state = initial(self.starts, len(numbers))
        for number, seen in enumerate(self.observed[:FIT_CALLS]):
            state = self.phase(lanes, state, number)
            errors.append(self._error(state, seen))
        return torch.cat(errors, 1).nan_to_num(1e12).clamp(-1e12, 1e12)

    def _error(self, state: State, seen: Tensor) -> Tensor:
        error = (self._own(state) - self._own(seen)) / sizes(seen)
        return error.masked_fill(~seen.isfinite().all(-1), 0)

    def agreeing(self, lanes: Lanes, count: int) -> Tensor:
        """Indices of the lanes that agree with all calls."""
        state, index = initial(self.starts, count), torch.arange(count)
        for number, seen in enumerate(self.observed):
            state = self.phase(lanes, state, number)
            alive = (self._error(state, seen).abs() <= TOLERANCE).all(1).nonzero()[:, 0]
            if not len(alive):
                return index[alive]
            index, lanes, state = index[alive], lanes.keep(alive), state.keep(alive)
        return index


def _with(scheme: Hypothesis, habits: Habits, number: dict[str, float]) -> Hypothesis:
    manner = scheme.manner
    rule_d, rule_g = (
        Rule(rule.kind, *(number[f"{n}_{p}"] for n in Rule._fields[1:]))
        for p, rule in ((D, manner.rule_d), (G, manner.rule_g))
    )
    loss = scheme.loss._replace(**{n: number[n] for n in Loss._fields[2:]})
    if number["penalty"] != 1:
        habits = habits._replace(penalty=habits.penalty.times(number["penalty"]))
    manner = manner._replace(rule_d=rule_d, rule_g=rule_g, clip=number["clip"])
    return scheme._replace(habits=habits, loss=loss, manner=manner)


def _sensible(hypothesis: Hypothesis, player: str) -> bool:
    """Whether it is no other hypothesis in disguise: a step of the wrong sign, no decay."""
    manner = hypothesis.manner
    rule = manner.rule_d if player == D else manner.rule_g
    decays = rule.kind not in (MOMENTUM, NESTEROV) or 1e-6 < rule.first < 0.9999
    return rule.step > 0 and decays and hypothesis.habits.penalty.weight >= 0
