"""One update as a pure function of (state, draw)."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor

from vral.games.game import Game
from vral.optim import Rule
from vral.optim.rule import Gradients
from vral.train.state import TrainState
from vral.types import Draw, Move, Params, Profile, map_tensors

Info = dict[str, Tensor]
"""Named readings of one update, one value per lane."""

Step = Callable[[TrainState, Draw], tuple[TrainState, Info]]

ReadInfo = Callable[[Profile, Draw, Mapping[str, Params], Mapping[str, tuple[Tensor, Any]]], Info]
"""Maps (profile, draw, gradients, evaluations) of one lane before the update to readings."""

Precision = Callable[[], AbstractContextManager[Any]]

PRECISIONS: dict[str, Callable[[str], Precision]] = {
    "float32": lambda device: nullcontext,
    "bf16": lambda device: partial(torch.autocast, device, torch.bfloat16),
}
"""Contexts for a kind of device. In bf16 the products of matrices take bfloat16 factors, while
parameters, optimiser, scores and losses stay in float32."""

Projections = Mapping[str, Callable[[Params], Params]]
"""What is done to a player's parameters after its update, e.g. weight clipping."""


def make_step(
    game: Game,
    rule: Rule,
    movers: Move,
    lanes: int,
    readings: ReadInfo | None = None,
    projections: Projections | None = None,
    precision: Precision = nullcontext,
    decays: Mapping[str, float] | None = None,
) -> Step:
    """The step in which ``movers`` update together, on ``lanes`` stacked runs.

    Every mover's loss is always in the info, under "loss_" and the player's name, with shape
    (lanes,); ``readings`` adds to it. ``projections`` act on a mover's parameters after its update.
    Gradients and readings are taken inside ``precision()``. The gradients that readings see are the
    rule's direction. ``decays`` maps players to the decay β of their running average, which every
    state then has to hold: a ← βa + (1-β)x after each of their updates.
    """

    def evaluate(draw: Draw, profile: Profile) -> tuple[Gradients, Info]:
        """What the movers follow, and the readings; of one lane, or of a stack of one."""
        if lanes == 1:
            draw, profile = without_lane(draw), without_lane(profile)
        with precision():
            followed, evaluations = rule.direction(game, movers, profile, draw)
            info = {f"loss_{player}": evaluations[player][0] for player in movers}
            if readings is not None:
                info |= readings(profile, draw, followed, evaluations)
        return (with_lane(followed), with_lane(info)) if lanes == 1 else (followed, info)

    on_lanes = evaluate if lanes == 1 else torch.func.vmap(evaluate)

    def step(state: TrainState, draw: Draw) -> tuple[TrainState, Info]:
        vector_field = partial(on_lanes, draw)
        profile, opt, info = rule.update(vector_field, movers, state.profile, state.opt)
        for player in movers:
            if projections and player in projections:
                profile[player] = projections[player](profile[player])
        averages = dict(state.averages)
        for player, decay in (decays or {}).items():
            if player in movers:
                averages[player] = {
                    name: decay * value + (1 - decay) * profile[player][name]
                    for name, value in averages[player].items()
                }
        return TrainState(profile, opt, averages), info

    return step


def over_lanes(function: Callable[..., Any], lanes: int) -> Callable[..., Any]:
    """``function`` of trees of tensors, on ``lanes`` stacked runs.

    A stack of one goes without vmap, here and in ``make_step``: under vmap some products of
    matrices become batches of products, which BLAS rounds differently, so that the lane would not
    have the bits of the bare run; and every operation would pay for vmap's dispatch.
    """
    if lanes > 1:
        return torch.func.vmap(function)
    return lambda *trees: with_lane(function(*map(without_lane, trees)))


def without_lane(tree: Any) -> Any:
    """The only lane of a stack of one."""
    return map_tensors(lambda tensor: tensor[0], tree)


def with_lane(tree: Any) -> Any:
    """A stack of one."""
    return map_tensors(lambda tensor: tensor[None], tree)
