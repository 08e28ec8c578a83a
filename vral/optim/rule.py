"""What an update rule is.

A rule has a direction, which says what is followed at one profile and one draw: the game's vector
field, or a modification of it (optim.directions). And it is a solver: ``update`` receives the
direction of the players who move as a function of the profile and calls it as often as it likes,
gradient descent and Adam once, extragradient twice; it may differentiate it too. Directions see one
lane, solvers profiles with a leading lane axis: what a solver does must be elementwise or act
through the field, so that lanes stay independent.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from vral.games.game import Game, field
from vral.optim.transforms import Transform
from vral.types import Draw, Params, Profile

Direction = Callable[
    [Game, Sequence[str], Profile, Draw],
    tuple[dict[str, Params], dict[str, tuple[Tensor, Any]]],
]
"""What ``games.game.field`` is: (game, movers, profile, draw) of one lane to (what each mover steps
against, each mover's own loss with its auxiliary value)."""

Field = Callable[[Profile], tuple[dict[str, Mapping[str, Tensor]], Any]]
"""A full profile to (what each mover steps against, auxiliary value)."""

OptState = dict[str, dict[str, Any]]


@runtime_checkable
class Rule(Protocol):
    direction: Direction
    """Any but ``games.game.field`` itself may look at every player's loss, so that an update's
    draw has to hold every player's inputs."""
    draws: int
    """Independent draws of an update; the second one's inputs are named by ``data.draws.second``.
    """

    def init(self, profile: Profile) -> OptState: ...

    def update(
        self, field: Field, movers: Sequence[str], profile: Profile, opt: OptState
    ) -> tuple[dict[str, Mapping[str, Tensor]], OptState, Any]:
        """One update of ``movers``; returns the new profile, state and the field's auxiliary."""
        ...


class first_order:
    """Each player follows its own transform of its direction: one call of the field."""

    def __init__(
        self,
        transforms: Mapping[str, Transform],
        direction: Direction = field,
        draws: int = 1,
    ):
        self.transforms, self.direction, self.draws = transforms, direction, draws

    def init(self, profile: Profile) -> OptState:
        return {player: self.transforms[player].init(params) for player, params in profile.items()}

    def update(self, field, movers, profile, opt):
        gradients, aux = field(profile)
        return *self._followed(gradients, movers, profile, opt), aux

    def _followed(self, gradients, movers, profile, opt):
        profile, opt = dict(profile), dict(opt)
        for player in movers:
            transform = self.transforms[player]
            profile[player], opt[player] = transform.update(
                gradients[player], opt[player], profile[player]
            )
        return profile, opt


class extragradient(first_order):
    """Step ahead, then step from the old place against the gradient found there (Korpelevich 1976).

    Both gradients are taken on the same draw. The step ahead leaves no trace in the transforms'
    states; the auxiliary value is that of the old place.
    """

    def update(self, field, movers, profile, opt):
        gradients, aux = field(profile)
        ahead, _ = self._followed(gradients, movers, profile, opt)
        gradients, _ = field(ahead)
        return *self._followed(gradients, movers, profile, opt), aux
