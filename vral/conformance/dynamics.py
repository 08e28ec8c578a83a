"""The exact trajectories of the Dirac-GAN under the hypotheses on a loop.

All hypotheses of one scheme are lanes of a stack. θ, ψ and the contents of their ``.grad`` have the
shape (lane, start). D(x) = ψx + ½κx², with reals at c and fakes at θ; κ is 0 but where the place of
a penalty is asked. If D's loss has the slopes (r, f) at the scores of reals and fakes, its gradient
is f·(ψ + κθ) in θ and rc + fθ in ψ, to which the penalty adds. G's gradient likewise.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vral.conformance.hypotheses import (
    ADAM,
    AFTER,
    BEFORE,
    BOTH,
    FAKES,
    G_THEN_D,
    MOMENTUM,
    NESTEROV,
    NOT_ADAPTIVE,
    REALS,
    RMSPROP,
    SGD,
    SIGMOID,
    SIMULTANEOUS,
    SOFTPLUS,
    WEIGHT,
    Habits,
    Hypothesis,
    Loss,
    Manner,
)
from vral.conformance.losses import d_losses, g_losses, slopes
from vral.types import map_tensors

TOLERANCE = 1e-9
"""Largest deviation of a match, relative to max(1, |θ|, |ψ|)."""


class Setting(NamedTuple):
    """The settings that the trainer was given."""

    objective: str
    step_size: float
    gamma: float


class State(NamedTuple):
    """The two parameters, the contents of their ``.grad``, (lane, start) each, and of optimisers.

    A memory is (lane, start, 4): the decaying sums of gradients and of their squares, and of 1.
    """

    theta: Tensor
    psi: Tensor
    grad_theta: Tensor
    grad_psi: Tensor
    memory_theta: Tensor
    memory_psi: Tensor

    def keep(self, alive: Tensor) -> "State":
        """The lanes at the indices ``alive``."""
        return State(*(tensor[alive] for tensor in self))


NUMBERS: dict[str, Callable[[Loss, Manner], float]] = {
    "step_d": lambda loss, manner: manner.rule_d.step,
    "first_d": lambda loss, manner: manner.rule_d.first,
    "second_d": lambda loss, manner: manner.rule_d.second,
    "epsilon_d": lambda loss, manner: manner.rule_d.epsilon,
    "step_g": lambda loss, manner: manner.rule_g.step,
    "first_g": lambda loss, manner: manner.rule_g.first,
    "second_g": lambda loss, manner: manner.rule_g.second,
    "epsilon_g": lambda loss, manner: manner.rule_g.epsilon,
    "clip": lambda loss, manner: manner.clip,
    "weight_real": lambda loss, manner: loss.weight_real,
    "shift_real": lambda loss, manner: loss.shift_real,
    "weight_fake": lambda loss, manner: loss.weight_fake,
    "shift_fake": lambda loss, manner: loss.shift_fake,
    "shift_g": lambda loss, manner: loss.shift_g,
    "penalty": lambda loss, manner: 1.0,
}
"""The free numbers of a hypothesis; "penalty" is a further factor of a penalty's weight."""


