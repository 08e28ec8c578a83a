"""Gradient descent on a game of two numbers, with weights and a step size of its own in every lane.

Maps of the Dirac-GAN over thousands of starts, weights and steps become one program of few
operations. A lane's settings are its draw: ``gamma`` and ``centre`` of the penalty in
``games.dirac.two_numbers``, ``consensus`` where the direction is ``consensus``, and ``step``.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from vral.games.game import Game, field
from vral.games.toy import Toy
from vral.optim import Consensus, Direction, Following, Sgd
from vral.optim.rule import Evaluations, Gradients
from vral.train.paths import trajectories
from vral.train.step import Projections
from vral.types import Draw, Move, Params, Profile

Settings = Mapping[str, Tensor]
"""The lanes' ``step``, weights and centres, each a tensor (lane,)."""


def consensus(
    game: Game, movers: Sequence[str], profile: Profile, draw: Draw
) -> tuple[Gradients, Evaluations]:
    """The direction of consensus optimization with the lane's own weight."""
    return Consensus({}, draw["consensus"]).direction(game, movers, profile, draw)


def stepped(direction: Direction) -> Direction:
    """``direction`` times the lane's step size, for descent at rate 1."""

    def scaled(
        game: Game, movers: Sequence[str], profile: Profile, draw: Draw
    ) -> tuple[Gradients, Evaluations]:
        gradients, evaluations = direction(game, movers, profile, draw)
        steps: Gradients = {
            player: {name: draw["step"] * value for name, value in params.items()}
            for player, params in gradients.items()
        }
        return steps, evaluations

    return scaled


def paths(
    toy: Toy,
    moves: Sequence[Move],
    starts: Tensor,
    settings: Settings | Callable[[], Settings],
    rounds: int,
    every: int = 1,
    direction: Direction = field,
    clip: float | None = None,
) -> Tensor:
    """Descend from ``starts`` (lane, 2); returns the coordinates (times, lane, 2).

    Times are the start, every ``every``-th round and the last one. ``settings`` holds for all
    moves, or is a function that gives those of the next move. Where ``clip`` is given, D's
    parameters are clamped to ±``clip`` after each of its moves.
    """
    rule = Following({player: Sgd(1.0) for player in "GD"}, stepped(direction))
    draw = settings if callable(settings) else lambda: settings
    projections: Projections = {} if clip is None else {"D": lambda params: _clipped(params, clip)}
    return trajectories(
        toy.game,
        rule,
        moves,
        toy.profile(starts),
        rounds,
        lambda lanes: dict(draw()),
        projections,
        every,
    )


def _clipped(params: Params, clip: float) -> dict[str, Tensor]:
    return {name: value.clamp(-clip, clip) for name, value in params.items()}


def lanes(*axes: Sequence[float] | Tensor) -> tuple[Tensor, ...]:
    """The Cartesian product of the axes: one flat tensor per axis, the last axis fastest."""
    grids = torch.meshgrid(
        *(torch.as_tensor(axis, dtype=torch.float64) for axis in axes), indexing="ij"
    )
    return tuple(grid.flatten() for grid in grids)
