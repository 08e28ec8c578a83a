"""Readings taken at every recorded update; METRICS says what each column of the records holds.

Norms are those of one sample's gradient, without the factor 1/B of a batch's mean; with batch norm
in D that gradient depends on the whole batch. Only columns named "square" are squared.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from vral.games.gan import Gan, GeneratorLoss
from vral.types import Draw, Params, Profile, Samples, Scored, Scores

METRICS: dict[str, str] = {
    "loss_D": "D's loss, penalties included",
    "loss_G": "G's loss, at the G update that follows",
    "loss_G_now": "G's loss on D's batch, at every D update",
    "loss_F": "F's loss, at its last update before",
    "loss_R": "R's loss, at its last update before",
    "score_mean_real": "mean of D(x)",
    "score_mean_fake": "mean of D(G(z))",
    "score_var_real": "variance of D(x)",
    "score_var_fake": "Var D(G(z))",
    "grad_norm_real": "E‖∇ₓD(x)‖",
    "grad_norm_fake": "E‖∇ₓD(G(z))‖",
    "grad_square_real": "E‖∇ₓD(x)‖²",
    "grad_square_fake": "E‖∇ₓD(G(z))‖²",
    "prob_grad_fake": "E‖∇ₓσ(D(G(z)))‖, the gradient through the sigmoid",
    "signal_fake": "E‖∂l_G/∂G(z)‖, what D tells G per sample",
    "g_grad_rms": "root mean square of G's parameter gradient, with what its rule adds to it",
    "g_grad_below_eps": "share of G's gradient coordinates below Adam's ε in size",
}


def generator_slope(loss: GeneratorLoss, score_real: Scores, score_fake: Scores) -> Scores:
    """B · ∂L_G/∂D(G(zᵢ)) of every fake sample: l'_G(sᵢ) where the loss is a mean of l_G."""
    slope = torch.func.grad(lambda fake: loss(score_real, fake))(score_fake)
    return len(score_fake) * slope


def generator_signal(gan: Gan, profile: Profile, draw: Draw, scored: Scored) -> Samples:
    """-B · ∂L_G/∂G(zᵢ), (batch, *sample): where G's loss asks each fake to move.

    Where networks treat samples one by one its length is ``signal_fake``, sample by sample. With
    batch norm in D it holds what a fake does to the scores of the others, too.
    """
    critic = gan.critic(profile["D"], gan.hidden(draw, "fake"))
    gradient = torch.func.grad(lambda fake: gan.generator_loss(scored.score_real, critic(fake)))
    return -len(scored.fake) * gradient(scored.fake)


def per_sample_gradients(
    gan: Gan, profile: Profile, draw: Draw, scored: Scored
) -> dict[str, Scores]:
    """Four readings of every sample, (batch,) each.

    ‖∇ₓD‖ on reals and on fakes, ‖∇ₓσ(D)‖ on fakes, and ‖∂l_G/∂G(z)‖, the signal that G gets.
    """
    gradients = gan.input_gradients(profile, draw, scored)
    norm_real, norm_fake = (torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients)
    slope = generator_slope(gan.generator_loss, scored.score_real, scored.score_fake)
    sigmoid_slope = torch.sigmoid(scored.score_fake) * torch.sigmoid(-scored.score_fake)
    return {
        "grad_norm_real": norm_real,
        "grad_norm_fake": norm_fake,
        "prob_grad_fake": sigmoid_slope * norm_fake,
        "signal_fake": slope.abs() * norm_fake,
    }


def discriminator_readings(
    gan: Gan, profile: Profile, draw: Draw, scored: Scored
) -> dict[str, Tensor]:
    """Readings of one D update, scalars: means over its batch, before the update."""
    gradients = per_sample_gradients(gan, profile, draw, scored)
    return {
        "loss_G_now": gan.generator_loss(scored.score_real, scored.score_fake),
        "score_mean_real": scored.score_real.mean(),
        "score_mean_fake": scored.score_fake.mean(),
        "score_var_real": scored.score_real.var(correction=0),
        "score_var_fake": scored.score_fake.var(correction=0),
        "grad_square_real": (gradients["grad_norm_real"] ** 2).mean(),
        "grad_square_fake": (gradients["grad_norm_fake"] ** 2).mean(),
        **{name: value.mean() for name, value in gradients.items()},
    }


def generator_readings(gradient: Params, eps: float) -> dict[str, Tensor]:
    """Root mean square of G's gradient, and the share of its coordinates below ``eps`` in size."""
    flat = torch.cat([value.flatten() for value in gradient.values()])
    return {
        "g_grad_rms": flat.square().mean().sqrt(),
        "g_grad_below_eps": (flat.abs() < eps).float().mean(),
    }


def gan_readings(gan: Gan, eps: float) -> Callable[..., dict[str, Tensor]]:
    """The readings of a move of ``gan``, as a ``train.step.ReadInfo``."""

    def readings(
        profile: Profile,
        draw: Draw,
        gradients: Mapping[str, Params],
        evaluations: Mapping[str, tuple[Tensor, Any]],
    ) -> dict[str, Tensor]:
        info: dict[str, Tensor] = {}
        if "D" in gradients:
            info |= discriminator_readings(gan, profile, draw, evaluations["D"][1])
        if "G" in gradients:
            info |= generator_readings(gradients["G"], eps)
        return info

    return readings
