"""One update as a pure function of (state, draw)."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor

from vral.games.game import Game
from vral.optim import Rule
from vral.train.state import TrainState
from vral.types import Draw, Move, Params, Profile, map_tensors

Info = dict[str, Tensor]
"""Named readings of one update, one value per lane."""

Step = Callable[[TrainState, Draw], tuple[TrainState, Info]]

ReadInfo = Callable[[Profile, Draw, Mapping[str, Params], Mapping[str, tuple[Tensor, Any]]], Info]
"""(profile, draw, gradients, outcomes) to readings, all of one lane and before the update."""

PRECISIONS: dict[str, Callable[[str], Callable[[], AbstractContextManager]]] = {
    "float32": lambda device: nullcontext,
    "bf16": lambda device: partial(torch.autocast, device, torch.bfloat16),
}
"""Contexts for a kind of device. In bf16 the products of matrices take bfloat16 factors, while
parameters, optimiser, scores and losses stay in float32."""

Projections = Mapping[str, Callable[[Params], Params]]


def make_step(
    game: Game,
    rule: Rule,
    movers: Move,
    lanes: int,
    readings: ReadInfo | None = None,
    projections: Projections | None = None,
    precision: Callable[[], AbstractContextManager] = nullcontext,
) -> Step:
    """The step in which ``movers`` update together, on ``lanes`` stacked runs.

    Every mover's loss is always in the info; ``readings`` adds to it. ``projections`` act on a
    mover's parameters after its update. Gradients and readings are taken inside ``precision()``.
    The gradients that readings see are the rule's direction.
    """

    def evaluate(profile: Profile, draw: Draw) -> tuple[dict[str, Params], Info]:
        with precision():
            gradients, outcomes = rule.direction(game, movers, profile, draw)
            info = {f"loss_{player}": outcomes[player][0] for player in movers}
            if readings is not None:
                info |= readings(profile, draw, gradients, outcomes)
        return gradients, info

    on_lanes = over_lanes(evaluate, lanes)

    def step(state: TrainState, draw: Draw) -> tuple[TrainState, Info]:
        profile, opt, info = rule.update(
            lambda profile: on_lanes(profile, draw), movers, state.profile, state.opt
        )
        for player in movers:
            if projections and player in projections:
                profile[player] = projections[player](profile[player])
        return TrainState(profile, opt), info

    return step


def over_lanes(function: Callable[..., Any], lanes: int) -> Callable[..., Any]:
    """``function`` of trees of tensors on ``lanes`` stacked runs; a stack of one without vmap."""
    if lanes > 1:
        return torch.func.vmap(function)

    def on_lane(*trees: Any) -> Any:
        result = function(*(map_tensors(lambda t: t[0], tree) for tree in trees))
        if isinstance(result, tuple):
            return tuple(map_tensors(lambda t: t[None], part) for part in result)
        return map_tensors(lambda t: t[None], result)

    return on_lane
