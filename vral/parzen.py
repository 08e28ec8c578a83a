"""A Parzen-window estimate of the density of scores, and its KL divergences to N(mean, 1).

A Gaussian window of bandwidth h stands on every score of a batch. Over all scores the forward
divergence is least at Var = max(0, 1 - h²), and the backward one at Var = a - h² with
a² - a - h² = 0. So at h = 1, the value of the original code, the forward form asks for *no*
variance at all.
"""

import math
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from vral.types import Points, Scalar, Scores


def log_density(points: Points, scores: Scores, bandwidth: float) -> Points:
    """Log of the Parzen density of ``scores`` (m,) at ``points`` (n,), in nats; returns (n,).

    Source: Parzen 1962.
    """
    scaled = (points[:, None] - scores[None, :]) / bandwidth
    normaliser = math.log(scores.shape[0] * bandwidth * math.sqrt(2 * math.pi))
    return torch.logsumexp(-0.5 * scaled**2, dim=1) - normaliser


def gaussian_log_density(points: Points, mean: float) -> Points:
    """Log density of N(mean, 1) at ``points`` (n,), in nats; returns (n,)."""
    return -0.5 * (points - mean) ** 2 - 0.5 * math.log(2 * math.pi)


def forward_kl(scores: Scores, targets: Points, mean: float, bandwidth: float) -> Scalar:
    """KL(N(mean, 1) ‖ p̃) in nats, a scalar (): the mass-covering direction.

    p̃ is the Parzen density of ``scores`` (m,). The expectation is the mean over ``targets`` (n,),
    samples of N(mean, 1). Source: Grewal et al. 2017.
    """
    return (gaussian_log_density(targets, mean) - log_density(targets, scores, bandwidth)).mean()


def backward_kl(scores: Scores, mean: float, bandwidth: float) -> Scalar:
    """KL(p̃ ‖ N(mean, 1)) in nats, a scalar (): the mode-seeking direction.

    The expectation is the mean over ``scores`` (m,) themselves. Each score also stands under its
    own window. Without that term an isolated score would feel no attraction, and the estimate would
    be unbounded below for small h. Source: Grewal et al. 2017.
    """
    return (log_density(scores, scores, bandwidth) - gaussian_log_density(scores, mean)).mean()


def optimal_variance(bandwidth: NDArray, kl: Literal["forward", "backward"]) -> NDArray:
    """The variance of Gaussian scores at which the divergence is least, shaped like ``bandwidth``.

    Forward: max(0, 1 - h²). Backward: max(0, a - h²) with a = (1 + √(1 + 4h²)) / 2, which is 0 from
    h = √2 on.
    """
    square = np.square(bandwidth)
    widened = 1.0 if kl == "forward" else (1 + np.sqrt(1 + 4 * square)) / 2
    return np.maximum(0.0, widened - square)
