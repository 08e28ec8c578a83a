"""A game and its vector field."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vral.types import Draw, Params, Profile

Loss = Callable[[Profile, Draw], tuple[Tensor, Any]]
"""Maps (profile, draw) to (scalar loss, an auxiliary value for readings)."""

Game = Mapping[str, Loss]
"""The loss of every player."""


def field(
    game: Game, movers: Sequence[str], profile: Profile, draw: Draw
) -> tuple[dict[str, Params], dict[str, tuple[Tensor, Any]]]:
    """Each mover's gradient of its own loss in its own parameters, all at the same profile.

    Returns ``(gradients, evaluations)``: for every mover the gradient, shaped like its parameters,
    and the pair (loss, auxiliary value), the loss a scalar (). A player never sees another's
    gradient, so no tensor need be detached. Raises KeyError for a mover that is no player of
    ``game``. Source: the vector field of Mescheder et al. 2017, with the sign of descent.
    """
    gradients, evaluations = {}, {}
    for player in movers:

        def own_loss(params: Params, player: str = player) -> tuple[Tensor, Any]:
            return game[player]({**profile, player: params}, draw)

        differentiate = torch.func.grad_and_value(own_loss, has_aux=True)
        gradients[player], evaluations[player] = differentiate(profile[player])
    return gradients, evaluations
