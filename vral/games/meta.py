"""VRAL: D's scores are judged by two meta-discriminators, F on fakes and R on reals.

F tells N(m_f, 1) from D(G(z)), R tells N(m_r, 1) from D(x), and D fools both. At the optimum of F
its logit is log N(v; m_f, 1) - log p(v), p the density of the fake scores, and likewise for R.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from vral.data.draws import Noise
from vral.games.game import Loss
from vral.games.gan import DiscriminatorLoss, Gan
from vral.types import Draw, Params, Profile, Scalar, Scored, Scores


class MetaDiscriminator(nn.Module):
    """Scores (batch,) to logits: one a score, 1 → width → 1 with ReLU (the default), or with
    ``batch`` given one logit for the whole batch as a vector, batch → width → 1.
    """

    def __init__(self, width: int = 28, batch: int | None = None):
        super().__init__()
        self.batch = batch
        self.hidden = nn.Linear(batch or 1, width)
        self.logit = nn.Linear(width, 1)

    def forward(self, scores: Scores) -> Tensor:
        columns = scores[None, :] if self.batch else scores[:, None]
        return self.logit(self.hidden(columns).relu()).squeeze(1)


@dataclass(frozen=True)
class MetaPair:
    """R and F: one architecture, two parameter sets, and what the two of them minimise."""

    network: nn.Module
    """Scores (batch,) to logits, as a MetaDiscriminator."""
    mean_real: float
    mean_fake: float
    minimax: bool = False
    """D's side: minimax instead of non-saturating."""

    def logits(self, params: Params, scores: Scores) -> Tensor:
        return functional_call(self.network, params, (scores,))

    def meta_loss(self, params: Params, targets: Scores, scores: Scores) -> Scalar:
        """E softplus(-M(v)) + E softplus(M(y)): the Gaussian's samples v are the positive class."""
        positive = softplus(-self.logits(params, targets)).mean()
        return positive + softplus(self.logits(params, scores)).mean()

    def fooling(self, params: Params, scores: Scores) -> Scalar:
        """D's loss against one meta-discriminator."""
        logits = self.logits(params, scores)
        return -softplus(logits).mean() if self.minimax else softplus(-logits).mean()

    @property
    def discriminator_loss(self) -> DiscriminatorLoss:
        def loss(profile: Profile, scored: Scored, draw: Draw) -> Scalar:
            real = self.fooling(profile["R"], scored.score_real)
            return real + self.fooling(profile["F"], scored.score_fake)

        return loss


@dataclass(frozen=True)
class MetaGan(Gan):
    """The four-player game G, D, R, F."""

    meta: MetaPair = field(kw_only=True)

    def real_meta_move(self, profile: Profile, draw: Draw) -> tuple[Scalar, tuple[()]]:
        scores = self.score_real(profile, draw)
        return self.meta.meta_loss(profile["R"], draw["target_real"], scores), ()

    def fake_meta_move(self, profile: Profile, draw: Draw) -> tuple[Scalar, tuple[()]]:
        scores = self.score_fake(profile, draw)
        return self.meta.meta_loss(profile["F"], draw["target_fake"], scores), ()

    @property
    def losses(self) -> dict[str, Loss]:
        return {**super().losses, "R": self.real_meta_move, "F": self.fake_meta_move}

    @property
    def needs(self) -> dict[str, dict[str, Noise | None]]:
        return {
            **super().needs,
            "R": {**self.inputs("real"), "target_real": Noise((), mean=self.meta.mean_real)},
            "F": {**self.inputs("fake"), "target_fake": Noise((), mean=self.meta.mean_fake)},
        }


def meta_round(k: int, once: bool = False) -> Sequence[tuple[str, ...]]:
    """D's side of a round: F, R, D in turn k times; with ``once`` F and R move only once."""
    return (("F",), ("R",), *([("D",)] * k)) if once else (("F",), ("R",), ("D",)) * k
