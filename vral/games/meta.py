"""VRAL: D's scores are judged by two meta-discriminators, F on fakes and R on reals.

F tells samples of N(m_f, 1) from scores D(G(z)), R tells samples of N(m_r, 1) from scores D(x),
and D fools both (Grewal et al. 2017). At the optimum of F its logit is log N(v; m_f, 1) - log p(v),
where p is the density of the fake scores; likewise for R.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from vral.data.draws import Noise
from vral.games.game import Loss
from vral.games.gan import DiscriminatorLoss, Gan
from vral.types import Draw, Move, Params, Profile, Scalar, Scored, Scores


class MetaDiscriminator(nn.Module):
    """R's or F's network: scores (batch,) to logits.

    By default it judges single scores, 1 → width → 1 with ReLU, and returns (batch,) logits. With
    ``batch`` given it judges a batch of scores as one vector, batch → width → 1, and returns (1,).
    """

    def __init__(self, width: int = 28, batch: int | None = None):
        super().__init__()
        self.batch = batch
        self.hidden = nn.Linear(batch or 1, width)
        self.logit = nn.Linear(width, 1)

    def forward(self, scores: Scores) -> Tensor:
        """Logits of the samples' being the Gaussian's."""
        columns = scores[None, :] if self.batch else scores[:, None]
        return self.logit(self.hidden(columns).relu()).squeeze(1)


@dataclass(frozen=True)
class MetaPair:
    """R and F: one architecture, two sets of parameters, and their losses."""

    network: nn.Module
    """Maps scores (batch,) to logits, as a MetaDiscriminator does."""
    mean_real: float
    mean_fake: float
    minimax: bool = False
    """D's loss against R and F: minimax instead of non-saturating."""
    penalty: float = 0.0
    """Weight λ of ``slope_penalty`` in the losses of R and F."""

    def logits(self, params: Params, scores: Scores) -> Tensor:
        """The network's logits at ``params``."""
        return functional_call(self.network, dict(params), (scores,))

    def meta_loss(self, params: Params, targets: Scores, scores: Scores) -> Scalar:
        """E softplus(-M(v)) + E softplus(M(y)): the Gaussian's samples v are the positive class."""
        positive = softplus(-self.logits(params, targets)).mean()
        loss = positive + softplus(self.logits(params, scores)).mean()
        if not self.penalty:
            return loss
        return loss + self.penalty * self.slope_penalty(params, targets, scores)

    def slope_penalty(self, params: Params, targets: Scores, scores: Scores) -> Scalar:
        """½E M'(v)² + ½E M'(y)²: R1 + R2 of one meta-discriminator M, whose samples are scores.

        It damps the rotation of D against R and F. A network that judges a batch as one vector has
        the squared norm of its gradient in that vector in place of M'². Source: the working code of
        the paper's co-author Hjelm, 2018, which penalises the meta-discriminators' slope.
        """

        def half_square(at: Scores) -> Scalar:
            slope = torch.func.grad(lambda v: self.logits(params, v).sum())(at)
            judged = self.logits(params, at).shape[0]
            return 0.5 * (slope**2).sum() / judged

        return half_square(targets) + half_square(scores)

    def fooling(self, params: Params, scores: Scores) -> Scalar:
        """D's loss against one meta-discriminator."""
        logits = self.logits(params, scores)
        return -softplus(logits).mean() if self.minimax else softplus(-logits).mean()

    @property
    def discriminator_loss(self) -> DiscriminatorLoss:
        """D's loss: to fool R with its real scores and F with its fake ones."""

        def loss(profile: Profile, scored: Scored, draw: Draw) -> Scalar:
            real = self.fooling(profile["R"], scored.score_real)
            return real + self.fooling(profile["F"], scored.score_fake)

        return loss


@dataclass(frozen=True)
class MetaGan(Gan):
    """The four-player game of G, D, R and F (Grewal et al. 2017)."""

    meta: MetaPair = field(kw_only=True)

    def real_meta_move(self, profile: Profile, draw: Draw) -> tuple[Scalar, tuple[()]]:
        """R's loss."""
        scores = self.score_real(profile, draw)
        return self.meta.meta_loss(profile["R"], draw["target_real"], scores), ()

    def fake_meta_move(self, profile: Profile, draw: Draw) -> tuple[Scalar, tuple[()]]:
        """F's loss."""
        scores = self.score_fake(profile, draw)
        return self.meta.meta_loss(profile["F"], draw["target_fake"], scores), ()

    @property
    def losses(self) -> dict[str, Loss]:
        """The game: each player's loss."""
        return {**super().losses, "R": self.real_meta_move, "F": self.fake_meta_move}

    @property
    def needs(self) -> dict[str, dict[str, Noise | None]]:
        """The random inputs of each player's move."""
        return {
            **super().needs,
            "R": {**self.inputs("real"), "target_real": Noise((), mean=self.meta.mean_real)},
            "F": {**self.inputs("fake"), "target_fake": Noise((), mean=self.meta.mean_fake)},
        }

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Each player's network; R and F share an architecture."""
        return {**super().networks, "R": self.meta.network, "F": self.meta.network}


def meta_round(k: int, once: bool = False, steps: int = 1) -> Sequence[Move]:
    """D's side of a round: F, R in turn ``steps`` times, then D, all of it k times.

    With ``once`` F and R move before the first D alone.
    """
    metas: Sequence[Move] = (("F",), ("R",)) * steps
    return (*metas, *([("D",)] * k)) if once else (*metas, ("D",)) * k
