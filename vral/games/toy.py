"""Toy: a game of few parameters, with the draw that makes its expectations exact.

Also quadrature and the checks of settings that the toy games share. Everything is in float64. The
same field, rules and steps play toy games and games of networks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from vral.errors import ConfigError
from vral.games.game import Game, Loss
from vral.types import Draw, Params, Profile, from_vector, leaves, map_tensors, to_vector

NODES = 80
"""Nodes of a one-dimensional Gauss-Hermite rule."""


@dataclass(frozen=True)
class Toy:
    """A game of few parameters."""

    game: Game
    start: Profile
    """A profile of one lane in float64. Coordinates of the game follow its order."""
    draw: Draw = field(default_factory=dict)
    """The draw of every move; with it each loss is its expectation, or that of a fixed sample."""
    projections: Mapping[str, Callable[[Params], Params]] = field(default_factory=dict)
    """Player to the map that acts on its parameters after each of its updates (weight clipping)."""
    sample: Callable[[torch.Generator, int], Draw] | None = None
    """(rng, lanes) to a fresh draw with a leading lane axis, for games played on samples."""

    @property
    def size(self) -> int:
        """Number of coordinates: the parameters of all players."""
        return to_vector(self.start).numel()

    def at(self, *coordinates: float | int) -> Profile:
        """The profile with these coordinates, e.g. (θ, ψ).

        Raises:
            ConfigError: a coordinate is not finite, or there are too many or too few.
        """
        return self.profile(torch.tensor(coordinates, dtype=torch.float64))

    def profile(self, coordinates: Tensor) -> Profile:
        """The profile with ``coordinates`` (…, size); leading axes, e.g. lanes, stay leading.

        Raises:
            ConfigError: a coordinate is not finite, or there are too many or too few.
        """
        if not bool(torch.isfinite(coordinates).all()):
            raise ConfigError("start: every coordinate must be a finite number")
        if coordinates.shape[-1] != self.size:
            raise ConfigError(f"start: {coordinates.shape[-1]} coordinates; allowed: {self.size}")
        return from_vector(coordinates, self.start)

    def coordinates(self, profile: Profile) -> Tensor:
        """The coordinates (…, size) of ``profile``: the inverse of ``Toy.profile``."""
        ordered = {player: profile[player] for player in self.start}
        lanes = leaves(ordered)[0].ndim - leaves(self.start)[0].ndim
        return to_vector(ordered, lanes)


def expected(game: Game, weights: Tensor) -> Game:
    """``game`` with every loss averaged with ``weights`` (node,) over the nodes of a draw.

    Every tensor of a draw has a leading node axis. A loss that is a sum of expectations, each over
    one random input, becomes exact when all inputs share the nodes of one quadrature rule.
    """

    def mean(loss: Loss) -> Loss:
        def averaged(profile: Profile, draw: Draw) -> tuple[Tensor, Any]:
            return weights @ vmap(lambda node: loss(profile, node)[0])(draw), ()

        return averaged

    return {player: mean(loss) for player, loss in game.items()}


def gauss_hermite(dimensions: int, nodes: int = NODES) -> tuple[Tensor, Tensor]:
    """Nodes (count, dimensions) and weights (count,) of a product rule for N(0, I).

    ``nodes`` is the number of nodes in one dimension.
    """
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights = weights / weights.sum()
    grid = np.array(list(product(points, repeat=dimensions))).reshape(nodes**dimensions, dimensions)
    each = np.array(list(product(weights, repeat=dimensions))).reshape(
        nodes**dimensions, dimensions
    )
    return torch.from_numpy(grid), torch.from_numpy(each.prod(1))


def normal_points(count: int) -> Tensor:
    """``count`` equally likely points that stand for N(0, 1).

    They are its quantiles at the midpoints of ``count`` cells, scaled to variance 1.
    """
    middle = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    points = torch.special.ndtri(middle)
    return points / points.square().mean().sqrt()


def double(tree: Any) -> Any:
    """``tree`` in float64."""
    return map_tensors(lambda value: value.detach().double(), tree)


def nonnegative(**settings: float | int) -> None:
    """Refuse settings that are negative or not finite.

    Raises:
        ConfigError: the first such setting, by name.
    """
    for name, value in settings.items():
        if not (np.isfinite(value) and value >= 0):
            raise ConfigError(f"{name}: {value} given; allowed: a finite number, 0 or more")


def one_of(name: str, given: str, allowed: Sequence[str]) -> None:
    """Refuse a value that ``allowed`` lacks.

    Raises:
        ConfigError: what is allowed instead.
    """
    if given not in allowed:
        raise ConfigError(f"{name}: {given!r} given; allowed: {', '.join(allowed)}")
