"""The two-player game of a generator G and a discriminator D, with any pair of score losses.

This file is the formula. Runs of the laboratory play ``games.fused.FusedGan``, the same game with
fewer passes through the networks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from torch import Tensor, nn
from torch.func import functional_call

from vral.data.draws import Noise
from vral.games.game import Loss
from vral.nets import Discriminator, Generator
from vral.objectives import Objective, PairedObjective
from vral.parzen import backward_kl, forward_kl
from vral.penalties import Penalty, input_gradient
from vral.types import Critic, Draw, Latents, Params, Profile, Samples, Scalar, Scored, Scores

AnyGan = TypeVar("AnyGan", bound="Gan")
DiscriminatorLoss = Callable[[Profile, Scored, Draw], Scalar]
GeneratorLoss = Callable[[Scores, Scores], Scalar]
"""(real scores, fake scores) to G's loss; mean matching and pairs look at the real ones."""


def objective_loss(objective: Objective | PairedObjective) -> DiscriminatorLoss:
    """D's loss: E real(D(x)) + E fake(D(G(z))), or E discriminator(D(x) - D(G(z))) of a pair."""
    if isinstance(objective, PairedObjective):

        def of_pairs(profile: Profile, scored: Scored, draw: Draw) -> Scalar:
            return objective.discriminator(scored.score_real - scored.score_fake).mean()

        return of_pairs

    def loss(profile: Profile, scored: Scored, draw: Draw) -> Scalar:
        return objective.real(scored.score_real).mean() + objective.fake(scored.score_fake).mean()

    return loss


def own_loss(objective: Objective | PairedObjective) -> GeneratorLoss:
    """G's loss: E generator(D(G(z))), or E generator(D(G(z)) - D(x)) of a pair."""
    if isinstance(objective, PairedObjective):
        return lambda score_real, score_fake: objective.generator(score_fake - score_real).mean()
    return lambda score_real, score_fake: objective.generator(score_fake).mean()


def parzen_loss(kl: str, bandwidth: float, mean_real: float, mean_fake: float) -> DiscriminatorLoss:
    """Sum over both classes of the forward or backward KL between N(mean, 1) and D's scores."""

    def loss(profile: Profile, scored: Scored, draw: Draw) -> Scalar:
        score_real, score_fake = scored.score_real, scored.score_fake
        if kl == "backward":
            real = backward_kl(score_real, mean_real, bandwidth)
            return real + backward_kl(score_fake, mean_fake, bandwidth)
        real = forward_kl(score_real, draw["target_real"], mean_real, bandwidth)
        return real + forward_kl(score_fake, draw["target_fake"], mean_fake, bandwidth)

    return loss


def no_loss(profile: Profile, scored: Scored, draw: Draw) -> Scalar:
    """D plays no game of its own; only its penalties move it."""
    return scored.score_real.new_zeros(())


def target_loss(mean_real: float) -> GeneratorLoss:
    """½ E(D(G(z)) - m_r)². It also asks the fake scores to have *no* variance."""
    return lambda score_real, score_fake: 0.5 * ((score_fake - mean_real) ** 2).mean()


def mean_matching_loss(score_real: Scores, score_fake: Scores) -> Scalar:
    """(E D(G(z)) - E D(x))²."""
    return (score_fake.mean() - score_real.mean()) ** 2


