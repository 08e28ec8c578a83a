"""Every method on the Dirac-GAN: its game, its equilibrium, and the closed form of its Jacobian.

Coordinates begin with (θ, ψ): the point that G generates, and D's slope. VRAL's critic has a bias
behind them, and its meta form the coefficients of R and F.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import root
from torch import Tensor
from torch.func import vmap

from vral.diagnostics.linearise import field_map, jacobian, update_map
from vral.dynamics import closed_forms
from vral.games.dirac import CONVENTIONS, GAMMA_CONVENTIONS, dirac
from vral.games.dirac_vral import vral
from vral.games.game import field
from vral.games.toy import Toy, nonnegative, one_of
from vral.optim import Consensus, Direction, Following, NagarajanKolter, Rule, Sgd, Smooth
from vral.types import Move, from_vector

ALGORITHMS: dict[str, int] = {"SimGD": 0, "AltGD 1:1": 1, "AltGD 1:5": 5}
"""Updates of D per update of G, which moves first; 0 means that all players move at once."""


def gradient_descent(
    step: float, players: Sequence[str] = ("G", "D"), direction: Direction = field
) -> Rule:
    """Gradient descent of all players with one step size."""
    return Following({player: Sgd(step) for player in players}, direction)


def moves_of(algorithm: str, players: Sequence[str] = ("G", "D")) -> tuple[Move, ...]:
    """The moves of a round; meta-discriminators move together, before each move of D."""
    moves_d, metas = ALGORITHMS[algorithm], tuple(p for p in players if p not in ("G", "D"))
    if not moves_d:
        return (tuple(players),)
    before = [metas] if metas else []
    return (("G",), *[*before, ("D",)] * moves_d)


@dataclass(frozen=True)
class System:
    """A method on the Dirac-GAN."""

    label: str
    method: str
    """Row of METHODS that gives the colour."""
    toy: Toy
    local: tuple[float, float, float] | None = None
    """(k, g, f) of the Jacobian at the equilibrium; None where they are not known in closed form.
    """
    direction: Direction = field
    equilibrium: tuple[float, ...] | None = (0.0, 0.0)
    """A stationary point, or None where there is none."""

    @property
    def players(self) -> tuple[str, ...]:
        """All players of the game."""
        return tuple(self.toy.start)

    def moves(self, algorithm: str) -> tuple[Move, ...]:
        """The moves of a round."""
        return moves_of(algorithm, self.players)

    def rule(self, step: float) -> Rule:
        """Descent along the system's direction with step size ``step``."""
        return gradient_descent(step, self.players, self.direction)

    @cached_property
    def rest(self) -> tuple[float, ...]:
        """The coordinates behind (θ, ψ), fixed in the plane that is drawn: the equilibrium's."""
        return (self.equilibrium or (0.0, 0.0))[2:]

    def starts(self, plane: Tensor) -> Tensor:
        """Points (count, 2) of the plane in all coordinates of the game, (count, size)."""
        rest = torch.tensor(self.rest, dtype=torch.float64).expand(len(plane), -1)
        return torch.cat([plane, rest], dim=1)

    def velocity(self, plane: Tensor) -> NDArray:
        """(θ', ψ') of the flow at points (count, 2) of the plane, (count, 2)."""

        def v(point: Tensor) -> Tensor:
            profile = from_vector(point, self.toy.start)
            gradients, _ = self.direction(self.toy.game, self.players, profile, self.toy.draw)
            return -self.toy.coordinates(gradients)[:2]

        return vmap(v)(self.starts(plane)).numpy()

    def round_jacobian(self, algorithm: str, step: float) -> NDArray:
        """The Jacobian of one round at the equilibrium, by autograd.

        Raises ValueError without an equilibrium.
        """
        if self.equilibrium is None:
            raise ValueError(f"{self.label} has no equilibrium")
        profile, rule = self.toy.at(*self.equilibrium), self.rule(step)
        return jacobian(
            update_map(
                self.toy.game,
                rule,
                self.moves(algorithm),
                profile,
                rule.init(profile),
                self.toy.draw,
                self.toy.projections,
            )
        )

    def flow_jacobian(self) -> NDArray:
        """The field's Jacobian v' at the equilibrium.

        It is the Jacobian of a simultaneous step of length 1, less the identity. Raises ValueError
        without an equilibrium.
        """
        return self.round_jacobian("SimGD", 1.0) - np.eye(self.toy.size)

    def closed_radius(self, algorithm: str, step: float) -> float:
        """The spectral radius of the (θ, ψ) pair in closed form; NaN where there is none."""
        if self.local is None:
            return float("nan")
        return closed_forms.round_radius(self.local, step, ALGORITHMS[algorithm])


GAMMA = 0.3
"""Weight of the zero-centred penalties where none is given."""
BANDWIDTH = 0.3
"""Bandwidth of the Parzen windows in the portraits."""
META_GUESS = (0.0, 0.0, 0.5, -0.8, 1.1, 0.3, -1.1)
"""A point near the stationary point of VRAL's meta form with linear logits."""


def stationary(toy: Toy, guess: Sequence[float]) -> tuple[float, ...]:
    """The zero of the game's field that a hybrid Newton method finds from ``guess``.

    Raises ValueError where it does not converge.
    """
    field_at = field_map(toy.game, toy.at(*guess), toy.draw)
    zero = root(
        lambda x: field_at.function(torch.from_numpy(x)).numpy(), np.array(guess), tol=1e-13
    )
    if not zero.success:
        residual = np.linalg.norm(zero.fun)
        raise ValueError(f"no stationary point found: ‖v‖ = {residual:.3g}; {zero.message}")
    return tuple(zero.x.tolist())


