"""Installed packages that train a GAN, at their defaults. Each is optional and logs less than we.

torchgan's losses are called as its trainer calls them. Packages that do not import here are left
out of the table and named under it.
"""

from importlib.util import find_spec

from torch import Tensor

from vral.bench.loops import PlainLoop
from vral.config import RunConfig
from vral.games.gan import Gan


class TorchganLoop(PlainLoop):
    """torchgan's ``train_ops``: each makes its own fakes, differentiates and steps."""

    def __init__(self, gan: Gan, config: RunConfig, data: Tensor):
        from torchgan import losses

        super().__init__(gan, config, data)
        self.D.label_type = self.G.label_type = "none"
        self.G.encoding_dims = config.latent
        if config.objective == "wgan":
            critic = [losses.WassersteinDiscriminatorLoss(), losses.WassersteinGradientPenalty()]
            self.d_losses, self.g_loss = critic, losses.WassersteinGeneratorLoss()
        else:
            self.d_losses = [losses.MinimaxDiscriminatorLoss()]
            self.g_loss = losses.MinimaxGeneratorLoss(nonsaturating=True)

    def discriminator_update(self) -> None:
        for loss in self.d_losses:
            arguments = (self.G, self.D, self.optimisers[self.D], self.real(), self.data.device)
            self.log.append((loss.train_ops(*arguments, self.config.batch),))

    def generator_update(self) -> None:
        arguments = (self.G, self.D, self.optimisers[self.G], self.data.device)
        self.g_loss.train_ops(*arguments, self.config.batch)


PEERS: dict[str, tuple[str, type[PlainLoop], tuple[str, ...]]] = {
    "torchgan": ("torchgan", TorchganLoop, ("nonsaturating", "wgan-gp")),
}
"""Name to (module, loop, methods that it has)."""


def installed(method: str) -> tuple[dict[str, type[PlainLoop]], dict[str, str]]:
    """The peers that can train ``method`` here, and why the others cannot."""
    found, missing = {}, {}
    for name, (module, loop, methods) in PEERS.items():
        if find_spec(module) is None:
            missing[name] = "not installed"
        elif method not in methods:
            missing[name] = f"has no {method}"
        else:
            try:
                __import__(module)
                found[name] = loop
            except Exception as error:  # A peer may break in any way on a newer torch.
                missing[name] = f"{type(error).__name__}: {error}"
    return found, missing
