"""Penalties that D adds to its objective, and weight clipping as a projection.

Every penalty sees the critic as a function of samples. Norms are taken per sample over all
non-batch dimensions with ``vector_norm``, whose gradient at a flat critic is 0 where that of
``sqrt(sum)`` is NaN; there is no epsilon under the root, which would bias the norm that is plotted.
"""

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from vral.types import Critic, Draw, Params, Samples, Scalar, Scored, Scores


def input_gradient(critic: Critic, samples: Samples) -> Samples:
    """∇ₓD(x) of every sample, same shape as ``samples``.

    It is the gradient of the *sum* of the scores, so nothing carries a 1/B. With a batch norm in D
    a sample's gradient depends on the whole batch and this is no longer a per-sample quantity.
    """
    return torch.func.grad(lambda x: critic(x).sum())(samples)


def gradient_norm(critic: Critic, samples: Samples) -> Scores:
    """‖∇ₓD(x)‖₂ of every sample, (batch,)."""
    return torch.linalg.vector_norm(input_gradient(critic, samples).flatten(1), dim=1)


def gradient_penalty(critic: Critic, scored: Scored, draw: Draw, centre: float = 1.0) -> Scalar:
    """E(‖∇D(x̂)‖ - 1)² at x̂ = εx + (1-ε)G(z), one ε in [0, 1] per sample (Gulrajani et al. 2017).

    ``draw["mix"]`` holds ε as (batch, 1, …, 1). ``centre`` is the norm asked for; at 0 the penalty
    is smooth at a flat critic too and has its true second derivative there.
    """
    mix = draw["mix"]
    between = mix * scored.real + (1 - mix) * scored.fake
    if centre == 0:
        return (input_gradient(critic, between).flatten(1) ** 2).sum(1).mean()
    return ((gradient_norm(critic, between) - centre) ** 2).mean()


def legacy_gradient_penalty(critic: Critic, scored: Scored, draw: Draw) -> Scalar:
    """The penalty of the original VRAL code: one ε a batch, and the gradient taken in x, not x̂.

    Since ∂D(x̂)/∂x = ε ∇D(x̂), it asks for ‖∇D(x̂)‖ = 1/ε instead of 1.
    """
    mix = draw["mix"][:1]
    between = mix * scored.real + (1 - mix) * scored.fake
    return ((mix.flatten() * gradient_norm(critic, between) - 1) ** 2).mean()


def r1(critic: Critic, scored: Scored, draw: Draw) -> Scalar:
    """½ E‖∇D(x)‖² on real samples (Mescheder et al. 2018); the weight in front is their γ."""
    return 0.5 * (input_gradient(critic, scored.real).flatten(1) ** 2).sum(1).mean()


def r2(critic: Critic, scored: Scored, draw: Draw) -> Scalar:
    """½ E‖∇D(G(z))‖² on fake samples (Mescheder et al. 2018)."""
    return 0.5 * (input_gradient(critic, scored.fake).flatten(1) ** 2).sum(1).mean()


def moments(scores: Scores, mean: float) -> Scalar:
    """(Var - 1)² + (mean - m)² of one class of scores, with the biased variance of the batch.

    What VRAL's meta-discriminators are meant to achieve, asked for directly: the non-adversarial
    control (a two-class form of it stood in Hjelm's code of January 2018).
    """
    return (scores.var(correction=0) - 1) ** 2 + (scores.mean() - mean) ** 2


Penalty = Callable[[Critic, Scored, Draw], Scalar]

PENALTIES: dict[str, Penalty] = {
    "gradient_penalty": gradient_penalty,
    "legacy_gp": legacy_gradient_penalty,
    "r1": r1,
    "r2": r2,
}
"""Penalties on ∇ₓD, by the name of their weight in the run's configuration."""


def clip_weights(params: Params, weights: Collection[str], limit: float) -> dict[str, Tensor]:
    """Project the named ``weights`` onto [-limit, limit]; biases and norm scales pass unchanged.

    Arjovsky et al. 2017, algorithm 1. The original VRAL code clipped everything in the optimiser's
    reach, Adam's moments and step counter included.
    """
    return {
        name: value.clamp(-limit, limit) if name in weights else value
        for name, value in params.items()
    }
