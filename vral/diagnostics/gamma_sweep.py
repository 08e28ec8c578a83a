"""A field's spectral abscissa, max Re λ, against the weight γ of a penalty."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vral.diagnostics.linearise import field_map, jacobian
from vral.diagnostics.spectrum import DENSE_LIMIT, Complex, Real, Spectrum, arnoldi
from vral.errors import ConfigError
from vral.games.game import Game
from vral.types import Draw, Profile

HALVINGS = 20
"""Bisections of the interval between two γ in which the abscissa changes sign."""


@dataclass(frozen=True)
class GammaSweep:
    """A field's spectral abscissa against the weight γ of a penalty, at one profile."""

    gammas: Real
    abscissae: Real
    damped: NDArray[np.bool_]
    """Where the abscissa is negative beyond rounding (``Spectrum.damped``)."""
    residual: float
    """‖v‖ at the largest of the γ."""
    stable_from: float | None = None
    """The γ from which on the abscissa is negative, as far as the grid tells. None if it is not
    negative at the last γ, or if only ``stable_between`` is known.
    """
    stationary_below: float = 1e-6
    """The profile is stationary where the residual is at most this."""

    @property
    def stationary(self) -> bool:
        """Whether the residual is small enough for the abscissae to count."""
        return self.residual <= self.stationary_below

    @property
    def critical(self) -> float:
        """The γ of the grid with the least abscissa; on the Dirac-GAN the critical damping."""
        return float(self.gammas[np.argmin(self.abscissae)])

    @property
    def stable_between(self) -> tuple[float, float] | None:
        """The last γ of the grid that is not damped, and the next one, from which on all are.

        Both are the first γ if all are damped. None if the last γ is not damped.
        """
        first = _first_of_the_rest(self.damped)
        if first == len(self.gammas):
            return None
        return float(self.gammas[max(first - 1, 0)]), float(self.gammas[first])


def _first_of_the_rest(damped: NDArray[np.bool_]) -> int:
    """The index from which on all are damped; the length if the last is not."""
    return int(np.flatnonzero(~damped).max(initial=-1)) + 1


def gamma_sweep(
    game: Callable[[float], Game],
    profile: Profile,
    draw: Draw,
    gammas: Sequence[float] | Real,
    dense_limit: int = DENSE_LIMIT,
) -> GammaSweep:
    """The spectral abscissa of ``game(γ)`` at ``profile`` and ``draw`` for every γ of ``gammas``.

    The field of ``game(γ)`` must be affine in γ, as it is with a penalty of weight γ. Up to
    ``dense_limit`` parameters two Jacobians give all spectra, and bisection the γ from which on the
    abscissa is negative, to a millionth of the grid's step. Beyond, Arnoldi looks for the rightmost
    eigenvalues at every γ. ``gammas`` and the abscissae are (n,). Source: the analysis of R1 by
    Mescheder et al. 2018, of a trained network instead of the Dirac-GAN.

    Raises:
        ConfigError: the γ do not rise, or one of them is negative.
    """
    gammas = np.asarray(gammas, dtype=float)
    if not (gammas >= 0).all() or not (np.diff(gammas) > 0).all():
        raise ConfigError("gammas: allowed are rising numbers, none below 0")
    last = field_map(game(float(gammas[-1])), profile, draw)
    size, residual = len(last.point), last.residual
    dense = size <= dense_limit
    eigenvalues = (_all if dense else _rightmost)(game, profile, draw)

    def at(gamma: float) -> Spectrum:
        return Spectrum(eigenvalues(gamma), size, residual)

    spectra = [at(gamma) for gamma in gammas.tolist()]
    abscissae = np.array([at_gamma.abscissa for at_gamma in spectra])
    sweep = GammaSweep(
        gammas, abscissae, np.array([at_gamma.damped for at_gamma in spectra]), residual
    )
    if sweep.stable_between is None:
        return sweep
    low, high = sweep.stable_between
    if dense:
        for _ in range(HALVINGS if low < high else 0):
            middle = (low + high) / 2
            low, high = (low, middle) if at(middle).damped else (middle, high)
    return replace(sweep, stable_from=high) if dense or low == high else sweep


def _all(game: Callable[[float], Game], profile: Profile, draw: Draw) -> Callable[[float], Complex]:
    """γ to all eigenvalues, by the Jacobian that is affine in γ."""
    without = jacobian(field_map(game(0.0), profile, draw))
    slope = jacobian(field_map(game(1.0), profile, draw)) - without
    return lambda gamma: np.linalg.eigvals(without + gamma * slope).astype(complex)


def _rightmost(
    game: Callable[[float], Game], profile: Profile, draw: Draw
) -> Callable[[float], Complex]:
    """γ to its rightmost eigenvalues, by Arnoldi."""
    return lambda gamma: arnoldi(field_map(game(gamma), profile, draw), "LR")[0]
