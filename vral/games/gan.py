"""The two-player game of a generator G and a discriminator D, with any pair of score losses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.func import functional_call

from vral.data.draws import Noise
from vral.games.game import Loss
from vral.nets import Discriminator, Generator
from vral.nets.backward import score_factor_last, unit_cotangents
from vral.objectives import Objective
from vral.parzen import backward_kl, forward_kl
from vral.penalties import Penalty, input_gradient
from vral.types import Critic, Draw, Latents, Params, Profile, Samples, Scalar, Scored, Scores

DiscriminatorLoss = Callable[[Profile, Scored, Draw], Scalar]
GeneratorLoss = Callable[[Scores, Scores], Scalar]
"""(real scores, fake scores) to G's loss; only mean matching looks at the real ones."""


def objective_loss(objective: Objective) -> DiscriminatorLoss:
    """E real(D(x)) + E fake(D(G(z)))."""

    def loss(profile: Profile, scored: Scored, draw: Draw) -> Scalar:
        return objective.real(scored.score_real).mean() + objective.fake(scored.score_fake).mean()

    return loss


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
    """G against D. ``losses`` is the game; meta-discriminators add players to it (games.meta).

    ``instance_noise`` and ``hidden_noise`` are standard deviations of Gaussian noise on D's input
    and on the activations of its hidden stages, in D's moves and in G's. Penalties act at the
    noisy inputs of a noise-free D.
    """

    generator: Generator
    discriminator: Discriminator
    shape: tuple[int, ...]
    discriminator_loss: DiscriminatorLoss
    generator_loss: GeneratorLoss
    generator_needs_real: bool = False
    discriminator_needs: Mapping[str, Noise] = field(default_factory=dict)
    """What D's loss and penalties draw beyond samples: "mix", "target_real", "target_fake"."""
    penalties: tuple[tuple[float, Penalty], ...] = ()
    instance_noise: float = 0.0
    hidden_noise: float = 0.0
    factor_last: bool = False
    """D's move shares its backward pass with the readings (nets.backward); for compiled steps."""

    def generate(self, params: Params, latent: Latents) -> Samples:
        return functional_call(self.generator, params, (latent,))

    def with_fakes(self, profile: Profile, draws: list[Draw]) -> list[Draw]:
        """``draws`` of moves in which G stands still, the fakes of all from one pass of G.

        With batch statistics in G each draw's batch keeps its own.
        """
        latents = [draw["latent"] for draw in draws if "latent" in draw]
        if not latents:
            return draws
        if self.generator.mixes_samples:
            generate = torch.func.vmap(lambda latent: self.generate(profile["G"], latent))
            made = generate(torch.stack(latents)).unbind()
        else:
            sizes = [len(latent) for latent in latents]
            made = self.generate(profile["G"], torch.cat(latents)).split(sizes)
        fakes = iter(made)
        return [{**draw, "fake": next(fakes)} if "latent" in draw else draw for draw in draws]

    def fake(self, profile: Profile, draw: Draw) -> Samples:
        """G's samples at the draw's latents, unless the draw brings them (``with_fakes``)."""
        return draw["fake"] if "fake" in draw else self.generate(profile["G"], draw["latent"])

    def critic(self, params: Params, noise: Tensor | None = None) -> Critic:
        """D at ``params`` as a function of samples."""
        return lambda x: functional_call(self.discriminator, params, (x, noise))

    def without_noise(self) -> "Gan":
        """The same game with clean inputs and hidden stages, for measuring."""
        return replace(self, instance_noise=0.0, hidden_noise=0.0)

    def noisy(self, samples: Samples, draw: Draw, kind: str) -> Samples:
        """D's input: the samples of one kind ("real" or "fake") with their instance noise."""
        if self.instance_noise:
            return samples + self.instance_noise * draw[f"instance_{kind}"]
        return samples

    def hidden(self, draw: Draw, kind: str) -> Tensor | None:
        """The noise of D's hidden stages for the samples of one kind."""
        return self.hidden_noise * draw[f"hidden_{kind}"] if self.hidden_noise else None

    def score_real(self, profile: Profile, draw: Draw) -> Scores:
        real = self.noisy(draw["real"], draw, "real")
        return self.critic(profile["D"], self.hidden(draw, "real"))(real)

    def score_fake(self, profile: Profile, draw: Draw) -> Scores:
        fake = self.noisy(self.fake(profile, draw), draw, "fake")
        return self.critic(profile["D"], self.hidden(draw, "fake"))(fake)

    def score(self, profile: Profile, draw: Draw) -> Scored:
        """Both kinds of samples and their scores."""
        real = self.noisy(draw["real"], draw, "real")
        fake = self.noisy(self.fake(profile, draw), draw, "fake")

        def score(x: Samples, noise: Tensor | None) -> Scores:
            if self.factor_last:
                return score_factor_last(self.discriminator, profile["D"], x, noise)
            return self.critic(profile["D"], noise)(x)

        return Scored(real, fake, *self._on_both(score, draw, real, fake))

    def input_gradients(
        self, profile: Profile, draw: Draw, scored: Scored
    ) -> tuple[Samples, Samples]:
        """∇ₓD on D's real and on its fake inputs."""

        def gradient(x: Samples, noise: Tensor | None) -> Samples:
            if self.factor_last:
                return unit_cotangents(self.discriminator, profile["D"], x, noise)[1][0]
            return input_gradient(self.critic(profile["D"], noise), x)

        return self._on_both(gradient, draw, scored.real, scored.fake)

    def _on_both(
        self,
        function: Callable[[Samples, Tensor | None], Tensor],
        draw: Draw,
        real: Samples,
        fake: Samples,
    ) -> tuple[Tensor, Tensor]:
        """``function(samples, hidden noise)`` on D's real and fake inputs, per sample.

        The two share one pass, unless batch statistics in D would mix them.
        """
        noise_real, noise_fake = self.hidden(draw, "real"), self.hidden(draw, "fake")
        if self.discriminator.mixes_samples:
            return function(real, noise_real), function(fake, noise_fake)
        noise = None if noise_real is None else torch.cat([noise_real, noise_fake])
        both = function(torch.cat([real, fake]), noise)
        return both[: len(real)], both[len(real) :]

    def discriminator_move(self, profile: Profile, draw: Draw) -> tuple[Scalar, Scored]:
        scored = self.score(profile, draw)
        loss = self.discriminator_loss(profile, scored, draw)
        for weight, penalty in self.penalties:
            loss = loss + weight * penalty(self.critic(profile["D"]), scored, draw)
        return loss, scored

    def generator_move(self, profile: Profile, draw: Draw) -> tuple[Scalar, tuple[()]]:
        if self.generator_needs_real:
            scored = self.score(profile, draw)
            return self.generator_loss(scored.score_real, scored.score_fake), ()
        score_fake = self.score_fake(profile, draw)
        return self.generator_loss(score_fake, score_fake), ()

    @property
    def losses(self) -> dict[str, Loss]:
        return {"D": self.discriminator_move, "G": self.generator_move}

    def inputs(self, *kinds: str) -> dict[str, Noise | None]:
        """What scoring samples of these kinds draws at random."""
        named = {"real": {"real": None}, "fake": {"latent": Noise((self.generator.latent,))}}
        needs = {name: noise for kind in kinds for name, noise in named[kind].items()}
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
