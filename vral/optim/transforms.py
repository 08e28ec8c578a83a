"""What one player makes of its gradients: pure functions of (gradient, state, parameters).

Sgd, Momentum, RmsProp and Adam agree with torch.optim's classes. All are elementwise, so parameters
may carry a lane axis, and none of TRANSFORMS looks at where the parameters are: what it adds to
them depends on the gradient and its own state alone. ``torch._foreach_*``, which torch's own
optimisers call too, runs one operation over all tensors of a player.
"""

# pyright: reportPrivateImportUsage=false

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vral.optim.settings import Checked, setting
from vral.types import Params, map_tensors

State = dict[str, Any]
"""Names to tensors, to dicts of tensors shaped like the parameters, or to another state."""

EPS = 3e-6
"""Default ε of Adam and RMSProp, that of the VRAL authors' code."""


@dataclass(frozen=True)
class Transform(Checked, ABC):
    """What a player follows: gradients go in, new parameters come out."""

    lr: float = setting(meaning="learning rate", above=0.0)

    @abstractmethod
    def init(self, params: Params) -> State:
        """The state before the first update; its tensors have the shapes of the parameters."""

    @abstractmethod
    def update(
        self, gradient: Params, state: State, params: Params
    ) -> tuple[dict[str, Tensor], State]:
        """(parameters, state) after one update; nothing is changed in place."""

    def frozen(
        self, gradient: Params, state: State, params: Params
    ) -> tuple[dict[str, Tensor], State]:
        """``update`` with second moments and step count frozen.

        It is linear in the gradient, so that its spectrum means something (diagnostics.spectrum).
        """
        return self.update(gradient, state, params)


def _zeros(params: Params) -> dict[str, Tensor]:
    return {name: torch.zeros_like(value) for name, value in params.items()}


def _each(params: Params, values: list[Tensor] | tuple[Tensor, ...]) -> dict[str, Tensor]:
    return dict(zip(params, values, strict=True))


def _values(params: Params) -> list[Tensor]:
    return list(params.values())


@dataclass(frozen=True)
class Sgd(Transform):
    """Gradient descent.

    x ← x - lr·g, elementwise (Robbins and Monro 1951).
    """

    def init(self, params: Params) -> State:
        return {}

    def update(
        self, gradient: Params, state: State, params: Params
    ) -> tuple[dict[str, Tensor], State]:
        moved = torch._foreach_add(_values(params), _values(gradient), alpha=-self.lr)
        return _each(params, moved), state


@dataclass(frozen=True)
class Momentum(Transform):
    """Heavy ball (Polyak 1964).

    m ← momentum·m + g; x ← x - lr·m.
    """

    momentum: float = setting(
        0.9, meaning="share of the last step; it may be negative", above=-1.0, below=1.0
    )

    def init(self, params: Params) -> State:
        return {"buffer": _zeros(params)}

    def update(
        self, gradient: Params, state: State, params: Params
    ) -> tuple[dict[str, Tensor], State]:
        buffer = torch._foreach_mul(_values(state["buffer"]), self.momentum)
        buffer = torch._foreach_add(buffer, _values(gradient))
        moved = torch._foreach_add(_values(params), buffer, alpha=-self.lr)
        return _each(params, moved), {"buffer": _each(params, buffer)}


@dataclass(frozen=True)
class RmsProp(Transform):
    """RMSProp (Tieleman and Hinton 2012).

    v ← decay·v + (1-decay)·g²; x ← x - lr·g/(√v + eps).
    """

    decay: float = setting(0.99, meaning="decay of the mean square", least=0.0, below=1.0)
    eps: float = setting(EPS, meaning="ε, added to the root", above=0.0)

    def init(self, params: Params) -> State:
        return {"square": _zeros(params)}

    def update(
        self, gradient: Params, state: State, params: Params
    ) -> tuple[dict[str, Tensor], State]:
        g = _values(gradient)
        square = torch._foreach_mul(_values(state["square"]), self.decay)
        square = torch._foreach_addcmul(square, g, g, value=1 - self.decay)
        return self.frozen(gradient, {"square": _each(params, square)}, params)

    def frozen(
        self, gradient: Params, state: State, params: Params
    ) -> tuple[dict[str, Tensor], State]:
        scale = torch._foreach_add(torch._foreach_sqrt(_values(state["square"])), self.eps)
        moved = torch._foreach_addcdiv(_values(params), _values(gradient), scale, value=-self.lr)
        return _each(params, moved), state


