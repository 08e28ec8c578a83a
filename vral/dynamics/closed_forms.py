"""Eigenvalues of the Dirac-GAN at its equilibrium, after Mescheder, Geiger and Nowozin 2018.

Every method here has the Jacobian [[-k, -f], [f, -g]] of the field (θ, ψ) there (paper convention):
f is √(-ab) for the two slopes a = l_f'(0), b = l_g'(0) of D's and G's loss; R1, R2 and the
zero-centred penalty of weight γ give k = 0, g = γ; consensus of weight γ gives k = g = γf²;
instance noise of standard deviation s on the log-loss gives k = 0, g = s²/2.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vral.types import Move

Complex = NDArray[np.complexfloating]
Numbers = float | ArrayLike
"""A number or an array. For type checkers ``float`` is part of NumPy's ArrayLike, for beartype it
is not."""


def pair(trace: Numbers, determinant: Numbers) -> Complex:
    """Eigenvalues (…, 2) of 2×2 matrices; first the larger, or the one of positive Im."""
    half = np.asarray(trace) / 2
    root = np.emath.sqrt(half**2 - np.asarray(determinant))
    return np.stack([half + root, half - root], axis=-1).astype(complex)


def flow(k: Numbers, g: Numbers, f: Numbers) -> Complex:
    """Eigenvalues (…, 2) of the flow: -(k + g)/2 ± √((k - g)²/4 - f²)."""
    return pair(-np.add(k, g), np.multiply(k, g) + np.square(f))


def simultaneous(k: Numbers, g: Numbers, f: Numbers, step: Numbers) -> Complex:
    """Eigenvalues (…, 2) of one step h of both players: 1 + hλ."""
    return 1 + np.asarray(step)[..., None] * flow(k, g, f)


def alternating(
    k: Numbers,
    g: Numbers,
    f: Numbers,
    step_g: Numbers,
    step_d: Numbers,
    moves_g: int = 1,
    moves_d: int = 1,
) -> Complex:
    """Eigenvalues (…, 2) of ``moves_g`` steps of G, then ``moves_d`` of D.

    The matrix has trace p + q + rs and determinant pq, where p = (1 - h_g k)^moves_g and
    q = (1 - h_d g)^moves_d say what is left of θ and ψ, and rs = -f² times the steps' sums.
    """
    k, g, f, step_g, step_d = map(np.asarray, (k, g, f, step_g, step_d))
    left_g, left_d = 1 - step_g * k, 1 - step_d * g
    p, q = left_g**moves_g, left_d**moves_d
    # Σ xⁱ for i < n is (1 - xⁿ)/(1 - x), also at x = 1, where it is n.
    travelled_g = sum(left_g**i for i in range(moves_g)) * step_g
    travelled_d = sum(left_d**i for i in range(moves_d)) * step_d
    return pair(p + q - f**2 * travelled_g * travelled_d, p * q)


def round_radius(local: tuple[float, float, float], step: float, moves_d: int) -> float:
    """The spectral radius of a round, for ``local`` = (k, g, f).

    With ``moves_d`` = 0 both players move at once, else G once and then D ``moves_d`` times.
    """
    if not moves_d:
        return float(radius(simultaneous(*local, step)))
    return float(radius(alternating(*local, step, step, 1, moves_d)))


def radius(eigenvalues: Complex) -> NDArray | np.floating:
    """The largest |λ| over the last axis."""
    return np.abs(eigenvalues).max(-1)


def simultaneous_limit(k: Numbers, g: Numbers, f: Numbers) -> NDArray:
    """The largest stable step of SimGD, min 2|Re λ|/|λ|² (Mescheder et al. 2017, lemma 4)."""
    eigenvalues = flow(k, g, f)
    return (2 * np.abs(eigenvalues.real) / np.abs(eigenvalues) ** 2).min(-1)


def alternating_limit(g: Numbers, f: Numbers) -> NDArray:
    """The largest stable step of AltGD 1:1 with k = 0: (√(g² + 4f²) - g)/f²."""
    return (np.sqrt(np.square(g) + 4 * np.square(f)) - g) / np.square(f)


def rounds_jacobian(
    jacobian: NDArray, owners: Sequence[str], moves: Sequence[Move], step: float
) -> NDArray:
    """The Jacobian of a round of gradient steps at a stationary point of a field.

    ``jacobian`` (…, n, n) is the field's there and ``owners`` names the player of every coordinate.
    Each move multiplies by I + h·(the movers' rows of the field's Jacobian).
    """
    identity = np.eye(jacobian.shape[-1])
    product = np.broadcast_to(identity, jacobian.shape)
    for move in moves:
        moving = np.array([owner in move for owner in owners], dtype=float)[:, None]
        product = (identity + step * moving * jacobian) @ product
    return product
