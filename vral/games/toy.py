"""What the toy games share: a game, the draw on which its expectations are exact, its coordinates.

Everything is in float64. A toy game is played by the same field, rules and steps as a network's.
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
    """A point, float64, of one lane; its order is that of the coordinates."""
    draw: Draw = field(default_factory=dict)
    """The one draw of every move: with it each loss is its expectation, or a fixed sample's."""
    projections: Mapping[str, Callable[[Params], Params]] = field(default_factory=dict)
    """What acts on a player's parameters after each of its updates: weight clipping."""
    sample: Callable[[torch.Generator, int], Draw] | None = None
    """(generator, lanes) to a fresh draw, lanes leading, of a game played on samples."""

    @property
    def size(self) -> int:
        return to_vector(self.start).numel()

    def at(self, *coordinates: float | int) -> Profile:
        """The profile with these coordinates, e.g. (θ, ψ). Raises ConfigError unless finite."""
        return self.profile(torch.tensor(coordinates, dtype=torch.float64))

    def profile(self, coordinates: Tensor) -> Profile:
        """(…, size) to a profile; leading axes stay leading, e.g. as lanes."""
        if not bool(torch.isfinite(coordinates).all()):
            raise ConfigError("start: every coordinate must be a finite number")
        if coordinates.shape[-1] != self.size:
            raise ConfigError(f"start: {coordinates.shape[-1]} coordinates; allowed: {self.size}")
        return from_vector(coordinates, self.start)

    def coordinates(self, profile: Profile) -> Tensor:
        """Inverse of ``profile``: (…, size)."""
        ordered = {player: profile[player] for player in self.start}
        lanes = leaves(ordered)[0].ndim - leaves(self.start)[0].ndim
        return to_vector(ordered, lanes)


def expected(game: Game, weights: Tensor) -> Game:
    """The game whose losses are ``game``'s, averaged with ``weights`` (node,) over draws.

    Every tensor of a draw has a leading node axis. A loss that is a sum of expectations, each over
    one random input, becomes exact when all inputs share one rule's nodes.
    """

    def mean(loss: Loss) -> Loss:
        def averaged(profile: Profile, draw: Draw) -> tuple[Tensor, Any]:
            return weights @ vmap(lambda one: loss(profile, one)[0])(draw), ()

        return averaged

    return {player: mean(loss) for player, loss in game.items()}


def gauss_hermite(dimensions: int, nodes: int = NODES) -> tuple[Tensor, Tensor]:
    """Nodes (count, dimensions) and weights (count,) of a product rule for N(0, I)."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights = weights / weights.sum()
    grid = np.array(list(product(points, repeat=dimensions))).reshape(nodes**dimensions, dimensions)
    each = np.array(list(product(weights, repeat=dimensions))).reshape(
        nodes**dimensions, dimensions
    )
    return torch.from_numpy(grid), torch.from_numpy(each.prod(1))


def normal_points(count: int) -> Tensor:
    """``count`` equally likely points for N(0, 1): quantiles at midpoints, scaled to variance 1."""
    middle = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    points = torch.special.ndtri(middle)
    return points / points.square().mean().sqrt()


def double(tree: Any) -> Any:
    """``tree`` in float64."""
    return map_tensors(lambda value: value.detach().double(), tree)


def nonnegative(**settings: float | int) -> None:
    """Raises ConfigError naming the first setting that is not a finite number from 0 up."""
    for name, value in settings.items():
        if not (np.isfinite(value) and value >= 0):
            raise ConfigError(f"{name}: {value} given; allowed: a finite number, 0 or more")


def one_of(name: str, given: str, allowed: Sequence[str]) -> None:
    """Raises ConfigError naming what is allowed."""
    if given not in allowed:
        raise ConfigError(f"{name}: {given!r} given; allowed: {', '.join(allowed)}")