class Lanes(NamedTuple):
    """The habits and numbers of every lane as tensors (lane, 1); false is 0 and true is 1."""

    weight: Tensor
    centre: Tensor
    every: Tensor
    separate: Tensor
    after_softplus: Tensor
    after_sigmoid: Tensor
    d_reaches_g: Tensor
    g_reaches_d: Tensor
    d_steps_g: Tensor
    g_steps_d: Tensor
    both_cleared: Tensor
    scale_d: Tensor
    scale_g: Tensor
    clear_d: dict[str, Tensor]
    clear_g: dict[str, Tensor]
    numbers: dict[str, Tensor]
    """NUMBERS; a tensor (1, 1) where all lanes have the same."""

    @classmethod
    def of(cls, habits: Sequence[Habits], loss: Loss, manner: Manner) -> "Lanes":
        """Lanes of the same loss and manner."""

        def column(read: Callable[[Habits], float]) -> Tensor:
            return torch.tensor([[float(read(h))] for h in habits], dtype=torch.float64)

        return cls(
            column(lambda h: h.penalty.weight),
            column(lambda h: h.penalty.centre),
            column(lambda h: h.penalty.every),
            column(lambda h: h.penalty.separate),
            column(lambda h: h.penalty.through == SOFTPLUS),
            column(lambda h: h.penalty.through == SIGMOID),
            column(lambda h: not h.detached),
            column(lambda h: not h.frozen),
            column(lambda h: h.optimisers in ("shared", "D's holds G")),
            column(lambda h: h.optimisers in ("shared", "G's holds D")),
            column(lambda h: not h.by_module),
            column(lambda h: h.scale_d),
            column(lambda h: h.scale_g),
            {w: column(lambda h, w=w: h.clear_d == w) for w in ("before", "after", "call")},
            {w: column(lambda h, w=w: h.clear_g == w) for w in ("before", "after", "call")},
            numbers_of(loss, manner),
        )

    def keep(self, alive: Tensor) -> "Lanes":
        """The lanes at the indices ``alive``, which may repeat."""

        def kept(tensor: Tensor) -> Tensor:
            return tensor[alive] if len(tensor) > 1 else tensor.expand(len(alive), 1)

        return Lanes(**{name: map_tensors(kept, part) for name, part in self._asdict().items()})

    def with_numbers(self, numbers: Mapping[str, Tensor]) -> "Lanes":
        """These lanes with other NUMBERS."""
        return self._replace(numbers={**self.numbers, **numbers})


def numbers_of(loss: Loss, manner: Manner) -> dict[str, Tensor]:
    """NUMBERS as tensors (1, 1)."""
    return {
        name: torch.tensor([[float(read(loss, manner))]], dtype=torch.float64)
        for name, read in NUMBERS.items()
    }


