"""The Dirac-GAN as two modules, and the trajectory along which a trainer moves them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from vral.conformance.hypotheses import BATCH
from vral.errors import ConfigError

Update = Callable[[Tensor, Tensor], object]
"""(real, latent) to anything: one call of a trainer's loop, which changes the modules in place."""

Trainer = Callable[[nn.Module, nn.Module, float, float], Update]
"""(G, D, step size, γ) to the update. It is called once for each start and makes its optimisers."""


class DiracGenerator(nn.Module):
    """G(z) = θ for every z: latents (batch, 1) to samples (batch, 1)."""

    def __init__(self, theta: float):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([theta], dtype=torch.float64))

    def forward(self, latent: Tensor) -> Tensor:
        return self.theta.expand(len(latent), 1)


class DiracCritic(nn.Module):
    """D(x) = ψ·x, a logit that is high on reals: samples (batch, 1) to scores (batch,)."""

    def __init__(self, psi: float):
        super().__init__()
        self.psi = nn.Parameter(torch.tensor([psi], dtype=torch.float64))

    def forward(self, sample: Tensor) -> Tensor:
        return sample.flatten(1) @ self.psi


def observe(trainer: Trainer, step_size: float, gamma: float, starts: Tensor, calls: int) -> Tensor:
    """(θ, ψ) after every call of ``trainer`` as (call, start, 2), from ``starts`` (start, 2).

    Raises:
        ConfigError: the trainer gives no update, replaces a module's parameter or its type, leaves
            both modules as they are, or makes them NaN or infinite.
    """
    paths = torch.stack(
        [_path(trainer, step_size, gamma, theta, psi, calls) for theta, psi in starts.tolist()], 1
    )
    if (paths == starts).all():
        raise ConfigError(
            "trainer: it updates neither G nor D; it has to change the modules that it is given in "
            "place (not copies of them), through optimisers that hold their parameters"
        )
    return paths


def _path(
    trainer: Trainer, step_size: float, gamma: float, theta: float, psi: float, calls: int
) -> Tensor:
    G, D = DiracGenerator(theta), DiracCritic(psi)
    parameters = {"G": ("theta", G.theta), "D": ("psi", D.psi)}
    update = trainer(G, D, step_size, gamma)
    if not callable(update):
        raise ConfigError(
            f"trainer: {type(update).__name__} given back; allowed: a function (real, latent) that "
            "makes one update"
        )
    path = []
    for number in range(1, calls + 1):
        update(torch.zeros(BATCH, 1).double(), torch.zeros(BATCH, 1).double())
        for name, module in (("G", G), ("D", D)):
            attribute, value = parameters[name]
            if [id(p) for p in module.parameters()] != [id(value)]:
                raise ConfigError(
                    f"trainer: call {number} replaces {name}'s parameter {attribute!r} by another; "
                    "it has to change the parameter that it is given in place"
                )
            if value.dtype != torch.float64 or value.shape != (1,):
                raise ConfigError(
                    f"trainer: call {number} turns {name}'s parameter into {tuple(value.shape)} "
                    f"{value.dtype}; it has to stay (1,) torch.float64"
                )
        now = torch.cat([G.theta, D.psi]).detach().clone()
        if not now.isfinite().all():
            raise ConfigError(
                f"trainer: call {number} from (θ, ψ) = ({theta}, {psi}) gives (θ, ψ) = "
                f"({now[0]:g}, {now[1]:g}); try a smaller step size or γ if it diverges rightly"
            )
        path.append(now)
    return torch.stack(path)
