"""Readings on one fixed held-out draw, which all methods and seeds of a data set share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from vral.data.datasets import Dataset
from vral.data.draws import rng
from vral.diagnostics.gradients import generator_signal, per_sample_gradients
from vral.diagnostics.quality import Quality
from vral.diagnostics.scores import score_statistics
from vral.diagnostics.segments import (
    along_segments,
    empirical_lipschitz,
    interpolates,
    latent_gradient_square,
)
from vral.diagnostics.usefulness import SAMPLES, USEFULNESS_METRICS, usefulness
from vral.games.gan import Gan
from vral.types import Params, Profile, map_tensors

PROBE_METRICS: dict[str, str] = {
    "auc": "P(D(x) > D(G(z))): 1 where D tells all apart, ½ where none",
    "ks_real": "Kolmogorov-Smirnov distance of D(x) to N(m_r, 1)",
    "ks_fake": "Kolmogorov-Smirnov distance of D(G(z)) to N(m_f, 1)",
    "overlap": "overlap coefficient of the two score densities",
    "held_out_mean_real": "mean of D(x)",
    "held_out_mean_fake": "mean of D(G(z))",
    "held_out_var_real": "variance of D(x)",
    "held_out_var_fake": "variance of D(G(z))",
    "median_grad_norm_fake": "median ‖∇ₓD(G(z))‖",
    "median_signal_fake": "median ‖∂l_G/∂G(z)‖",
    "lipschitz": "99.9th percentile of ‖∇ₓD‖ on segments from real to fake",
    "latent_grad_square": "E‖∇_z D(G(z))‖²; without batch norm at least Var D(G(z)), by "
    "Poincaré's inequality",
    "frechet": "Fréchet distance to held-out data (images: on a classifier's features)",
    "coverage": "share of held-out samples with a generated one among their neighbours",
    "variance_share": "total variance of generated samples over that of held-out ones",
    "w1": "Wasserstein-1 distance to held-out points; its floor is in run.json",
    "modes_covered": "modes of the data that are reached",
    "reverse_kl": "KL of the samples' modes to the data's in nats; bias (modes-1)/2n",
    "high_quality": "share of samples within three sd of a mode",
    "optimality_loss_gap": "what D's loss gains when D is trained on with G held",
    "optimality_auc_before": "D's AUC as it is",
    "optimality_auc_after": "its AUC trained on",
    "optimality_updates": "D updates of that training",
    "optimality_converged": "1 if D's loss had stopped falling, else 0",
    **USEFULNESS_METRICS,
}
"""What the columns of a probe hold. All are read on held-out data, just before G's update."""

Result = TypeVar("Result")

GRID = 36
"""Number of images in the sample grid; points are all kept."""


def held_out_draw(gan: Gan, data: Dataset) -> dict[str, Tensor]:
    """``probe_size`` fixed latents, and as many held-out samples.

    A smaller held-out split is repeated; ``Probe`` keeps the score of each of its samples once.
    """
    device = data.held_out.device
    random = rng(torch.device("cpu"), "held-out", data.name)
    latent = torch.randn(data.probe_size, gan.generator.latent, generator=random)
    index = torch.arange(data.probe_size, device=device) % len(data.held_out)
    return {"real": data.held_out[index], "latent": latent.to(device)}


@dataclass(frozen=True)
class Probe:
    """What one lane's profile does on the held-out draw.

    D is evaluated without its noise. A batch norm uses the statistics of the held-out draw, also
    where G's parameters are averages: there are no running statistics that could be averaged.
    """

    gan: Gan
    data: Dataset
    quality: Quality
    mean_real: float
    mean_fake: float

    def __call__(
        self, profile: Profile, shown: Params | None = None
    ) -> tuple[dict[str, object], np.ndarray] | None:
        """A row of readings (scalars, and the scores as lists), and samples for the grid.

        With ``shown``, averages of G's parameters, the samples and their quality are those of G
        there; what D says is of the G that it plays against. None if a score or a sample is not
        finite: the run has diverged.
        """
        draw = held_out_draw(self.gan, self.data)
        noiseless = self.gan.without_noise()
        scored = noiseless.score(profile, draw)
        gradients = per_sample_gradients(noiseless, profile, draw, scored)
        between = interpolates(scored.real, scored.fake, self.data.name)
        count = min(self.data.probe_size, len(self.data.held_out))
        score_real = scored.score_real[:count].cpu().numpy()
        score_fake = scored.score_fake.cpu().numpy()
        fake = scored.fake.cpu()
        if shown is not None:
            fake = noiseless.generate(shown, draw["latent"]).cpu()
        if not all(np.isfinite(part).all() for part in (score_real, score_fake, fake.numpy())):
            return None
        row: dict[str, object] = {
            **score_statistics(score_real, score_fake, self.mean_real, self.mean_fake),
            "median_grad_norm_fake": gradients["grad_norm_fake"].median().item(),
            "median_signal_fake": gradients["signal_fake"].median().item(),
            "lipschitz": empirical_lipschitz(noiseless.critic(profile["D"]), between),
            "latent_grad_square": latent_gradient_square(noiseless, profile, draw).item(),
            **self.quality(fake),
            "scores_real": score_real.tolist(),
            "scores_fake": score_fake.tolist(),
        }
        return row, fake.numpy() if len(self.data.shape) == 1 else fake[:GRID].numpy()

    def usefulness(self, profile: Profile) -> dict[str, float]:
        """How far G's signal points at the data: the columns of ``diagnostics.usefulness``.

        They are read on the draw's first fakes and held-out samples, SAMPLES of each where there
        are so many.
        """
        draw = held_out_draw(self.gan, self.data)
        noiseless = self.gan.without_noise()
        scored = noiseless.score(profile, draw)
        signal = generator_signal(noiseless, profile, draw, scored)
        count = min(SAMPLES, self.data.probe_size, len(self.data.held_out))
        parts = (scored.fake, scored.real, signal)
        return usefulness(*(part[:count].numpy(force=True) for part in parts))

    def segments(self, profile: Profile) -> list[dict[str, object]]:
        """D and ‖∇ₓD‖ along segments from held-out to generated samples."""
        draw = held_out_draw(self.gan, self.data)
        noiseless = self.gan.without_noise()
        scored = noiseless.score(profile, draw)
        return along_segments(noiseless.critic(profile["D"]), scored.real, scored.fake)


def per_lane(tree: Any, lanes: int, function: Callable[[Any], Result]) -> list[Result]:
    """``function`` of every lane of ``tree``, e.g. of a profile, in a list of ``lanes``."""
    return [function(map_tensors(lambda t, i=i: t[i], tree)) for i in range(lanes)]