@dataclass(frozen=True)
class Adam(Transform):
    """Adam (Kingma and Ba 2015).

    ε is added to the bias-corrected root, as in torch.optim.Adam. (The VRAL code's Lasagne adds it
    to the uncorrected root; the two differ only early.) The count is a tensor, so that nothing
    reads it back and an update can be compiled.
    """

    beta1: float = setting(0.5, meaning="decay of the mean", least=0.0, below=1.0)
    beta2: float = setting(0.999, meaning="decay of the mean square", least=0.0, below=1.0)
    eps: float = setting(EPS, meaning="ε, added to the root", above=0.0)

    def init(self, params: Params) -> State:
        device = next(iter(params.values())).device
        count = torch.zeros((), dtype=torch.float64, device=device)
        return {"count": count, "mean": _zeros(params), "square": _zeros(params)}

    def update(
        self, gradient: Params, state: State, params: Params
    ) -> tuple[dict[str, Tensor], State]:
        g = _values(gradient)
        square = torch._foreach_mul(_values(state["square"]), self.beta2)
        square = torch._foreach_addcmul(square, g, g, value=1 - self.beta2)
        state = {**state, "count": state["count"] + 1, "square": _each(params, square)}
        return self.frozen(gradient, state, params)

    def frozen(
        self, gradient: Params, state: State, params: Params
    ) -> tuple[dict[str, Tensor], State]:
        g = _values(gradient)
        count = state["count"]
        mean = torch._foreach_lerp(_values(state["mean"]), g, 1 - self.beta1)
        rate = self.lr / _correction(self.beta1, count)
        root = 1 / (rate * _correction(self.beta2, count).sqrt())
        scale = torch._foreach_sqrt(_values(state["square"]))
        scale = torch._foreach_mul(scale, [root.to(g[0].dtype)] * len(g))
        scale = torch._foreach_add(scale, [(self.eps / rate).to(g[0].dtype)] * len(g))
        moved = torch._foreach_addcdiv(_values(params), mean, scale, value=-1)
        return _each(params, moved), {**state, "mean": _each(params, mean)}


def _correction(beta: float, count: Tensor) -> Tensor:
    """1 - β^t, with β^t as exp(t log β).

    Inductor keeps what holds an exp in a buffer, but would repeat a power for every element of
    every parameter.
    """
    return 1 - torch.exp(count * (math.log(beta) if beta else -math.inf))


TRANSFORMS: dict[str, type[Transform]] = {
    "sgd": Sgd,
    "momentum": Momentum,
    "rmsprop": RmsProp,
    "adam": Adam,
}
"""What a player can follow, by name."""


@dataclass(frozen=True)
class Still(Transform):
    """A player that stays where it is, as G does while a fresh D is trained."""

    lr: float = 0.0

    def init(self, params: Params) -> State:
        return {}

    def update(
        self, gradient: Params, state: State, params: Params
    ) -> tuple[dict[str, Tensor], State]:
        return dict(params), state


@dataclass(frozen=True)
class Wrapper(Transform):
    """A transform that changes what another one does, at the other's learning rate."""

    lr: float = field(init=False)
    transform: Transform

    def __post_init__(self) -> None:
        object.__setattr__(self, "lr", self.transform.lr)

    def init(self, params: Params) -> State:
        return self.transform.init(params)


@dataclass(frozen=True)
class ClippedWhole(Wrapper):
    """A transform with parameters *and optimiser state* clipped to ±limit after every update.

    A defect of the original VRAL code, for comparison: it clipped every entry of the optimiser's
    update dictionary, so that norm scales and biases, Adam's moments and its step count (which
    stays at 1 + limit from then on) were clipped with the weights.
    """

    limit: float

    def update(
        self, gradient: Params, state: State, params: Params
    ) -> tuple[dict[str, Tensor], State]:
        params, state = self.transform.update(gradient, state, params)
        return self._clipped(params), self._clipped(state)

    def _clipped(self, tree: Any) -> Any:
        return map_tensors(lambda value: value.clamp(-self.limit, self.limit), tree)


@dataclass(frozen=True)
class Frozen(Wrapper):
    """A transform whose second moments and step count stay as they are."""

    def update(
        self, gradient: Params, state: State, params: Params
    ) -> tuple[dict[str, Tensor], State]:
        return self.transform.frozen(gradient, state, params)


@dataclass(frozen=True)
class Extrapolated(Wrapper):
    """x ← x + 2s - s', s being the transform's step and s' its last one, first 0."""

    def init(self, params: Params) -> State:
        return {"transform": self.transform.init(params), "step": _zeros(params)}

    def update(
        self, gradient: Params, state: State, params: Params
    ) -> tuple[dict[str, Tensor], State]:
        step, inner = self.transform.update(gradient, state["transform"], _zeros(params))
        return self._moved(step, inner, state, params)

    def frozen(
        self, gradient: Params, state: State, params: Params
    ) -> tuple[dict[str, Tensor], State]:
        step, inner = self.transform.frozen(gradient, state["transform"], _zeros(params))
        return self._moved(step, inner, state, params)

    def _moved(
        self, step: dict[str, Tensor], inner: State, state: State, params: Params
    ) -> tuple[dict[str, Tensor], State]:
        moved = torch._foreach_add(_values(params), _values(step), alpha=2)
        moved = torch._foreach_sub(moved, _values(state["step"]))
        return _each(params, moved), {"transform": inner, "step": step}