class Dynamics(NamedTuple):
    """The loop of ``scheme``, whose habits and numbers are left to the lanes.

    ``reals`` (start,) are the c of the starts, ``curvature`` is κ, ``place`` where ∇D is penalised.
    """

    setting: Setting
    scheme: Hypothesis
    reals: Tensor
    curvature: float = 0.0
    place: str = REALS

    def call(self, lanes: Lanes, state: State, number: int) -> State:
        """The state after call ``number``, counted from 0."""
        state = self._clear_d(lanes, self._clear_g(lanes, state, "call"), "call")
        if self.scheme.order == SIMULTANEOUS:
            return self._both(lanes, state, number)
        if self.scheme.order == G_THEN_D:
            return self.d_phase(lanes, self.g_phase(lanes, state, number), number)
        return self.g_phase(lanes, self.d_phase(lanes, state, number), number)

    def _both(self, lanes: Lanes, state: State, number: int) -> State:
        state = self._clip(lanes, state, BEFORE)
        state = self._d_backward(lanes, self._clear_d(lanes, state, "before"), number)
        state = self._g_backward(lanes, self._clear_g(lanes, state, "before"))
        state = self._move_theta(lanes, self._move_psi(lanes, state, "d"), "g")
        state = self._clip(lanes, self._penalty_step(lanes, state, number), AFTER)
        return self._clear_g(lanes, self._clear_d(lanes, state, "after"), "after")

    def d_phase(self, lanes: Lanes, state: State, number: int) -> State:
        """The state after D's steps of call ``number``."""
        timing, steps = self.scheme.manner.timing_d, self.scheme.d_steps
        if not timing.due(number):
            return state
        first = number // timing.every * steps
        for step in range(first, first + steps):
            state = self._clip(lanes, state, BEFORE)
            state = self._d_backward(lanes, self._clear_d(lanes, state, "before"), step)
            state = self._move_theta(lanes, state, "d", lanes.d_steps_g)
            state = self._penalty_step(lanes, self._move_psi(lanes, state, "d"), step)
            state = self._clear_d(lanes, self._clip(lanes, state, AFTER), "after")
        return state

    def g_phase(self, lanes: Lanes, state: State, number: int) -> State:
        """The state after G's steps of call ``number``."""
        if not self.scheme.manner.timing_g.due(number):
            return state
        for _ in range(self.scheme.g_steps):
            state = self._g_backward(lanes, self._clear_g(lanes, state, "before"))
            state = self._move_psi(lanes, state, "g", lanes.g_steps_d)
            state = self._clear_g(lanes, self._move_theta(lanes, state, "g"), "after")
        return state

    # --- gradients ---

    def _scores(self, theta: Tensor, psi: Tensor) -> tuple[Tensor, Tensor]:
        c, half = self.reals.expand_as(psi), self.curvature / 2
        return c * (psi + half * c), theta * (psi + half * theta)

    def _d_backward(self, lanes: Lanes, state: State, step: int) -> State:
        theta, psi, numbers = state.theta, state.psi, lanes.numbers
        kind = d_losses(self.setting.objective)[self.scheme.loss.d]
        real, fake = slopes(kind.function, *self._scores(theta, psi))
        real = lanes.scale_d * (numbers["weight_real"] * real + numbers["shift_real"])
        fake = lanes.scale_d * (numbers["weight_fake"] * fake + numbers["shift_fake"])
        penalty = (1 - lanes.separate) * self._penalty(lanes, state, step)
        return state._replace(
            grad_theta=state.grad_theta + lanes.d_reaches_g * fake * (psi + self.curvature * theta),
            grad_psi=state.grad_psi + real * self.reals + fake * theta + penalty,
        )

    def _g_backward(self, lanes: Lanes, state: State) -> State:
        theta, psi = state.theta, state.psi
        kind = g_losses(self.setting.objective)[self.scheme.loss.g]
        real, fake = slopes(kind.function, *self._scores(theta, psi))
        real = lanes.scale_g * real
        fake = lanes.scale_g * (fake + lanes.numbers["shift_g"])
        in_d = lanes.g_reaches_d * (real * self.reals + fake * theta)
        return state._replace(
            grad_theta=state.grad_theta + fake * (psi + self.curvature * theta),
            grad_psi=state.grad_psi + in_d,
        )

    def _penalty(self, lanes: Lanes, state: State, step: int) -> Tensor:
        """The penalty's gradient in ψ at D's step ``step``."""
        weight = self.setting.gamma * lanes.numbers["penalty"] * lanes.weight
        weight = weight.where(step % lanes.every == 0, 0.0)
        if self.place == FAKES:
            return weight * self._penalty_at(state.theta, state.psi, lanes)
        if self.place == BOTH:
            points = (self.reals, state.theta)
            return weight / 2 * sum(self._penalty_at(x, state.psi, lanes) for x in points)
        x = torch.zeros_like(self.reals) if self.place == WEIGHT else self.reals
        return weight * self._penalty_at(x, state.psi, lanes)

    def _penalty_at(self, x: Tensor, psi: Tensor, lanes: Lanes) -> Tensor:
        """d/dψ ½(‖q(D(x))·D'(x)‖ - centre)², where q is the slope of the function after D."""
        slope = psi + self.curvature * x
        plain = slope - lanes.centre * slope.sign()
        if not (lanes.after_softplus.any() or lanes.after_sigmoid.any()):
            return plain
        s = torch.sigmoid(x * (psi + self.curvature / 2 * x))
        # (q, dq/ds) of softplus(-s), softplus(s) having the other sign, and of the sigmoid
        q = (1 - s).where(lanes.after_softplus > 0, s * (1 - s))
        bend = (-s * (1 - s)).where(lanes.after_softplus > 0, s * (1 - s) * (1 - 2 * s))
        through = q * slope * (q + slope * bend * x)
        return through.where(lanes.after_softplus + lanes.after_sigmoid > 0, plain)

    # --- moves ---

    def _move_theta(
        self, lanes: Lanes, state: State, player: str, moved: Tensor | None = None
    ) -> State:
        """A step of ``player``'s optimiser on θ, in the lanes ``moved`` (all if None)."""
        if moved is not None and not moved.any():
            return state
        move, memory = self._move(lanes, state.grad_theta, state.memory_theta, player, moved)
        return state._replace(theta=state.theta + move, memory_theta=memory)

    def _move_psi(
        self, lanes: Lanes, state: State, player: str, moved: Tensor | None = None
    ) -> State:
        """A step of ``player``'s optimiser on ψ, in the lanes ``moved`` (all if None)."""
        if moved is not None and not moved.any():
            return state
        move, memory = self._move(lanes, state.grad_psi, state.memory_psi, player, moved)
        return state._replace(psi=state.psi + move, memory_psi=memory)

    def _penalty_step(self, lanes: Lanes, state: State, step: int) -> State:
        """A step of D's optimiser on the penalty alone, where it is due."""
        if not lanes.separate.any():
            return state
        due = lanes.separate * (step % lanes.every == 0)
        penalty = self._penalty(lanes, state, step)
        move, memory = self._move(lanes, penalty, state.memory_psi, "d", due)
        return state._replace(psi=state.psi + move, memory_psi=memory)

    def _move(
        self, lanes: Lanes, grad: Tensor, memory: Tensor, player: str, moved: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The change by a step of a player's optimiser, as in ``torch.optim``, and its memory."""
        kind = (self.scheme.manner.rule_d if player == "d" else self.scheme.manner.rule_g).kind
        h = self.setting.step_size * lanes.numbers[f"step_{player}"]
        if moved is not None:
            h = h * moved
        if kind == SGD:
            return -h * grad, memory
        first, second, epsilon = (
            lanes.numbers[f"{name}_{player}"] for name in ("first", "second", "epsilon")
        )
        mean, square, ones, square_ones = memory.unbind(-1)
        mean = first * mean + (grad if kind in NOT_ADAPTIVE else (1 - first) * grad)
        square = second * square + (1 - second) * grad.square()
        ones = first * ones + (1 - first)
        square_ones = second * square_ones + (1 - second)
        after = torch.stack([mean, square, ones, square_ones], -1)
        if moved is not None:
            after = after.where(moved[..., None] > 0, memory)
        if kind == MOMENTUM:
            return -h * mean, after
        if kind == NESTEROV:
            return -h * (grad + first * mean), after
        if kind == RMSPROP:
            return -h * grad / (square.sqrt() + epsilon), after
        assert kind == ADAM
        return -h * mean / ones / ((square / square_ones).sqrt() + epsilon), after

    def _clip(self, lanes: Lanes, state: State, when: str) -> State:
        if self.scheme.manner.clipped != when:
            return state
        bound = lanes.numbers["clip"]
        return state._replace(psi=state.psi.clamp(-bound, bound))

    def _clear_d(self, lanes: Lanes, state: State, when: str) -> State:
        clear = lanes.clear_d[when]
        return state._replace(
            grad_theta=state.grad_theta * (1 - clear * lanes.d_steps_g * lanes.both_cleared),
            grad_psi=state.grad_psi * (1 - clear),
        )

    def _clear_g(self, lanes: Lanes, state: State, when: str) -> State:
        clear = lanes.clear_g[when]
        return state._replace(
            grad_theta=state.grad_theta * (1 - clear),
            grad_psi=state.grad_psi * (1 - clear * lanes.g_steps_d * lanes.both_cleared),
        )


def initial(starts: Tensor, lanes: int) -> State:
    """Every lane at ``starts`` (start, 3), with empty gradients and memories."""
    theta, psi = (column.expand(lanes, -1) for column in starts[:, :2].T)
    empty, memory = torch.zeros_like(theta), torch.zeros(*theta.shape, 4, dtype=torch.float64)
    return State(theta, psi, empty, empty, memory, memory)


def sizes(seen: Tensor) -> Tensor:
    """max(1, |θ|, |ψ|) of (θ, ψ) along the last axis."""
    return seen.abs().amax(-1).clamp_min(1)


def trajectories(
    hypothesis: Hypothesis,
    setting: Setting,
    starts: Tensor,
    calls: int,
    curvature: float = 0.0,
    place: str = REALS,
) -> Tensor:
    """(θ, ψ) after every call as (call, start, 2), from ``starts`` (start, 3) in float64.

    A start is (θ, ψ, c): its reals are at c. See ``Dynamics`` for ``curvature`` and ``place``.
    """
    dynamics = Dynamics(setting, hypothesis, starts[:, 2], curvature, place)
    lanes = Lanes.of([hypothesis.habits], hypothesis.loss, hypothesis.manner)
    state = initial(starts, 1)
    path = []
    for number in range(calls):
        state = dynamics.call(lanes, state, number)
        path.append(torch.stack([state.theta[0], state.psi[0]], dim=1))
    return torch.stack(path)
