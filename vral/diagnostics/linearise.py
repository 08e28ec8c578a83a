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
import scipy.linalg
import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap

from vral.errors import ConfigError
from vral.games.game import Game, field
from vral.optim import Direction, FirstOrder, Rule
from vral.optim.transforms import Frozen
from vral.types import Draw, Move, Params, Profile, from_vector, leaves, map_tensors, to_vector

CHUNK = 16
"""Columns of a dense Jacobian that are computed at a time; more do not fit a CPU's caches."""

SCALINGS = 10
"""Times that ``kernel`` scales rows and columns; their sizes then agree to a thousandth."""

EPS = float(np.finfo(float).eps)
LOST = 10
"""How much more rounding there is where 1 was subtracted, on networks under Adam."""
GAP = 10
"""Quotient of two pivots that parts what is there from rounding."""

FROZEN_STATE = ("count", "square")
"""Optimiser state that an update map keeps fixed: step counts and second moments."""


class Map(NamedTuple):
    """A map of R^n at a point, ready to be linearised there."""

    function: Callable[[Tensor], Tensor]
    point: Tensor
    update: bool
    """Whether it is a round of updates (its fixed points matter) or a field (its zeros)."""
    tensors: Mapping[str, int] = {}
    """The tensors that the coordinates come from, "D.score.weight" and the like, with their sizes,
    in order."""

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

    return Map(v, to_vector(profile), False, _sizes(profile))


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

    tensors = _sizes(profile) | _sizes({"momenta": template["opt"]})
    return Map(one_round, to_vector(template), True, tensors)


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


def at_rest(opt: Any) -> Any:
    """Optimiser state ``opt`` with momenta of 0, as a fixed point of rounds has where v = 0.

    Second moments and step counts stay as they are.
    """
    return _merged(opt, map_tensors(torch.zeros_like, _moving(opt)))


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


def _sizes(tree: Any, name: str = "") -> dict[str, int]:
    """The number of coordinates of every tensor in ``tree``, by its path."""
    if isinstance(tree, Tensor):
        return {name: tree.numel()}
    inner = ((f"{name}.{key}" if name else key, part) for key, part in tree.items())
    return {path: size for key, part in inner for path, size in _sizes(part, key).items()}


def _arranged(tree: Any, like: Any) -> Any:
    """The parts of ``tree`` that ``like`` has, in its order."""
    if not isinstance(like, Mapping):
        return tree
    return {name: _arranged(tree[name], part) for name, part in like.items()}


def jacobian(
    local_map: Map, chunk: int = CHUNK, progress: Callable[[int], object] = lambda columns: None
) -> np.ndarray:
    """The dense Jacobian (n, n) of a map of (n,), at its point.

    ``chunk`` columns are computed at a time, which bounds the memory; ``progress`` is called with
    the number of columns that are done. They are products in forward mode. Source: Pearlmutter 1994
    for the products.
    """
    size = len(local_map.point)
    matrix = np.empty((size, size))
    columns = vmap(local_map.product)
    for start in range(0, size, chunk):
        count = min(chunk, size - start)
        tangents = local_map.point.new_zeros(count, size)
        tangents[torch.arange(count), start + torch.arange(count)] = 1
        matrix[:, start : start + count] = columns(tangents).T.numpy(force=True)
        progress(start + count)
    return matrix


def kernel(matrix: np.ndarray, less_identity: bool = False) -> np.ndarray:
    """An orthonormal basis (n, k) of the directions that a square ``matrix`` (n, n) sends to 0.

    Of ``matrix`` less the identity if ``less_identity``: then its diagonal has lost what is small
    beside 1.

    Rows and columns are scaled to comparable size first, which leaves the rank as it is and tells
    rounding from rows that are merely small, such as those of parameters with small step sizes. A
    QR decomposition with pivoting then has k pivots of the size of rounding, behind a gap. Source:
    Ruiz 2001 for the scaling, Golub and Van Loan, section 5.4, for the rank.
    """
    size = len(matrix)
    scaled = matrix - np.eye(size) if less_identity else matrix.copy()
    columns = np.ones((1, size))
    for _ in range(SCALINGS):
        by_column = _root_of_largest(scaled, 0)
        scaled, columns = scaled / by_column, columns / by_column
        scaled = scaled / _root_of_largest(scaled, 1)
    decomposed: Any = scipy.linalg.qr(scaled, mode="r", pivoting=True, overwrite_a=True)
    triangle, order = decomposed
    pivots = np.abs(np.diag(triangle))
    rank = _rank(pivots, LOST * EPS if less_identity else EPS)
    basis = np.zeros((size, size - rank))
    basis[order[rank:], np.arange(size - rank)] = 1
    basis[order[:rank]] = -scipy.linalg.solve_triangular(
        triangle[:rank, :rank], triangle[:rank, rank:]
    )
    return np.linalg.qr(columns.T * basis)[0]


def _root_of_largest(matrix: np.ndarray, axis: int) -> np.ndarray:
    """The root of the largest size along ``axis``, 1 where all are 0."""
    largest = np.abs(matrix).max(axis, keepdims=True)
    return np.sqrt(np.where(largest > 0, largest, 1))


def _rank(pivots: np.ndarray, error: float) -> int:
    """The number of falling ``pivots`` of a matrix whose entries have this error.

    Rounding leaves pivots of about one size, below size · error of the largest, and all are below
    √size · error. So they begin behind the last GAP, or the widest one where none is as wide.
    """
    size = len(pivots)
    certain = int((pivots > size * error * pivots[0]).sum())
    if not certain:
        return 0
    floor = size**0.5 * error
    sizes = np.append(np.maximum(pivots, floor), floor)
    gaps = sizes[certain - 1 : -1] / sizes[certain:]
    return certain + int(np.flatnonzero(gaps >= min(GAP, gaps.max()))[-1])
