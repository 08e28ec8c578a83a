"""Closed forms, in NumPy and float64, written without a look at the code under test."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

# ---- objectives: value and derivative of each score function --------------------------------


class Curve(NamedTuple):
    """A function of the score and its derivative."""

    value: Callable
    slope: Callable


def log_one_plus_exp(s):
    return np.logaddexp(0, s)


def sigmoid(s):
    return 1 / (1 + np.exp(-np.asarray(s, dtype=np.float64)))


LOG_LOSS_REAL = Curve(lambda s: log_one_plus_exp(-s), lambda s: -sigmoid(-s))
LOG_LOSS_FAKE = Curve(log_one_plus_exp, sigmoid)
UP = Curve(lambda s: s, np.ones_like)
DOWN = Curve(lambda s: -s, lambda s: -np.ones_like(s))


def square_to(code: float) -> Curve:
    return Curve(lambda s: (s - code) ** 2 / 2, lambda s: s - code)


OBJECTIVE_CURVES: dict[str, dict[str, Curve]] = {
    "standard": {
        "real": LOG_LOSS_REAL,
        "fake": LOG_LOSS_FAKE,
        "generator": Curve(lambda s: -log_one_plus_exp(s), lambda s: -sigmoid(s)),
    },
    "nonsaturating": {
        "real": LOG_LOSS_REAL,
        "fake": LOG_LOSS_FAKE,
        "generator": LOG_LOSS_REAL,
    },
    "lsgan": {"real": square_to(1), "fake": square_to(-1), "generator": square_to(1)},
    "lsgan-01": {"real": square_to(1), "fake": square_to(0), "generator": square_to(1)},
    "wgan": {"real": DOWN, "fake": UP, "generator": DOWN},
    "hinge": {
        "real": Curve(lambda s: np.where(s < 1, 1 - s, 0.0), lambda s: np.where(s < 1, -1.0, 0.0)),
        "fake": Curve(lambda s: np.where(s > -1, 1 + s, 0.0), lambda s: np.where(s > -1, 1.0, 0.0)),
        "generator": DOWN,
    },
    "bgan": {"real": LOG_LOSS_REAL, "fake": LOG_LOSS_FAKE, "generator": square_to(0)},
}

PAIRED_CURVES: dict[str, dict[str, Curve]] = {
    "relativistic": {"discriminator": LOG_LOSS_REAL, "generator": LOG_LOSS_REAL},
}
"""By the excess of the score that the player wants high over the other one."""


# ---- penalties of D(x) = w·x + ½ xᵀAx with symmetric A, whose gradient is w + Ax ------------


def critic_gradients(x, w, matrix):
    """(batch, size): the gradient at every row of ``x``."""
    return np.stack([w + matrix @ row for row in x])


def gradient_penalty(w, matrix, real, fake, mix):
    """Mean over samples of (‖∇D‖ - 1)² at mixᵢ·realᵢ + (1 - mixᵢ)·fakeᵢ; mix (batch, 1)."""
    gradients = critic_gradients(mix * real + (1 - mix) * fake, w, matrix)
    return np.mean([(math.sqrt(g @ g) - 1) ** 2 for g in gradients])


def half_mean_square(gradients):
    return np.mean([g @ g / 2 for g in gradients])


def legacy_penalty(w, matrix, real, fake, mix):
    """One ε a batch; by the chain rule the gradient in x is ε times the one at x̂."""
    weight = mix[0]
    at = critic_gradients(weight * real + (1 - weight) * fake, w, matrix)
    return np.mean((np.linalg.norm(weight * at, axis=1) - 1) ** 2)


PENALTY_VALUES: dict[str, Callable] = {
    "gradient_penalty": gradient_penalty,
    "legacy_gp": legacy_penalty,
    "r1": lambda w, matrix, real, fake, mix: half_mean_square(critic_gradients(real, w, matrix)),
    "r2": lambda w, matrix, real, fake, mix: half_mean_square(critic_gradients(fake, w, matrix)),
}


# ---- Gaussians and Parzen windows ---------------------------------------------------------


def gaussian_kl(mean_p, var_p, mean_q, var_q):
    """KL(N(mean_p, var_p) ‖ N(mean_q, var_q)) in nats."""
    gap = mean_p - mean_q
    return 0.5 * (math.log(var_q / var_p) + (var_p + gap**2) / var_q - 1)


def forward_parzen_variance(bandwidth):
    """Var of the scores at which N(0, Var) * N(0, h²) is nearest to N(0, 1)."""
    return max(0.0, 1 - bandwidth**2)


def backward_parzen_divergence(mean, var, target, bandwidth):
    """E log p̃ - E log N(target, 1) over N(mean, var), where p̃ = N(mean, var + h²)."""
    wide = var + bandwidth**2
    own = -0.5 * (math.log(2 * math.pi * wide) + var / wide)
    return own + 0.5 * (math.log(2 * math.pi) + var + (mean - target) ** 2)


def backward_parzen_variance(bandwidth):
    """a - h² with a the positive root of a² - a - h² = 0."""
    return (1 + math.sqrt(1 + 4 * bandwidth**2)) / 2 - bandwidth**2


def normal_quantiles(count):
    """``count`` points that stand for N(0, 1): its quantiles at the midpoints, variance made 1."""
    from scipy.stats import norm

    points = norm.ppf((np.arange(count) + 0.5) / count)
    return torch.from_numpy(points / points.std())


# ---- histograms of modes ----------------------------------------------------------------------


def plug_in_kl_mean(shares, count):
    """E KL(p̂ ‖ p) of ``count`` samples of p: a sum of binomial expectations, exact."""
    from scipy.stats import binom

    hits = np.arange(1, count + 1)
    shares, times = np.unique(shares, return_counts=True)
    terms = [
        (binom.pmf(hits, count, p) * hits / count * np.log(hits / (count * p))).sum()
        for p in shares
    ]
    return float(times @ terms)


def plug_in_kl_sd(modes, count):
    """Of the same, by 2 · count · KL ~ χ² with modes - 1 degrees of freedom, whose variance is
    twice that."""
    return math.sqrt(2 * (modes - 1)) / (2 * count)


# ---- differences ----------------------------------------------------------------------------


def finite_difference(function, x, step=1e-6):
    """Central differences of a scalar or tensor ``function``; (*x.shape, *output)."""
    slopes = []
    for i in range(x.numel()):
        shift = torch.zeros_like(x)
        shift.view(-1)[i] = step
        slopes.append((function(x + shift) - function(x - shift)) / (2 * step))
    return torch.stack(slopes).reshape(*x.shape, *slopes[0].shape)


# ---- update rules: eigenvalues of one update (dynamics.md 2 and 3) ----------------------------


def paired(real: complex, root_of: complex) -> np.ndarray:
    """real ± √root_of."""
    return np.array([real + np.emath.sqrt(root_of), real - np.emath.sqrt(root_of)])


def consensus_flow(weight: float, slope: float) -> np.ndarray:
    return paired(-weight * slope**2, -(slope**2))


def penalised_flow(weight: float, slope: float) -> np.ndarray:
    """Smooth and Nagarajan-Kolter."""
    return paired(-weight * slope**2 / 2, weight**2 * slope**4 / 4 - slope**2)


def optimistic_multipliers(a: float) -> np.ndarray:
    """Eigenvalues of an optimistic update of a rotation, a being step times slope."""
    signs = np.array([1, -1])
    root = np.emath.sqrt(1 - 4 * a**2)
    return np.concatenate([(1 + s * 2j * a + signs * root) / 2 for s in (1, -1)])


def optimistic_radius(a: float) -> float:
    return float(np.abs(optimistic_multipliers(a)).max())


def unrolled_slope(
    a: float, b: float, c: float, x: float, y: float, steps: int, rate: float
) -> float:
    """dL/dx of L = ax² + bxy + cy² after ``steps`` of ascent in y, of which y_k is a function of x.

    y_k = y* + r^k (y - y*) with y* = -bx/2c and r = 1 + 2c·rate.
    """
    left = (1 + 2 * c * rate) ** steps
    best = -b * x / (2 * c)
    reached = best + left * (y - best)
    follows = -b / (2 * c) * (1 - left)
    return 2 * a * x + b * reached + (b * x + 2 * c * reached) * follows


def logit_consensus(theta: float, psi: float, weight: float, factor: float = 1.0) -> np.ndarray:
    """(θ̇, ψ̇) of the Dirac-GAN; the authors' notebook has ``factor`` ½ where calculus has 1."""
    u = theta * psi
    slope, bend = sigmoid(-u), -sigmoid(u) * sigmoid(-u)
    common = factor * (theta**2 + psi**2) * slope * bend
    return np.array(
        [
            -psi * slope - weight * (theta * slope**2 + psi * common),
            theta * slope - weight * (psi * slope**2 + theta * common),
        ]
    )
