"""What survives from one update to the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from vral.optim import Rule
from vral.types import Params


class TrainState(NamedTuple):
    """Parameters and optimiser state of every player, tensors with a leading lane axis."""

    profile: dict[str, Params]
    opt: dict[str, Any]


@dataclass
class Clock:
    """Three ways to tell the time; ``images`` (a fourth) is ``d_updates`` × batch.

    A held G takes its turns without moving: ``g_updates`` then counts turns, not updates.
    """

    round: int = 0
    d_updates: int = 0
    g_updates: int = 0


def initial_state(
    rule: Rule, lanes: Sequence[Mapping[str, Params]], device: torch.device
) -> TrainState:
    """Stack one initial profile per lane and start ``rule`` on it."""
    profile = {
        player: {name: torch.stack([lane[player][name] for lane in lanes]).to(device) for name in p}
        for player, p in lanes[0].items()
    }
    return TrainState(profile, rule.init(profile))