@dataclass(frozen=True)
class Gan:
    """The game of G against D (Goodfellow et al. 2014); ``losses`` maps both players to losses.

    Meta-discriminators add players to it (games.meta). ``instance_noise`` and ``hidden_noise`` are
    standard deviations of Gaussian noise on D's input and on the activations of its hidden stages,
    in D's moves and in G's. Penalties act at the noisy inputs of a noise-free D.
    """

    generator: Generator
    discriminator: Discriminator
    shape: tuple[int, ...]
    """The shape of one sample."""
    discriminator_loss: DiscriminatorLoss
    generator_loss: GeneratorLoss
    generator_needs_real: bool = False
    discriminator_needs: Mapping[str, Noise] = field(default_factory=dict)
    """What D's loss and penalties draw beyond samples: "mix", "target_real", "target_fake"."""
    penalties: tuple[tuple[float, Penalty], ...] = ()
    """Pairs (weight, penalty) that D adds to its loss."""
    instance_noise: float = 0.0
    hidden_noise: float = 0.0

    def without_noise(self: AnyGan) -> AnyGan:
        """The same game with clean inputs and hidden stages, for measuring."""
        return replace(self, instance_noise=0.0, hidden_noise=0.0)

    def generate(self, params: Params, latent: Latents) -> Samples:
        """G at ``params``: latents (batch, latent) to samples (batch, *sample)."""
        return functional_call(self.generator, dict(params), (latent,))

    def fake(self, profile: Profile, draw: Draw) -> Samples:
        """G's samples at the draw's latents."""
        return self.generate(profile["G"], draw["latent"])

    def critic(self, params: Params, noise: Tensor | None = None) -> Critic:
        """D at ``params`` as a function of samples."""
        return lambda x: functional_call(self.discriminator, dict(params), (x, noise))

    def noisy(self, samples: Samples, draw: Draw, kind: str) -> Samples:
        """D's input: the samples of one kind ("real" or "fake") with their instance noise."""
        if self.instance_noise:
            return samples + self.instance_noise * draw[f"instance_{kind}"]
        return samples

    def hidden(self, draw: Draw, kind: str) -> Tensor | None:
        """The noise of D's hidden stages for the samples of one kind."""
        return self.hidden_noise * draw[f"hidden_{kind}"] if self.hidden_noise else None

    def score_real(self, profile: Profile, draw: Draw) -> Scores:
        """D(x) of the draw's real samples, (batch,)."""
        real = self.noisy(draw["real"], draw, "real")
        return self.critic(profile["D"], self.hidden(draw, "real"))(real)

    def score_fake(self, profile: Profile, draw: Draw) -> Scores:
        """D(G(z)) at the draw's latents, (batch,)."""
        fake = self.noisy(self.fake(profile, draw), draw, "fake")
        return self.critic(profile["D"], self.hidden(draw, "fake"))(fake)

    def score(self, profile: Profile, draw: Draw) -> Scored:
        """Both kinds of samples, as D sees them, and their scores."""
        real = self.noisy(draw["real"], draw, "real")
        fake = self.noisy(self.fake(profile, draw), draw, "fake")
        score_real = self.critic(profile["D"], self.hidden(draw, "real"))(real)
        score_fake = self.critic(profile["D"], self.hidden(draw, "fake"))(fake)
        return Scored(real, fake, score_real, score_fake)

    def input_gradients(
        self, profile: Profile, draw: Draw, scored: Scored
    ) -> tuple[Samples, Samples]:
        """∇ₓD at D's real and at its fake inputs, sample by sample."""
        critic_real = self.critic(profile["D"], self.hidden(draw, "real"))
        critic_fake = self.critic(profile["D"], self.hidden(draw, "fake"))
        return input_gradient(critic_real, scored.real), input_gradient(critic_fake, scored.fake)

    def discriminator_move(self, profile: Profile, draw: Draw) -> tuple[Scalar, Scored]:
        """D's loss, penalties included, and what D saw."""
        scored = self.score(profile, draw)
        loss = self.discriminator_loss(profile, scored, draw)
        for weight, penalty in self.penalties:
            loss = loss + weight * penalty(self.critic(profile["D"]), scored, draw)
        return loss, scored

    def generator_move(self, profile: Profile, draw: Draw) -> tuple[Scalar, tuple[()]]:
        """G's loss."""
        if self.generator_needs_real:
            scored = self.score(profile, draw)
            return self.generator_loss(scored.score_real, scored.score_fake), ()
        score_fake = self.score_fake(profile, draw)
        return self.generator_loss(score_fake, score_fake), ()

    @property
    def losses(self) -> dict[str, Loss]:
        """The game: each player's loss."""
        return {"D": self.discriminator_move, "G": self.generator_move}

    def inputs(self, *kinds: str) -> dict[str, Noise | None]:
        """The random inputs of scoring samples of these kinds, "real" or "fake"."""
        samples: dict[str, dict[str, Noise | None]] = {
            "real": {"real": None},
            "fake": {"latent": Noise((self.generator.latent,))},
        }
        needs = {name: noise for kind in kinds for name, noise in samples[kind].items()}
        for kind in kinds:
            if self.instance_noise:
                needs[f"instance_{kind}"] = Noise(self.shape)
            if self.hidden_noise:
                needs[f"hidden_{kind}"] = Noise((self.discriminator.noise_size,))
        return needs

    @property
    def needs(self) -> dict[str, dict[str, Noise | None]]:
        """The random inputs of each player's move."""
        kinds = ("real", "fake") if self.generator_needs_real else ("fake",)
        return {
            "D": self.inputs("real", "fake") | dict(self.discriminator_needs),
            "G": self.inputs(*kinds),
        }

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Each player's network."""
        return {"G": self.generator, "D": self.discriminator}
