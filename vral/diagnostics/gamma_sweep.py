"""A field's spectral abscissa, max Re λ, against the weight γ of a penalty."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vral.diagnostics.linearise import field_map, jacobian
from vral.diagnostics.spectrum import (
    DENSE_LIMIT,
    STATIONARY,
    Complex,
    Progress,
    Real,
    Spectrum,
    arnoldi,
)
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
    residuals: Real
    """‖v‖ at each γ: a penalty moves the stationary point, unless D is flat on the samples."""
    stable_from: float | None = None
    """The γ from which on the abscissa is negative, as far as the grid tells. None if it is not
    negative at the last γ, if only ``stable_between`` is known, or if the profile is not
    stationary.
    """

    @property
    def residual(self) -> float:
        """The largest ‖v‖ of all γ."""
        return float(self.residuals.max())

    @property
    def stationary(self) -> bool:
        """Whether the profile is stationary at every γ, so that the abscissae count."""
        return self.residual <= STATIONARY

    @property
    def critical(self) -> float | None:
        """The γ of the grid with the least abscissa; on the Dirac-GAN the critical damping.

        None where the profile is not stationary, and where nothing is damped.
        """
        least = int(np.argmin(self.abscissae))
        return float(self.gammas[least]) if self.stationary and self.damped[least] else None

    @property
    def stable_between(self) -> tuple[float, float] | None:
        """The last γ of the grid that is not damped, and the next one, from which on all are.

        Both are the first γ if all are damped. None if the last γ is not damped, or where the
        profile is not stationary.
        """
        if not self.stationary:
            return None
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
    progress: Progress = lambda phase, done, total: None,
) -> GammaSweep:
    """The spectral abscissa of ``game(γ)`` at ``profile`` and ``draw`` for every γ of ``gammas``.

    The field of ``game(γ)`` must be affine in γ, as it is with a penalty of weight γ. Up to
    ``dense_limit`` parameters two Jacobians give all spectra, and bisection the γ from which on the
    abscissa is negative, to a millionth of the grid's step. Beyond, Arnoldi looks for the rightmost
    eigenvalues at every γ. ``gammas`` and the abscissae are (n,); ``progress`` is called as by
    ``spectrum``. Source: the analysis of R1 by
    Mescheder et al. 2018, of a trained network instead of the Dirac-GAN.

    Raises:
        ConfigError: the γ do not rise, or one of them is negative.
    """
    gammas = np.asarray(gammas, dtype=float)
    if not (gammas >= 0).all() or not (np.diff(gammas) > 0).all():
        raise ConfigError("gammas: allowed are rising numbers, none below 0")
    values = [field_map(game(gamma), profile, draw) for gamma in gammas.tolist()]
    residuals = np.array([field.residual for field in values])
    size = len(values[0].point)
    dense = size <= dense_limit
    eigenvalues = (_all if dense else _rightmost)(game, profile, draw, progress)

    def at(gamma: float, residual: float) -> Spectrum:
        return Spectrum(eigenvalues(gamma), size, residual)

    spectra = []
    for gamma, residual in zip(gammas.tolist(), residuals.tolist(), strict=True):
        progress("spectra along γ", len(spectra), len(gammas))
        spectra.append(at(gamma, residual))
    abscissae = np.array([at_gamma.abscissa for at_gamma in spectra])
    damped = np.array([at_gamma.damped for at_gamma in spectra])
    sweep = GammaSweep(gammas, abscissae, damped, residuals)
    if sweep.stable_between is None:
        return sweep
    low, high = sweep.stable_between
    if dense:
        for halving in range(HALVINGS if low < high else 0):
            progress("where stability begins, bisections", halving, HALVINGS)
            middle = (low + high) / 2
            low, high = (low, middle) if at(middle, sweep.residual).damped else (middle, high)
    return replace(sweep, stable_from=high) if dense or low == high else sweep


def _all(
    game: Callable[[float], Game], profile: Profile, draw: Draw, progress: Progress
) -> Callable[[float], Complex]:
    """γ to all eigenvalues, by the Jacobian that is affine in γ."""
    jacobians = []
    for gamma in (0.0, 1.0):
        field = field_map(game(gamma), profile, draw)
        phase, size = f"Jacobian at γ = {gamma:g}, columns", len(field.point)
        jacobians.append(
            jacobian(field, progress=lambda done, p=phase, n=size: progress(p, done, n))
        )
    without, slope = jacobians[0], jacobians[1] - jacobians[0]
    return lambda gamma: np.linalg.eigvals(without + gamma * slope).astype(complex)


def _rightmost(
    game: Callable[[float], Game], profile: Profile, draw: Draw, progress: Progress
) -> Callable[[float], Complex]:
    """γ to its rightmost eigenvalues, by Arnoldi."""

    def at(gamma: float) -> Complex:
        def tell(products: int) -> None:
            progress(f"Arnoldi at γ = {gamma:g}, products", products, None)

        return arnoldi(field_map(game(gamma), profile, draw), "LR", progress=tell)[0]

    return at
