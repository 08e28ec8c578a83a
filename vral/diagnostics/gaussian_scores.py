"""What D can tell, and what slope it must keep, where VRAL has its way with D's scores.

VRAL asks for fakes that score N(m_f, 1) and reals that score N(m_r, 1) (Grewal et al. 2017). Where
D obeys, everything that its score says of the class follows from the gap d = m_r - m_f alone
(``at_optimum``): a D that could tell all samples apart no longer does so. On the other side stands
the Gaussian Poincaré inequality (Chernoff 1981): for z ~ N(0, I) and networks that treat samples
one by one

    E‖∇_z D(G(z))‖² ≥ Var D(G(z)) = 1.

A score may be scaled at will; the slope that counts is that per gap. With any variance σ² of the
scores, d = (m_r - m_f)/σ and AUC = Φ(d/√2), so that

    E‖∇_z D(G(z))‖² / (m_r - m_f)² ≥ 1/d² = 1 / (2 (Φ⁻¹(AUC))²):

what is guaranteed to G is bought with what D may tell. It is a bound from below: D may be steeper,
and nothing says that its slope points at the data (``diagnostics.usefulness`` reads that).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vral.diagnostics.scores import auc, overlap

Array = NDArray[np.floating]

LATENT_GRAD_SQUARE = 1.0
"""The least E‖∇_z D(G(z))‖², in squared units of the score, whatever the gap."""

TRADE_OFF: dict[str, str] = {
    "auc": "P(D(x) > D(G(z))) = Φ(d/√2); Green and Swets 1966",
    "accuracy": "share told apart by the best threshold, half of all being fake: Φ(d/2)",
    "total_variation": "largest difference of probabilities of a set of scores: 2Φ(d/2) - 1",
    "overlap": "∫ min(p, q) = 1 - total variation = 2Φ(-d/2)",
    "jensen_shannon": "Jensen-Shannon divergence (Lin 1991) in bits, what one score tells of "
    "whether its sample is fake, a toss of a coin; by quadrature",
    "pushed_back": "share of fakes above the real mean, Φ(-d): a G that aims at m_r pushes them "
    "back",
    "slope_per_gap": "least E‖∇_z D(G(z))‖² / (m_r - m_f)², 1/d² by Poincaré's inequality",
}
"""What ``at_optimum`` returns. All are functions of d, and only the last can exceed 1."""

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(150)
"""Gauss-Hermite quadrature; weights sum to √(2π)."""


def at_optimum(gap: ArrayLike) -> dict[str, Array]:
    """TRADE_OFF's quantities at gaps d > 0 of any shape, in arrays of that shape."""
    from scipy.special import ndtr

    d = np.asarray(gap, dtype=np.float64)
    return {
        "auc": ndtr(d / np.sqrt(2)),
        "accuracy": ndtr(d / 2),
        "total_variation": 2 * ndtr(d / 2) - 1,
        "overlap": 2 * ndtr(-d / 2),
        "jensen_shannon": _jensen_shannon(d),
        "pushed_back": ndtr(-d),
        "slope_per_gap": LATENT_GRAD_SQUARE / d**2,
    }


def _jensen_shannon(d: Array) -> Array:
    """1 - E log₂(1 + e^(-dv)), v ~ N(d/2, 1): a real score v above the middle has log-odds dv."""
    odds = d[..., None] * (d[..., None] / 2 + NODES)
    return 1 - np.logaddexp(0, -odds) @ WEIGHTS / (np.sqrt(2 * np.pi) * np.log(2))


def from_scores(real: Array, fake: Array, mean_real: float, mean_fake: float) -> dict[str, float]:
    """The same quantities of given scores (n,) and (m,), as far as samples tell them.

    The threshold of "accuracy" lies midway between the means that VRAL asks for, where the best one
    is at its optimum; "total_variation" is 1 less the overlap of the histograms.
    """
    threshold = (mean_real + mean_fake) / 2
    common = overlap(real, fake)
    return {
        "auc": auc(real, fake),
        "accuracy": ((real > threshold).mean() + (fake <= threshold).mean()).item() / 2,
        "total_variation": 1 - common,
        "overlap": common,
        "pushed_back": (fake > mean_real).mean().item(),
    }
