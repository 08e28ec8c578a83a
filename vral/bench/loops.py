"""Training loops that vral is timed against, each as short as such loops usually are.

Both train the very modules of the game, change parameters in place and differentiate by
``backward``; neither shares a formula or a stream of draws with the package.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import softplus

from vral.games.gan import Gan
from vral.games.meta import MetaGan
from vral.optim.rules import common_transform
from vral.optim.transforms import Adam
from vral.study.config import RunConfig


def labelled(logits: Tensor, label: float) -> Tensor:
    """Cross-entropy of logits (batch,) that all have the same label; a scalar."""
    return cross_entropy(logits, torch.full_like(logits, label))


def slope(critic: nn.Module, samples: Tensor) -> Tensor:
    """∇ₓD of samples (batch, …) as (batch, numbers in a sample), differentiable for penalties."""
    samples = samples.detach().requires_grad_()
    scores = critic(samples)
    (gradient,) = torch.autograd.grad(scores.sum(), samples, create_graph=True)
    return gradient.flatten(1)


def parzen_kl(scores: Tensor, mean: float, bandwidth: float) -> Tensor:
    """KL(N(mean, 1)‖p̃) up to a constant, p̃ the Parzen density of scores (batch,); a scalar."""
    targets = torch.randn_like(scores) + mean
    windows = torch.distributions.Normal(scores, bandwidth)
    density = torch.logsumexp(windows.log_prob(targets[:, None]), 1)
    return -density.mean()


def meta_network(config: RunConfig) -> nn.Module:
    """R or F: a network from scores (batch,) to logits (batch,)."""
    width = config.meta_width
    layers = nn.Linear(1, width), nn.ReLU(), nn.Linear(width, 1)
    return nn.Sequential(nn.Unflatten(0, (-1, 1)), *layers, nn.Flatten(0))


class PlainLoop:
    """The loop of every tutorial: zero_grad, generate, detach, two passes of D, backward, step.

    Logs, by ``.item()`` at every update of D, its loss, mean and variance of both kinds of scores,
    and ‖∇ₓD‖ on both.
    """

    fused = False

    def __init__(self, gan: Gan, config: RunConfig, data: Tensor):
        self.config, self.data = config, data
        self.D, self.G = gan.discriminator, gan.generator
        judges = 2 if isinstance(gan, MetaGan) else 0
        self.metas = tuple(meta_network(config).to(data.device) for _ in range(judges))
        self.optimisers = {
            player: self.optimiser(player) for player in (self.D, self.G, *self.metas)
        }
        self.log: list[tuple[float, ...]] = []

    def optimiser(self, player: nn.Module) -> torch.optim.Optimizer:
        adam = common_transform(self.config.rule, self.config.transform, self.config.lr)
        assert isinstance(adam, Adam), "every workload trains by Adam"
        betas = adam.beta1, adam.beta2
        return torch.optim.Adam(
            player.parameters(), adam.lr, betas, adam.eps, fused=self.fused or None
        )

    def round(self, k: int) -> None:
        for _ in range(k):
            if self.metas:
                self.meta_updates()
            self.discriminator_update()
        self.generator_update()

    def real(self) -> Tensor:
        index = torch.randint(len(self.data), (self.config.batch,), device=self.data.device)
        return self.data[index]

    def latent(self) -> Tensor:
        return torch.randn(self.config.batch, self.config.latent, device=self.data.device)

    def step(self, player: nn.Module, loss: Tensor) -> None:
        self.optimisers[player].zero_grad()
        loss.backward()
        self.optimisers[player].step()

    def meta_updates(self) -> None:
        judge_real, judge_fake = self.metas
        for judge, samples, mean in (
            (judge_fake, self.G(self.latent()).detach(), self.config.mean_fake),
            (judge_real, self.real(), self.config.mean_real),
        ):
            scores = self.D(samples).detach()
            targets = torch.randn_like(scores) + mean
            self.step(judge, labelled(judge(targets), 1.0) + labelled(judge(scores), 0.0))

    def discriminator_update(self) -> None:
        real = self.real().requires_grad_()
        fake = self.G(self.latent()).detach().requires_grad_()
        score_real, score_fake = self.D(real), self.D(fake)
        total = score_real.sum() + score_fake.sum()
        slopes = torch.autograd.grad(total, (real, fake), retain_graph=True)
        loss = self.discriminator_loss(score_real, score_fake) + self.penalty(real, fake)
        self.step(self.D, loss)
        norms = [gradient.flatten(1).norm(dim=1).mean().item() for gradient in slopes]
        scores = (score_real.detach(), score_fake.detach())
        moments = [f().item() for s in scores for f in (s.mean, lambda s=s: s.var(correction=0))]
        self.log.append((loss.item(), *norms, *moments))

    def discriminator_loss(self, score_real: Tensor, score_fake: Tensor) -> Tensor:
        config = self.config
        if self.metas:
            judge_real, judge_fake = self.metas
            return labelled(judge_real(score_real), 1.0) + labelled(judge_fake(score_fake), 1.0)
        if config.objective == "parzen":
            real = parzen_kl(score_real, config.mean_real, config.bandwidth)
            return real + parzen_kl(score_fake, config.mean_fake, config.bandwidth)
        if config.objective == "wgan":
            return score_fake.mean() - score_real.mean()
        return labelled(score_real, 1.0) + labelled(score_fake, 0.0)

    def penalty(self, real: Tensor, fake: Tensor) -> Tensor | float:
        config = self.config
        if config.gradient_penalty:
            mix = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device)
            norms = slope(self.D, mix * real + (1 - mix) * fake).norm(dim=1)
            return config.gradient_penalty * ((norms - 1) ** 2).mean()
        if config.r1:
            return config.r1 / 2 * (slope(self.D, real) ** 2).sum(1).mean()
        return 0.0

    def generator_update(self) -> None:
        scores = self.D(self.G(self.latent()))
        if self.config.g_objective == "target":
            loss = ((scores - self.config.mean_real) ** 2).mean() / 2
        elif self.config.objective == "wgan":
            loss = -scores.mean()
        else:
            loss = labelled(scores, 1.0)
        self.step(self.G, loss)


class LeanLoop(PlainLoop):
    """The loop of an expert, which reads nothing back and logs D's loss alone.

    Adam is fused, one pass of D covers real and fake samples, D's updates keep no graph of G, and D
    is frozen in G's updates.
    """

    fused = True

    def __init__(self, gan: Gan, config: RunConfig, data: Tensor):
        super().__init__(gan, config, data)
        self.losses: list[Tensor] = []

    def step(self, player: nn.Module, loss: Tensor) -> None:
        loss.backward()
        self.optimisers[player].step()
        self.optimisers[player].zero_grad(set_to_none=True)

    def meta_updates(self) -> None:
        with torch.no_grad():
            samples = torch.cat([self.real(), self.G(self.latent())])
            scores = self.D(samples).split(self.config.batch)
        means = (self.config.mean_real, self.config.mean_fake)
        for judge, score, mean in zip(self.metas, scores, means, strict=True):
            targets = torch.randn_like(score) + mean
            self.step(judge, softplus(-judge(targets)).mean() + softplus(judge(score)).mean())

    def discriminator_update(self) -> None:
        real = self.real()
        with torch.no_grad():
            fake = self.G(self.latent())
        score_real, score_fake = self.D(torch.cat([real, fake])).split(len(real))
        loss = self.discriminator_loss(score_real, score_fake) + self.penalty(real, fake)
        self.step(self.D, loss)
        for judge in self.metas:
            self.optimisers[judge].zero_grad(set_to_none=True)
        self.losses.append(loss.detach())

    def generator_update(self) -> None:
        self.D.requires_grad_(False)
        super().generator_update()
        self.D.requires_grad_(True)


LOOPS: dict[str, type[PlainLoop]] = {
    "plain loop": PlainLoop,
    "lean loop": LeanLoop,
}
