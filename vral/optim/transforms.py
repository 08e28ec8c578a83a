"""Gradient descent, heavy ball, RMSProp and Adam as pure functions of (gradient, state, params).

They agree with torch.optim's classes of the same names. All are elementwise, so parameters may
carry a lane axis, and none of TRANSFORMS looks at where the parameters are: what it adds to them
depends on the gradient and its own state alone. ``torch._foreach_*`` runs one call over all tensors
of a player.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vral.types import Params, map_tensors

State = dict[str, Any]


class Transform(NamedTuple):
    init: Callable[[Params], State]
    update: Callable[[Params, State, Params], tuple[Params, State]]
    held: Callable[[Params, State, Params], tuple[Params, State]] | None = None
    """``update`` with second moments and count held: linear in the gradient, so that its spectrum
    means something (diagnostics.spectrum). None where ``update`` is linear already."""


def _zeros(params: Params) -> dict[str, Tensor]:
    return {name: torch.zeros_like(value) for name, value in params.items()}


def _each(params: Params, values: list[Tensor] | tuple[Tensor, ...]) -> dict[str, Tensor]:
    return dict(zip(params, values, strict=True))


def _values(params: Params) -> list[Tensor]:
    return list(params.values())


def sgd(lr: float) -> Transform:
    """x ← x - lr·g."""

    def update(gradient, state, params):
        moved = torch._foreach_add(_values(params), _values(gradient), alpha=-lr)
        return _each(params, moved), state

    return Transform(lambda params: {}, update)


def momentum(lr: float, momentum: float) -> Transform:
    """m ← momentum·m + g; x ← x - lr·m (Polyak's heavy ball; a negative momentum is allowed)."""

    def update(gradient, state, params):
        buffer = torch._foreach_mul(_values(state["buffer"]), momentum)
        buffer = torch._foreach_add(buffer, _values(gradient))
        moved = torch._foreach_add(_values(params), buffer, alpha=-lr)
        return _each(params, moved), {"buffer": _each(params, buffer)}

    return Transform(lambda params: {"buffer": _zeros(params)}, update)


def rmsprop(lr: float, decay: float, eps: float) -> Transform:
    """v ← decay·v + (1-decay)·g²; x ← x - lr·g/(√v + eps)."""

    def held(gradient, state, params):
        scale = torch._foreach_add(torch._foreach_sqrt(_values(state["square"])), eps)
        moved = torch._foreach_addcdiv(_values(params), _values(gradient), scale, value=-lr)
        return _each(params, moved), state

    def update(gradient, state, params):
        g = _values(gradient)
        square = torch._foreach_mul(_values(state["square"]), decay)
        square = torch._foreach_addcmul(square, g, g, value=1 - decay)
        return held(gradient, {"square": _each(params, square)}, params)

    return Transform(lambda params: {"square": _zeros(params)}, update, held)


def adam(lr: float, beta1: float, beta2: float, eps: float) -> Transform:
    """Kingma and Ba 2015 with eps added to the bias-corrected root, as in torch.optim.Adam.

    (The VRAL code's Lasagne adds eps to the uncorrected root; the two differ only early.) The
    count is a tensor, so that nothing reads it back and an update can be compiled.
    """

    def init(params):
        device = next(iter(params.values())).device
        count = torch.zeros((), dtype=torch.float64, device=device)
        return {"count": count, "mean": _zeros(params), "square": _zeros(params)}

    def correction(beta, count):
        # β^t as exp(t log β): Inductor keeps what holds an exp in a buffer, but would repeat a
        # power for every element of every parameter.
        return 1 - torch.exp(count * (math.log(beta) if beta else -math.inf))

    def held(gradient, state, params):
        g = _values(gradient)
        count = state["count"]
        mean = torch._foreach_lerp(_values(state["mean"]), g, 1 - beta1)
        rate = lr / correction(beta1, count)
        root = 1 / (rate * correction(beta2, count).sqrt())
        scale = torch._foreach_sqrt(_values(state["square"]))
        scale = torch._foreach_mul(scale, [root.to(g[0].dtype)] * len(g))
        scale = torch._foreach_add(scale, [(eps / rate).to(g[0].dtype)] * len(g))
        moved = torch._foreach_addcdiv(_values(params), mean, scale, value=-1)
        return _each(params, moved), {**state, "mean": _each(params, mean)}

    def update(gradient, state, params):
        g = _values(gradient)
        square = torch._foreach_mul(_values(state["square"]), beta2)
        square = torch._foreach_addcmul(square, g, g, value=1 - beta2)
        state = {**state, "count": state["count"] + 1, "square": _each(params, square)}
        return held(gradient, state, params)

    return Transform(init, update, held)


def held() -> Transform:
    """A player that stays where it is."""
    return Transform(lambda params: {}, lambda gradient, state, params: (dict(params), state))


def clipped_whole(transform: Transform, limit: float) -> Transform:
    """``transform`` with parameters *and optimiser state* clipped to ±limit after every update.

    A defect of the original VRAL code, for comparison: it clipped every entry of the optimiser's
    update dictionary, so that norm scales and biases, Adam's moments and its step count (which
    stays at 1 + limit from then on) went with the weights.
    """

    def clip(tree):
        return map_tensors(lambda value: value.clamp(-limit, limit), tree)

    def update(gradient, state, params):
        params, state = transform.update(gradient, state, params)
        return clip(params), clip(state)

    return Transform(transform.init, update)


def optimistic(transform: Transform) -> Transform:
    """x ← x + 2s - s', s being the transform's step and s' its last one, first 0.

    On gradient descent OGDA, x ← x - lr·(2g - g') (Popov 1980); on Adam the optimistic Adam of
    Daskalakis et al. 2018, algorithm 1.
    """

    def init(params):
        return {"transform": transform.init(params), "step": _zeros(params)}

    def twice_less_last(follow):
        def update(gradient, state, params):
            step, inner = follow(gradient, state["transform"], _zeros(params))
            moved = torch._foreach_add(_values(params), _values(step), alpha=2)
            moved = torch._foreach_sub(moved, _values(state["step"]))
            return _each(params, moved), {"transform": inner, "step": step}

        return update

    held = twice_less_last(transform.held) if transform.held else None
    return Transform(init, twice_less_last(transform.update), held)


class TransformRow(NamedTuple):
    """A transform by name: ``build(lr, settings)``, settings being a run's configuration."""

    description: str
    build: Callable[[float, Any], Transform]


TRANSFORMS: dict[str, TransformRow] = {
    "sgd": TransformRow("gradient descent", lambda lr, s: sgd(lr)),
    "momentum": TransformRow(
        "heavy ball (--momentum, may be negative)", lambda lr, s: momentum(lr, s.momentum)
    ),
    "rmsprop": TransformRow(
        "RMSProp (--rmsprop-decay, --eps)", lambda lr, s: rmsprop(lr, s.rmsprop_decay, s.eps)
    ),
    "adam": TransformRow(
        "Adam (--beta1, --beta2, --eps)", lambda lr, s: adam(lr, s.beta1, s.beta2, s.eps)
    ),
}
