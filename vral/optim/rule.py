"""What an update rule is.

A rule has a direction, which says what is followed at one profile and one draw: the game's vector
field, or a modification of it. And it is a solver: ``update`` receives the direction of the players
who move as a function of the profile and calls it as often as it likes, gradient descent and Adam
once, extragradient twice; it may differentiate it too. Directions see one lane, solvers see
profiles with a leading lane axis: what a solver does must be elementwise or act through the field,
so that lanes stay independent.

A rule is a frozen dataclass: its players' transforms, then its own settings (optim.settings), each
with its meaning and default.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from vral.games.game import Game, field
from vral.optim.settings import Checked
from vral.optim.transforms import State, Transform
from vral.types import Draw, Params, Profile

Gradients = Mapping[str, Params]
"""What each mover steps against, shaped like its parameters."""

Evaluations = Mapping[str, tuple[Tensor, Any]]
"""Each mover's own loss, a scalar, with its auxiliary value."""

Direction = Callable[[Game, Sequence[str], Profile, Draw], tuple[Gradients, Evaluations]]
"""What ``games.game.field`` is: (game, movers, profile, draw) of one lane to (gradients,
evaluations)."""

VectorField = Callable[[Profile], tuple[Gradients, Any]]
"""A full profile to (gradients of the movers, auxiliary value)."""

OptState = dict[str, State]
"""Each player's state of its transform."""


@runtime_checkable
class Rule(Protocol):
    """What ``train.step.make_step`` needs of an update rule."""

    @property
    def sees_everyone(self) -> bool:
        """Whether the direction looks at players who do not move.

        Then an update's draw has to hold every player's inputs.
        """
        ...

    @property
    def draws(self) -> int:
        """Independent draws of an update; ``data.draws.second`` names the second one's inputs."""
        ...

    def direction(
        self, game: Game, movers: Sequence[str], profile: Profile, draw: Draw
    ) -> tuple[Gradients, Evaluations]:
        """What each of ``movers`` steps against, and its own loss, in one lane."""
        ...

    def init(self, profile: Profile) -> OptState:
        """The state before the first update."""
        ...

    def update(
        self, vector_field: VectorField, movers: Sequence[str], profile: Profile, opt: OptState
    ) -> tuple[dict[str, Params], OptState, Any]:
        """(profile, state, the field's auxiliary value) after one update of ``movers``."""
        ...


@dataclass(frozen=True)
class FirstOrder(Checked):
    """Each player follows its own transform of its gradient.

    One call of the field per update, as in Goodfellow et al. 2014, algorithm 1. Other rules inherit
    from it what they leave as it is.
    """

    transforms: Mapping[str, Transform]

    @property
    def sees_everyone(self) -> bool:
        return False

    @property
    def draws(self) -> int:
        return 1

    direction = staticmethod(field)
    """The game's field itself, so that no frame stands between a step and the game."""

    def transform_of(self, player: str) -> Transform:
        """What ``player`` makes of its gradient."""
        return self.transforms[player]

    def init(self, profile: Profile) -> OptState:
        return {
            player: self.transform_of(player).init(params) for player, params in profile.items()
        }

    def update(
        self, vector_field: VectorField, movers: Sequence[str], profile: Profile, opt: OptState
    ) -> tuple[dict[str, Params], OptState, Any]:
        gradients, auxiliary = vector_field(profile)
        return *self.step(gradients, movers, profile, opt), auxiliary

    def step(
        self,
        gradients: Gradients,
        movers: Sequence[str],
        profile: Profile,
        opt: OptState,
    ) -> tuple[dict[str, Params], OptState]:
        """(profile, state) after every mover's transform of its gradient."""
        profile, opt = dict(profile), dict(opt)
        for player in movers:
            profile[player], opt[player] = self.transform_of(player).update(
                gradients[player], opt[player], profile[player]
            )
        return profile, opt


@dataclass(frozen=True)
class Following(FirstOrder):
    """Each player follows its transform of any direction that is handed over as a function."""

    follows: Direction = field

    @property
    def sees_everyone(self) -> bool:
        return True

    def direction(
        self, game: Game, movers: Sequence[str], profile: Profile, draw: Draw
    ) -> tuple[Gradients, Evaluations]:
        return self.follows(game, movers, profile, draw)


def inner(left: Mapping[str, Params], right: Mapping[str, Params]) -> Tensor:
    """Σ left·right over all parameters of all players in ``left``, a scalar."""
    products = (
        (value * right[player][name]).sum()
        for player, params in left.items()
        for name, value in params.items()
    )
    total: Any = sum(products)
    return total


def plus(params: Params, slope: Params, factor: Tensor | float) -> dict[str, Tensor]:
    """params + factor·slope, tensor by tensor."""
    return {name: value + factor * slope[name] for name, value in params.items()}
