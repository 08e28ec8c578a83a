"""The Dirac-GAN in two numbers, with weights and step sizes of its own for every lane.

The same game as ``games.location.dirac`` in one dimension without a network around it, so that maps
over thousands of starts, weights and steps are one program of few operations. A lane's settings are
its draw: ``gamma`` and ``centre`` of the penalty γ/2·(|ψ| - centre)², ``consensus`` (if its
direction is followed), and ``step``.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from vral.games.game import field
from vral.games.toy import Toy, one_of
from vral.objectives import OBJECTIVES
from vral.optim import Consensus, Following, Sgd
from vral.optim.rule import Direction
from vral.train.paths import trajectories
from vral.train.step import Projections
from vral.types import Draw, Move, Params, Profile, Scalar

Settings = Mapping[str, Tensor]
"""``step`` and what else the lanes need, each (lane,)."""


def two_numbers(objective: str = "standard") -> Toy:
    """θ of G and ψ of D; scores are high on reals. Raises ConfigError for unknown objectives.

    D's score of the real sample is 0 whatever ψ is: that term is a constant and is left out.
    """
    one_of("objective", objective, list(OBJECTIVES))
    losses = OBJECTIVES[objective]

    def fake_score(profile: Profile) -> Tensor:
        return profile["D"]["psi"] * profile["G"]["theta"]

    def loss_g(profile: Profile, draw: Draw) -> tuple[Scalar, tuple[()]]:
        return losses.generator(fake_score(profile)), ()

    def loss_d(profile: Profile, draw: Draw) -> tuple[Scalar, tuple[()]]:
        loss = losses.fake(fake_score(profile))
        if "gamma" in draw:
            norm = profile["D"]["psi"].abs()
            loss = loss + draw["gamma"] / 2 * (norm - draw.get("centre", 0.0)) ** 2
        return loss, ()

    one = torch.ones((), dtype=torch.float64)
    return Toy({"G": loss_g, "D": loss_d}, {"G": {"theta": one}, "D": {"psi": one}})


def consensus(game, movers, profile, draw):
    """Consensus optimization's direction at the lane's weight."""
    return Consensus({}, draw["consensus"]).direction(game, movers, profile, draw)


def stepped(direction: Direction) -> Direction:
    """``direction`` times the lane's step, for descent at rate 1."""

    def scaled(game, movers, profile, draw):
        followed, outcomes = direction(game, movers, profile, draw)
        steps = {
            player: {name: draw["step"] * value for name, value in params.items()}
            for player, params in followed.items()
        }
        return steps, outcomes

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
    """Coordinates (times, lane, 2) from ``starts`` (lane, 2); ``every``-th round and the last.

    ``settings`` is one for all moves, or a function that gives the next move's.
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
    """The product of the axes as flat tensors, the last axis fastest."""
    grids = torch.meshgrid(
        *(torch.as_tensor(axis, dtype=torch.float64) for axis in axes), indexing="ij"
    )
    return tuple(grid.flatten() for grid in grids)
