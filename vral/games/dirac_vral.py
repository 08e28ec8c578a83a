"""VRAL on the Dirac-GAN and on the Gaussian-location GAN, with D(x) = wx + b.

Real scores are N(b, w²s²) and fake ones N(wθ + b, w²s²); D wants N(m_r, 1) and N(m_f, 1).
Coordinates are (θ, w, b), followed by those of R and F where there are meta-discriminators.

This is what the spectra say about local convergence (tests/diagnostics/test_spectrum.py), with
δ = m_r - m_f:

* s = 0. One score under one Parzen window makes the KL a square (divided by h² in the forward
  form). The only stationary point is θ = w = 0 with b halfway between m_f and m_r. There the
  eigenvalues of (θ, w) are ±iδ/2 (divided by h in the forward form): a rotation without damping. R
  and F with linear logits add damped directions, and that pair is ±0.559i. Purely imaginary
  eigenvalues decide nothing. Averaged over one turn, the backward form with δ = 1 has
  d(r²)/dt = -0.3 r⁴ near the point, where r² = θ² + w². So gradient flow and alternating play
  arrive, like 10/(3t); simultaneous play stays at r² ≈ h/1.2 (tests/dynamics/test_dynamics.py).
* s > 0, G moves its scores to the target m_r. The same point has damping 2s²(1 - 2/h²) (backward)
  or 2s²(1/h² - (1 + δ²/4)/h⁴) (forward). It is negative at the bandwidths in use: D wants variance
  and leaves the point. For small h a point with swapped labels, b = m_f and wθ = δ, is *stable*: to
  leave it, w would have to pass through 0, where scores have no variance. Minimax R and F have this
  point at θ = δs.
* s > 0, G matches means. The stationary point has θ = 0 and w ≠ 0, and all eigenvalues have
  negative real parts without a penalty.
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
    """A meta-discriminator whose logit of a score s is the polynomial Σₖ cₖ sᵏ, k ≤ ``degree``.

    Degree 2 holds the optimal R and F between any two Gaussians. Degree 1 has a finite optimum
    between a Gaussian and a point. Scores (batch,) to logits (batch,).
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
    """VRAL's game on one-dimensional data N(0, s²), started at θ = w = 1, b = 0.

    Expectations of the meta form are quadratures. The batch of the Parzen forms is a set of equally
    likely points of variance exactly 1.

    Args:
        form: "meta" with R and F, or the direction of the Parzen form's KL.
        g_objective: "target" moves G's scores to m_r, "mean" matches the means of both scores.
        spread: (s,), the data's standard deviation.
        mean_real: m_r, the mean of the law that D gives to reals.
        mean_fake: m_f, the mean of the law that D gives to fakes.
        bandwidth: h of the Parzen windows.
        degree: degree of the polynomials R and F.
        width: units of R and F as ReLU networks; 0 takes the polynomials.
        minimax: whether D plays R and F minimax instead of non-saturating.
        points: batch size of the Parzen forms.
        r1: weight γ of R1.
        r2: weight γ of R2.
        gamma_convention: a row of ``games.dirac.GAMMA_CONVENTIONS``.

    Raises:
        ConfigError: a setting that is not allowed.
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
        # Mean matching squares an expectation, and is exact nevertheless: reals and fakes share
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