def meta_label(r1: float | None = None) -> str:
    """Label of VRAL's meta form, without a penalty or under R1 of weight ``r1``."""
    return "VRAL meta" + ("" if r1 is None else f", R1 {r1:g}")


def parzen_label(kl: str, r1: float | None = None) -> str:
    """Label of VRAL's Parzen form; ``kl`` is "forward" or "backward"."""
    short = {"forward": "fwd", "backward": "bwd"}[kl]
    return f"VRAL Parzen {short}" + ("" if r1 is None else f", R1 {r1:g}")


def systems(
    gamma: float = GAMMA, convention: str = "common", gamma_convention: str = "paper"
) -> dict[str, System]:
    """All systems by name, in the order of the portraits.

    ``gamma`` is the weight of the zero-centred penalties. The conventions are those of
    ``games.dirac``.


    Raises ConfigError for a negative weight or an unknown convention.
    """
    nonnegative(gamma=gamma)
    one_of("--convention", convention, CONVENTIONS)
    one_of("--gamma-convention", gamma_convention, list(GAMMA_CONVENTIONS))
    weight = GAMMA_CONVENTIONS[gamma_convention] * gamma

    toy = partial(dirac, convention=convention, gamma_convention=gamma_convention)

    standard = toy("standard")
    meta, meta_r1 = vral("meta"), vral("meta", r1=gamma, gamma_convention=gamma_convention)
    halfway = (0.0, 0.0, 0.5)

    def parzen(kl: str, r1: float | None = None) -> System:
        """VRAL's Parzen form.

        The eigenvalues of (θ, ψ) do not depend on the bandwidth h under the backward KL; under the
        forward one f = δ/2h, where δ = 1 is the distance of the two targets.
        """
        method, f = {
            "forward": ("vral-parzen", 0.5 / BANDWIDTH),
            "backward": ("vral-parzen-backward", 0.5),
        }[kl]
        penalty = r1 or 0.0
        game = vral(kl, r1=penalty, bandwidth=BANDWIDTH, gamma_convention=gamma_convention)
        local = (0.0, GAMMA_CONVENTIONS[gamma_convention] * penalty, f)
        return System(parzen_label(kl, r1), method, game, local, equilibrium=halfway)

    return {
        "gan": System("Standard", "standard", standard, (0.0, 0.0, 0.5)),
        "nsgan": System("-log D", "nonsaturating", toy("nonsaturating"), (0.0, 0.0, 0.5)),
        "lsgan": System("LSGAN", "lsgan", toy("lsgan"), (0.0, 0.0, 1.0)),
        "hinge": System("Hinge", "hinge", toy("hinge"), (0.0, 0.0, 1.0)),
        "wgan": System("WGAN", "wgan", toy("wgan"), (0.0, 0.0, 1.0)),
        "wgan-clip": System("WGAN, clip 1", "wgan", toy("wgan", clip=1.0), (0.0, 0.0, 1.0)),
        "wgan-gp": System(
            "WGAN-GP .7 around 1", "wgan-gp", toy("wgan", gradient_penalty=0.7), equilibrium=None
        ),
        "wgan-gp0": System(
            f"WGAN-GP {gamma:g} around 0",
            "wgan-gp",
            toy("wgan", gradient_penalty=gamma, centre=0.0),
            (0.0, weight, 1.0),
        ),
        "noise": System(
            "Standard, noise .7", "standard", toy("standard", instance_noise=0.7), (0.0, 0.245, 0.5)
        ),
        "r1": System(f"R1 {gamma:g}", "r1", toy("nonsaturating", r1=gamma), (0.0, weight, 0.5)),
        "r1-minimax": System(
            f"Standard, R1 {gamma:g}", "r1", toy("standard", r1=gamma), (0.0, weight, 0.5)
        ),
        "r1-r2": System(
            f"R1 and R2 {gamma:g}",
            "r2",
            toy("nonsaturating", r1=gamma, r2=gamma),
            (0.0, 2 * weight, 0.5),
        ),
        "consensus": System(
            "Standard, consensus 1",
            "standard",
            standard,
            (0.25, 0.25, 0.5),
            Consensus({}, 1.0).direction,
        ),
        "smooth": System(
            "Standard, smooth 1",
            "standard",
            standard,
            (0.0, 0.25, 0.5),
            Smooth({}, 1.0).direction,
        ),
        "nk": System(
            "Standard, N-K 1",
            "standard",
            standard,
            (0.25, 0.0, 0.5),
            NagarajanKolter({}, 1.0).direction,
        ),
        "vral-parzen": parzen("backward"),
        "vral-parzen-r1": parzen("backward", gamma),
        "vral-parzen-forward": parzen("forward"),
        "vral-parzen-forward-r1": parzen("forward", gamma),
        "vral-meta": System(
            meta_label(), "vral-meta", meta, equilibrium=stationary(meta, META_GUESS)
        ),
        "vral-meta-r1": System(
            meta_label(gamma),
            "vral-meta",
            meta_r1,
            equilibrium=stationary(meta_r1, META_GUESS),
        ),
    }
