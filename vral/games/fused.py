"""Gan's game with fewer passes through the networks; losses, gradients and draws are the same.

Three savings, each of which would hide the formula if it stood in ``games.gan``:

* D scores the real and the fake batch in one pass, and takes both input gradients in one.
* G makes the fakes of several D updates in one pass (``draw_fakes``).
* In compiled steps, D's update and the readings of ∇ₓD share one backward pass (``factor_last``).

Sums are taken in another order than in ``Gan``, so values differ from its values in the last bits.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vral.games.gan import Gan
from vral.games.meta import MetaGan
from vral.nets.backward import score_factor_last, unit_cotangents
from vral.penalties import input_gradient
from vral.types import Draw, Profile, Samples, Scored, Scores


@dataclass(frozen=True)
class FusedGan(Gan):
    """``Gan`` with shared passes. Where batch statistics would mix samples, passes stay apart."""

    factor_last: bool = field(default=False, kw_only=True)
    """D's move shares its backward pass with the readings (nets.backward); for compiled steps."""

    def draw_fakes(self, profile: Profile, draws: list[Draw]) -> list[Draw]:
        """``draws`` of moves in which G stands still, with G's samples added as "fake".

        While G stands still its distribution is as fixed as that of the data, and "fake" is drawn
        from it as "real" is from the data. So fakes may travel in the draw: every loss then finds
        them where it finds its reals, and needs no further argument. All come from one pass of G;
        with batch statistics in G each draw's batch keeps its own.
        """
        latents = [draw["latent"] for draw in draws if "latent" in draw]
        if not latents:
            return draws
        if self.generator.mixes_samples:
            generate = torch.func.vmap(lambda latent: self.generate(profile["G"], latent))
            batches = generate(torch.stack(latents)).unbind()
        else:
            sizes = [len(latent) for latent in latents]
            batches = self.generate(profile["G"], torch.cat(latents)).split(sizes)
        fakes = iter(batches)
        return [{**draw, "fake": next(fakes)} if "latent" in draw else draw for draw in draws]

    def fake(self, profile: Profile, draw: Draw) -> Samples:
        """G's samples at the draw's latents, unless the draw brings them (``draw_fakes``)."""
        return draw["fake"] if "fake" in draw else super().fake(profile, draw)

    def score(self, profile: Profile, draw: Draw) -> Scored:
        """Both kinds of samples, as D sees them, and their scores."""
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
        """∇ₓD at D's real and at its fake inputs, sample by sample."""

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
        """``function(samples, hidden noise)`` at D's real and fake inputs, per sample."""
        noise_real, noise_fake = self.hidden(draw, "real"), self.hidden(draw, "fake")
        if self.discriminator.mixes_samples:
            return function(real, noise_real), function(fake, noise_fake)
        noise = None
        if noise_real is not None and noise_fake is not None:
            noise = torch.cat([noise_real, noise_fake])
        both = function(torch.cat([real, fake]), noise)
        return both[: len(real)], both[len(real) :]


@dataclass(frozen=True)
class FusedMetaGan(MetaGan, FusedGan):
    """VRAL's four-player game with FusedGan's shared passes."""
