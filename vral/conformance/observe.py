"""The Dirac-GAN as two modules, and the trajectory along which a trainer moves them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from vral.conformance.hypotheses import BATCH
from vral.errors import ConfigError

LARGEST = 1e12
"""Where a path is given up as one that explodes."""

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
    """D(x) = ψx + ½κx², a logit that is high on reals: samples (batch, 1) to scores (batch,).

    ψ is its parameter; the curvature κ is a constant, and 0 unless asked otherwise.
    """

    def __init__(self, psi: float, curvature: float = 0.0):
        super().__init__()
        self.psi = nn.Parameter(torch.tensor([psi], dtype=torch.float64))
        self.curvature = curvature

    def forward(self, sample: Tensor) -> Tensor:
        x = sample.flatten(1)
        return x @ self.psi + self.curvature / 2 * x.square().sum(1)


def observe(
    trainer: Trainer,
    step_size: float,
    gamma: float,
    starts: Tensor,
    calls: int,
    curvature: float = 0.0,
) -> Tensor:
    """(θ, ψ) after every call of ``trainer`` as (call, start, 2), from ``starts`` (start, 3).

    A start is (θ, ψ, c), and all its reals are c. A path that leaves ±LARGEST ends: it is infinite
    at that call and NaN from then on.

    Raises:
        ConfigError: the trainer gives no update, replaces a module's parameter or its type, leaves
            both modules as they are, or makes them NaN or infinite at the first call.
    """
    paths = torch.stack(
        [_path(trainer, step_size, gamma, start, calls, curvature) for start in starts.tolist()], 1
    )
    if (paths == starts[:, :2]).all():
        raise ConfigError(
            "trainer: it updates neither G nor D; it has to change the modules that it is given in "
            "place (not copies of them), through optimisers that hold their parameters"
        )
    return paths


def _path(
    trainer: Trainer,
    step_size: float,
    gamma: float,
    start: list[float],
    calls: int,
    curvature: float,
) -> Tensor:
    theta, psi, c = start
    G, D = DiracGenerator(theta), DiracCritic(psi, curvature)
    parameters = {"G": ("theta", G.theta), "D": ("psi", D.psi)}
    update = trainer(G, D, step_size, gamma)
    if not callable(update):
        raise ConfigError(
            f"trainer: {type(update).__name__} given back; allowed: a function (real, latent) that "
            "makes one update"
        )
    path = torch.full((calls, 2), torch.nan, dtype=torch.float64)
    for number in range(calls):
        update(torch.full((BATCH, 1), c, dtype=torch.float64), torch.zeros(BATCH, 1).double())
        for name, module in (("G", G), ("D", D)):
            attribute, value = parameters[name]
            if [id(p) for p in module.parameters()] != [id(value)]:
                raise ConfigError(
                    f"trainer: call {number + 1} replaces {name}'s parameter {attribute!r} by "
                    "another; it has to change the parameter that it is given in place"
                )
            if value.dtype != torch.float64 or value.shape != (1,):
                raise ConfigError(
                    f"trainer: call {number + 1} turns {name}'s parameter into "
                    f"{tuple(value.shape)} {value.dtype}; it has to stay (1,) torch.float64"
                )
        now = torch.cat([G.theta, D.psi]).detach()
        if not number and not now.isfinite().all():
            raise ConfigError(
                f"trainer: call 1 from (θ, ψ) = ({theta}, {psi}) with reals at {c} gives (θ, ψ) = "
                f"({now[0]:g}, {now[1]:g})"
            )
        if not (now.abs() < LARGEST).all():
            path[number] = torch.inf
            break
        path[number] = now
    return path
