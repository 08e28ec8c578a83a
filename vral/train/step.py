"""One update as a pure function of (state, draw)."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from vral.games.game import Game, field
from vral.optim import Rule
from vral.train.state import TrainState
from vral.types import Draw, Move, Params, Profile, map_tensors

Info = dict[str, Tensor]
"""Named readings of one update, one value per lane."""

Step = Callable[[TrainState, Draw], tuple[TrainState, Info]]

Readings = Callable[[Profile, Draw, Mapping[str, Params], Mapping[str, tuple[Tensor, Any]]], Info]
"""(profile, draw, gradients, outcomes) to readings, all of one lane and before the update."""

Projections = Mapping[str, Callable[[Params], Params]]


def make_step(
    game: Game,
    rule: Rule,
    movers: Move,
    lanes: int,
    readings: Readings | None = None,
    projections: Projections | None = None,
) -> Step:
    """The step in which ``movers`` update together, on ``lanes`` stacked runs.

    Every mover's loss is always in the info; ``readings`` adds to it. ``projections`` act on a
    mover's parameters after its update.
    """

    def evaluate(profile: Profile, draw: Draw) -> tuple[dict[str, Params], Info]:
        gradients, outcomes = field(game, movers, profile, draw)
        info = {f"loss_{player}": outcomes[player][0] for player in movers}
        if readings is not None:
            info |= readings(profile, draw, gradients, outcomes)
        return gradients, info

    on_lanes = torch.func.vmap(evaluate) if lanes > 1 else _only_lane(evaluate)

    def step(state: TrainState, draw: Draw) -> tuple[TrainState, Info]:
        profile, opt, info = rule.update(
            lambda profile: on_lanes(profile, draw), movers, state.profile, state.opt
        )
        for player in movers:
            if projections and player in projections:
                profile[player] = projections[player](profile[player])
        return TrainState(profile, opt), info

    return step


def _only_lane(evaluate):
    """``evaluate`` on a stack of one, without vmap's cost."""

    def on_lane(profile: Profile, draw: Draw):
        result = evaluate(map_tensors(lambda t: t[0], profile), map_tensors(lambda t: t[0], draw))
        return tuple(map_tensors(lambda t: t[None], part) for part in result)

    return on_lane
