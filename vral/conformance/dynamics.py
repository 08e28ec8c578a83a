"""The exact trajectories of the Dirac-GAN under the hypotheses on a loop.

All hypotheses of one scheme are lanes of a stack. θ, ψ and the contents of their ``.grad`` have the
shape (lane, start). The scores are D(x) = ψx with
reals at 0 and fakes at θ, so D's loss has the gradient l_f'(ψθ)·(ψ, θ) in (θ, ψ) and G's has
l_g'(ψθ)·(ψ, θ); the real term has none.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vral.conformance.hypotheses import G_THEN_D, SIMULTANEOUS, Habits, Hypothesis
from vral.objectives import OBJECTIVES
from vral.types import map_tensors


class Setting(NamedTuple):
    """The settings that the trainer was given."""

    objective: str
    step_size: float
    gamma: float


class State(NamedTuple):
    """The two parameters and the contents of their ``.grad``, (lane, start) each."""

    theta: Tensor
    psi: Tensor
    grad_theta: Tensor
    grad_psi: Tensor


class Lanes(NamedTuple):
    """The habits of every lane as tensors (lane, 1); false is 0 and true is 1."""

    weight: Tensor
    centre: Tensor
    every: Tensor
    separate: Tensor
    d_reaches_g: Tensor
    g_reaches_d: Tensor
    d_steps_g: Tensor
    g_steps_d: Tensor
    both_cleared: Tensor
    scale_d: Tensor
    scale_g: Tensor
    clear_d: dict[str, Tensor]
    clear_g: dict[str, Tensor]

    @classmethod
    def of(cls, habits: Sequence[Habits]) -> "Lanes":
        def column(read: Callable[[Habits], float]) -> Tensor:
            return torch.tensor([[float(read(h))] for h in habits], dtype=torch.float64)

        return cls(
            column(lambda h: h.penalty.weight),
            column(lambda h: h.penalty.centre),
            column(lambda h: h.penalty.every),
            column(lambda h: h.penalty.separate),
            column(lambda h: not h.detached),
            column(lambda h: not h.frozen),
            column(lambda h: h.optimisers in ("shared", "D's holds G")),
            column(lambda h: h.optimisers in ("shared", "G's holds D")),
            column(lambda h: not h.by_module),
            column(lambda h: h.scale_d),
            column(lambda h: h.scale_g),
            {w: column(lambda h, w=w: h.clear_d == w) for w in ("before", "after", "call")},
            {w: column(lambda h, w=w: h.clear_g == w) for w in ("before", "after", "call")},
        )

    def keep(self, alive: Tensor) -> "Lanes":
        """The lanes at the indices ``alive``."""
        kept = {
            name: map_tensors(lambda t: t[alive], part) for name, part in self._asdict().items()
        }
        return Lanes(**kept)


class Dynamics(NamedTuple):
    """A loop that makes ``d_steps`` and ``g_steps`` in a call, in ``order``."""

    setting: Setting
    order: str
    d_steps: int
    g_steps: int

    def call(self, lanes: Lanes, state: State, number: int) -> State:
        """The state after call ``number``, counted from 0."""
        state = self._clear_d(lanes, self._clear_g(lanes, state, "call"), "call")
        if self.order == SIMULTANEOUS:
            state = self._d_backward(lanes, self._clear_d(lanes, state, "before"), number)
            state = self._g_backward(lanes, self._clear_g(lanes, state, "before"))
            h = self.setting.step_size
            theta, psi, grad_theta, grad_psi = state
            state = State(theta - h * grad_theta, psi - h * grad_psi, grad_theta, grad_psi)
            state = self._penalty_step(lanes, state, number)
            return self._clear_g(lanes, self._clear_d(lanes, state, "after"), "after")
        if self.order == G_THEN_D:
            return self._d_phase(lanes, self._g_phase(lanes, state), number)
        return self._g_phase(lanes, self._d_phase(lanes, state, number))

    def _d_phase(self, lanes: Lanes, state: State, number: int) -> State:
        h = self.setting.step_size
        for step in range(number * self.d_steps, (number + 1) * self.d_steps):
            state = self._d_backward(lanes, self._clear_d(lanes, state, "before"), step)
            state = state._replace(
                theta=state.theta - h * lanes.d_steps_g * state.grad_theta,
                psi=state.psi - h * state.grad_psi,
            )
            state = self._clear_d(lanes, self._penalty_step(lanes, state, step), "after")
        return state

    def _g_phase(self, lanes: Lanes, state: State) -> State:
        h = self.setting.step_size
        for _ in range(self.g_steps):
            state = self._g_backward(lanes, self._clear_g(lanes, state, "before"))
            state = state._replace(
                theta=state.theta - h * state.grad_theta,
                psi=state.psi - h * lanes.g_steps_d * state.grad_psi,
            )
            state = self._clear_g(lanes, state, "after")
        return state

    def _d_backward(self, lanes: Lanes, state: State, step: int) -> State:
        theta, psi, grad_theta, grad_psi = state
        slope = lanes.scale_d * _slope(OBJECTIVES[self.setting.objective].fake, psi * theta)
        penalty = (1 - lanes.separate) * self._penalty(lanes, psi, step)
        return State(
            theta,
            psi,
            grad_theta + lanes.d_reaches_g * slope * psi,
            grad_psi + slope * theta + penalty,
        )

    def _g_backward(self, lanes: Lanes, state: State) -> State:
        theta, psi, grad_theta, grad_psi = state
        slope = lanes.scale_g * _slope(OBJECTIVES[self.setting.objective].generator, psi * theta)
        return State(
            theta, psi, grad_theta + slope * psi, grad_psi + lanes.g_reaches_d * slope * theta
        )

    def _penalty(self, lanes: Lanes, psi: Tensor, step: int) -> Tensor:
        weight = lanes.weight.where(step % lanes.every == 0, 0.0)
        return self.setting.gamma * weight * (psi - lanes.centre * psi.sign())

    def _penalty_step(self, lanes: Lanes, state: State, step: int) -> State:
        alone = lanes.separate * self._penalty(lanes, state.psi, step)
        return state._replace(psi=state.psi - self.setting.step_size * alone)

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


def _slope(function: Callable[[Tensor], Tensor], scores: Tensor) -> Tensor:
    """Derivative of an elementwise function at every score."""
    scores = scores.detach().requires_grad_()
    return torch.autograd.grad(function(scores).sum(), scores)[0]


def initial(starts: Tensor, lanes: int) -> State:
    """Every lane at ``starts`` (start, 2), with empty gradients."""
    theta, psi = (column.expand(lanes, -1) for column in starts.T)
    return State(theta, psi, torch.zeros_like(theta), torch.zeros_like(psi))


def trajectories(hypothesis: Hypothesis, setting: Setting, starts: Tensor, calls: int) -> Tensor:
    """(θ, ψ) after every call as (call, start, 2), from ``starts`` (start, 2) in float64."""
    dynamics = Dynamics(setting, *hypothesis[:3])
    lanes, state = Lanes.of([hypothesis.habits]), initial(starts, 1)
    path = []
    for number in range(calls):
        state = dynamics.call(lanes, state, number)
        path.append(torch.stack([state.theta[0], state.psi[0]], dim=1))
    return torch.stack(path)
