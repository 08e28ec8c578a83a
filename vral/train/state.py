"""What survives from one update to the next."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vral.optim import Rule
from vral.types import Move, Params, Profile


class TrainState(NamedTuple):
    """Parameters and optimiser state of every player, tensors with a leading lane axis."""

    profile: dict[str, Params]
    opt: dict[str, Any]
    averages: dict[str, Params] = {}
    """Running averages of the parameters of some players; no update reads them."""


@dataclass
class Clock:
    """Three ways to tell the time; ``images`` (a fourth) is ``d_updates`` × batch.

    A G that stays takes its turns without moving: ``g_updates`` then counts turns, not updates.
    """

    round: int = 0
    d_updates: int = 0
    g_updates: int = 0

    def tick(self, move: Move) -> None:
        """Count one update of the players of ``move``."""
        self.d_updates += "D" in move
        self.g_updates += "G" in move


def stacked(
    profiles: Sequence[Profile], device: torch.device | None = None
) -> dict[str, dict[str, Tensor]]:
    """One profile with a lane for each of ``profiles``."""
    return {
        player: {
            name: torch.stack([profile[player][name] for profile in profiles]).to(device)
            for name in params
        }
        for player, params in profiles[0].items()
    }


def averages_of(profile: Profile, players: Iterable[str]) -> dict[str, Params]:
    """The averages of these players' parameters before their first update: copies of them."""
    return {p: {name: value.clone() for name, value in profile[p].items()} for p in players}


def initial_state(
    rule: Rule, profiles: Sequence[Profile], device: torch.device | None = None
) -> TrainState:
    """``rule`` started on a stack of initial profiles, one per lane."""
    profile = stacked(profiles, device)
    return TrainState(dict(profile), rule.init(profile))
