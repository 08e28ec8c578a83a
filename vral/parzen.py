"""A Parzen-window estimate of the density of scores, and its KL divergences to N(mean, 1).

The window is a Gaussian of bandwidth h around every score of a batch. Minimised over the scores,
the forward divergence has its optimum at Var = max(0, 1 - h²) and the backward one at
Var = a - h² with a² - a - h² = 0: at the h = 1 of the original code the forward form asks for *no*
variance at all.
"""

import math
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from vral.types import Points, Scalar, Scores


def log_density(points: Points, scores: Scores, bandwidth: float) -> Points:
    """Log of the Parzen density of ``scores`` (m,) at ``points`` (n,); returns (n,)."""
    scaled = (points[:, None] - scores[None, :]) / bandwidth
    normaliser = math.log(scores.shape[0] * bandwidth * math.sqrt(2 * math.pi))
    return torch.logsumexp(-0.5 * scaled**2, dim=1) - normaliser


def gaussian_log_density(points: Points, mean: float) -> Points:
    """Log density of N(mean, 1) at ``points``."""
    return -0.5 * (points - mean) ** 2 - 0.5 * math.log(2 * math.pi)


def forward_kl(scores: Scores, targets: Points, mean: float, bandwidth: float) -> Scalar:
    """KL(N(mean, 1) ‖ p̃) in nats, by the samples ``targets`` of N(mean, 1): mass-covering."""
    return (gaussian_log_density(targets, mean) - log_density(targets, scores, bandwidth)).mean()


def backward_kl(scores: Scores, mean: float, bandwidth: float) -> Scalar:
    """KL(p̃ ‖ N(mean, 1)) in nats, by the scores themselves: mode-seeking.

    The sum over windows keeps the score's own one. Without it an isolated score feels no
    attraction and the estimate is unbounded below for small h.
    """
    return (log_density(scores, scores, bandwidth) - gaussian_log_density(scores, mean)).mean()


def optimal_variance(bandwidth: NDArray, kl: Literal["forward", "backward"]) -> NDArray:
    """The variance at which the divergence of a Gaussian density of scores is least.

    max(0, 1 - h²) forward; max(0, a - h²), a = (1 + √(1 + 4h²)) / 2, backward: 0 from h = √2 on.
    """
    square = np.square(bandwidth)
    widened = 1.0 if kl == "forward" else (1 + np.sqrt(1 + 4 * square)) / 2
    return np.maximum(0.0, widened - square)
