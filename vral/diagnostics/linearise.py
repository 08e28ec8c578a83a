"""A game near one profile as a map of R^n, ready to be linearised: products, transposes, Jacobian.

Two maps are of interest. The vector field v stacks every player's descent direction, minus its own
gradient (``field_map``). One round F of updates sends parameters and momenta to those after the
round (``update_map``).

Products with v' are forward over reverse, so a penalty on ∇ₓD brings in *third* derivatives: right
for the norms of ``nets.norm``, wrong for torch's fused batch, instance and layer norms. Work in
float64.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap

from vral.errors import ConfigError
from vral.games.game import Game, field
from vral.optim import Direction, FirstOrder, Rule
from vral.optim.transforms import Frozen
from vral.types import Draw, Move, Params, Profile, from_vector, leaves, to_vector

FROZEN_STATE = ("count", "square")
"""Optimiser state that an update map keeps fixed: step counts and second moments."""


class Map(NamedTuple):
    """A map of R^n at a point, ready to be linearised there."""

    function: Callable[[Tensor], Tensor]
    point: Tensor
    update: bool
    """Whether it is a round of updates (its fixed points matter) or a field (its zeros)."""

    def product(self, tangent: Tensor) -> Tensor:
        """The Jacobian at ``point`` times ``tangent`` (n,)."""
        with warnings.catch_warnings():  # torch's first product imports a deprecated module
            warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
            return jvp(self.function, (self.point,), (tangent,))[1]

    def transposed(self, cotangent: Tensor) -> Tensor:
        """The transposed Jacobian at ``point`` times ``cotangent`` (n,)."""
        return vjp(self.function, self.point)[1](cotangent)[0]

    @property
    def residual(self) -> float:
        """‖v‖ of a field, ‖F(x) - x‖ of a round."""
        value = self.function(self.point)
        return torch.linalg.vector_norm(value - self.point if self.update else value).item()


def field_map(game: Game, profile: Profile, draw: Draw, direction: Direction = field) -> Map:
    """The vector field v at ``profile``, in the coordinates of its players in their order.

    A rule's ``direction`` in place of the field gives what all players follow under that rule. The
    map is one of vectors (n,), n being the number of parameters in ``profile``. Raises KeyError for
    a player without a loss. Source: the associated vector field of Mescheder et al. 2017.
    """

    def v(point: Tensor) -> Tensor:
        gradients, _ = direction(game, tuple(profile), from_vector(point, profile), draw)
        return -to_vector(_arranged(gradients, profile))

    return Map(v, to_vector(profile), False)


def update_map(
    game: Game,
    rule: Rule,
    moves: Sequence[Move],
    profile: Profile,
    opt: Mapping[str, Any],
    draw: Draw,
    projections: Mapping[str, Callable[[Params], Params]] | None = None,
) -> Map:
    """One round of ``moves`` as a map of the parameters and of the rule's momenta.

    Every player follows the rule's direction. Second moments and step counts stay at their values
    in ``opt``. ``projections`` act on a player's parameters after each of its updates. The map is
    one of vectors (n,), n counting parameters and momenta. Source: the fixed-point operators of
    Mescheder et al. 2017, section 3.

    Raises:
        ConfigError: the rule keeps second moments and has not made a step yet.
    """
    if any(bool(leaf == 0) for leaf in _named(opt, "count")):
        raise ConfigError("opt: a rule with second moments needs at least one update before")
    rule = _with_frozen_moments(rule)
    projections = projections or {}
    template = {"profile": profile, "opt": _moving(opt)}

    def one_round(point: Tensor) -> Tensor:
        tree = from_vector(point, template)
        profile, state = tree["profile"], _merged(opt, tree["opt"])
        for move in moves:
            profile, state, _ = rule.update(
                lambda profile, move=move: rule.direction(game, move, profile, draw),
                move,
                profile,
                state,
            )
            for player in move:
                if player in projections:
                    profile[player] = projections[player](profile[player])
        return to_vector(_arranged({"profile": profile, "opt": state}, template))

    return Map(one_round, to_vector(template), True)


def _with_frozen_moments(rule: Rule) -> Rule:
    if not isinstance(rule, FirstOrder):
        return rule
    frozen = {player: Frozen(transform) for player, transform in rule.transforms.items()}
    return replace(rule, transforms=frozen)


def _moving(tree: Any) -> Any:
    """``tree`` without the state that stays fixed."""
    if not isinstance(tree, Mapping):
        return tree
    return {name: _moving(part) for name, part in tree.items() if name not in FROZEN_STATE}


def _merged(tree: Any, moving: Any) -> Any:
    """``tree`` with the leaves of ``moving`` in their places."""
    if not isinstance(tree, Mapping):
        return moving
    return {
        name: _merged(part, moving[name]) if name in moving else part for name, part in tree.items()
    }


def _named(tree: Any, name: str) -> list[Tensor]:
    """All tensors under the key ``name``, at any depth of ``tree``."""
    if not isinstance(tree, Mapping):
        return []
    here = leaves(tree[name]) if name in tree else []
    return here + [leaf for part in tree.values() for leaf in _named(part, name)]


def _arranged(tree: Any, like: Any) -> Any:
    """The parts of ``tree`` that ``like`` has, in its order."""
    if not isinstance(like, Mapping):
        return tree
    return {name: _arranged(tree[name], part) for name, part in like.items()}


def jacobian(local_map: Map, chunk: int = 64) -> np.ndarray:
    """The dense Jacobian (n, n) of a map of (n,), at its point.

    ``chunk`` columns are computed at a time, which bounds the memory. They are products in forward
    mode. Source: Pearlmutter 1994 for the products.
    """
    size = len(local_map.point)
    matrix = np.empty((size, size))
    columns = vmap(local_map.product)
    for start in range(0, size, chunk):
        count = min(chunk, size - start)
        tangents = local_map.point.new_zeros(count, size)
        tangents[torch.arange(count), start + torch.arange(count)] = 1
        matrix[:, start : start + count] = columns(tangents).T.numpy(force=True)
    return matrix
