"""VRAL on the Dirac-GAN and on the Gaussian-location GAN, D(x) = wx + b.

Real scores are N(b, w²s²) and fake ones N(wθ + b, w²s²); D wants N(m_r, 1) and N(m_f, 1).
Coordinates are (θ, w, b) and, with meta-discriminators, those of R and of F behind them.

What follows for local convergence, with δ = m_r - m_f (tests/diagnostics/test_spectrum.py):

* s = 0: one score under one window makes the Parzen forms least squares (forward: over h²). At the
  only stationary point, θ = w = 0 and b halfway, the pair of (θ, w) is ±iδ/2 (over h): a rotation
  without damping. R and F, with linear logits, add damped directions and leave that pair: ±.559i.
  Such eigenvalues decide nothing. Averaged over a turn, the backward form with δ = 1 has
  d(r²)/dt = -0.3 r⁴ near the point, r² = θ² + w²: flow and alternating play arrive, like 10/(3t);
  simultaneous play stays at r² ≈ h/1.2 (tests/dynamics/test_dynamics.py).
* s > 0, G after the target m_r: the same point has damping 2s²(1 - 2/h²) (backward) or
  2s²(1/h² - (1 + δ²/4)/h⁴) (forward), which is negative at the bandwidths in use: D wants variance
  and leaves. For small h a point with swapped labels, b = m_f and wθ = δ, is *stable*: w would
  have to pass through 0, where there is no variance. Minimax R and F have it at θ = δs.
* s > 0, G matching means: θ = 0 and w ≠ 0, all eigenvalues negative without a penalty.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from vral.data.draws import Noise, rng
from vral.errors import ConfigError
from vral.games.dirac import location_scales, location_toy, penalty_terms
from vral.games.gan import Gan, mean_matching_loss, parzen_loss, target_loss
from vral.games.meta import MetaDiscriminator, MetaGan, MetaPair
from vral.games.toy import Toy, double, nonnegative, normal_points, one_of
from vral.nets import initial_parameters
from vral.nets.linear import linear_critic, shift
from vral.types import Draw, Scores

FORMS = ("meta", "forward", "backward")
G_OBJECTIVES = ("target", "mean")


class PolynomialMeta(nn.Module):
    """Logit Σₖ cₖ sᵏ of a score s, k from 0 to ``degree``: degree 2 holds every R and F that is
    optimal between two Gaussians, degree 1 has a finite optimum between a Gaussian and a point.
    """

    def __init__(self, degree: int):
        super().__init__()
        self.coefficients = nn.Parameter(torch.zeros(degree + 1))

    def forward(self, scores: Scores) -> Tensor:
        powers = [scores**k for k in range(len(self.coefficients))]
        return torch.stack(powers, dim=1) @ self.coefficients


def vral(
    form: str,
    *,
    g_objective: str = "target",
    spread: Sequence[float] = (0.0,),
    mean_real: float = 1.0,
    mean_fake: float = 0.0,
    bandwidth: float = 0.2,
    degree: int = 1,
    width: int = 0,
    minimax: bool = False,
    points: int = 64,
    r1: float = 0.0,
    r2: float = 0.0,
    gamma_convention: str = "paper",
) -> Toy:
    """VRAL's game on one-dimensional data N(0, s²), ``spread`` = (s,), started at θ = w = 1, b = 0.

    ``form`` is "meta" (R and F, polynomials of ``degree`` or ReLU networks of ``width`` units) or
    the direction of the Parzen form's KL. Expectations of the meta form are quadratures; the
    Parzen form's batch is ``points`` equally likely points of variance exactly 1. Raises
    ConfigError.
    """
    one_of("form", form, FORMS)
    one_of("g objective", g_objective, G_OBJECTIVES)
    nonnegative(width=width, degree=degree, points=points)
    if not bandwidth > 0:
        raise ConfigError(f"bandwidth: {bandwidth} given; allowed: a number above 0")
    if len(spread) != 1:
        raise ConfigError(f"spread: {len(spread)} numbers given; allowed: 1")
    scales = location_scales(spread)
    parts = {
        "generator": shift(scales),
        "discriminator": linear_critic(1, bias=True),
        "shape": (1,),
        "generator_loss": target_loss(mean_real) if g_objective == "target" else mean_matching_loss,
        "generator_needs_real": g_objective == "mean",
        "penalties": penalty_terms(r1, r2, 0.0, 1.0, gamma_convention),
    }
    if form == "meta":
        network = MetaDiscriminator(width) if width else PolynomialMeta(degree)
        meta = MetaPair(network, mean_real, mean_fake, minimax)
        gan = MetaGan(discriminator_loss=meta.discriminator_loss, meta=meta, **parts)
        # Mean matching squares an expectation. It is exact all the same: reals and fakes share
        # nodes and D is linear, so D(G(z)) - D(x) is the same at every node.
        toy = location_toy(gan, scales)
        metas = {
            player: double(initial_parameters(network, rng(torch.device("cpu"), 0, player)))
            for player in ("R", "F")
        }
        return replace(toy, start={**toy.start, **metas})
    means = {"target_real": mean_real, "target_fake": mean_fake}
    gan = Gan(
        discriminator_loss=parzen_loss(form, bandwidth, mean_real, mean_fake),
        discriminator_needs={name: Noise((), mean=mean) for name, mean in means.items()},
        **parts,
    )
    z = normal_points(int(points))
    draw: Draw = {"real": scales * z[:, None], "latent": z[:, None]}
    draw |= {name: mean + z for name, mean in means.items()}
    return replace(location_toy(gan, scales), game=gan.losses, draw=draw)
