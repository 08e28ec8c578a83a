"""Installed packages that train a GAN, on the same networks, samples and ratio as vral.

Each is optional, keeps its own settings, and logs less than vral does. What a package adds around
its steps is left out (files, bars, checkpoints, loading), so its times are the least it can take.
"""

# pyright: reportMissingImports=false
# The packages are optional: pyproject.toml names them under "peers".

import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from queue import SimpleQueue
from typing import Any

import torch
from torch import Tensor, nn

from vral.bench.loops import PlainLoop
from vral.errors import one_line
from vral.games.gan import Gan
from vral.study.config import RunConfig


class TorchganLoop(PlainLoop):
    """torchgan's ``train_ops``: each loss makes its own fakes, differentiates and steps."""

    def __init__(self, gan: Gan, config: RunConfig, data: Tensor):
        from torchgan import losses

        super().__init__(gan, config, data)
        D: Any = self.D  # torchgan reads further attributes of a network
        G: Any = self.G
        D.label_type = G.label_type = "none"
        G.encoding_dims = config.latent
        if config.objective == "wgan":
            critic = [losses.WassersteinDiscriminatorLoss(), losses.WassersteinGradientPenalty()]
            self.d_losses, self.g_loss = critic, losses.WassersteinGeneratorLoss()
        else:
            self.d_losses = [losses.MinimaxDiscriminatorLoss()]
            self.g_loss = losses.MinimaxGeneratorLoss(nonsaturating=True)

    def discriminator_update(self) -> None:
        real, optimiser = self.real(), self.optimisers[self.D]
        for loss in self.d_losses:
            self.log.append((loss.train_ops(self.G, self.D, optimiser, real, self.data.device),))

    def generator_update(self) -> None:
        arguments = (self.G, self.D, self.optimisers[self.G], self.data.device)
        self.g_loss.train_ops(*arguments, self.config.batch)


class MimicryLoop(PlainLoop):
    """torch-mimicry's ``train_step`` of both base networks, called as its trainer calls them."""

    def __init__(self, gan: Gan, config: RunConfig, data: Tensor):
        from torch_mimicry.nets.gan.gan import BaseDiscriminator, BaseGenerator
        from torch_mimicry.training.metric_log import MetricLog

        class Generator(BaseGenerator):
            def __init__(self, network: nn.Module):
                super().__init__(nz=config.latent, ngf=0, bottom_width=0, loss_type="ns")
                self.network = network

            def forward(self, z: Tensor) -> Tensor:
                return self.network(z)

        class Discriminator(BaseDiscriminator):
            def __init__(self, network: nn.Module):
                super().__init__(ndf=0, loss_type="ns")
                self.network = network

            def forward(self, x: Tensor) -> Tensor:
                return self.network(x)[:, None]

        super().__init__(gan, config, data)
        self.its_D, self.its_G, self.new_log = Discriminator(self.D), Generator(self.G), MetricLog
        self.labels = torch.zeros(config.batch, dtype=torch.int64, device=data.device)

    def round(self, k: int) -> None:
        self.log_data = self.new_log()
        super().round(k)

    def discriminator_update(self) -> None:
        self.batch = self.real(), self.labels
        self.its_D.train_step(
            self.batch, self.its_G, self.optimisers[self.D], self.log_data, self.data.device
        )

    def generator_update(self) -> None:
        self.its_G.train_step(
            self.batch, self.its_D, self.optimisers[self.G], self.log_data, self.data.device
        )


class CgdLoop(PlainLoop):
    """CGDs' ACGD: both players at once, on the zero-sum game that D's loss makes."""

    def __init__(self, gan: Gan, config: RunConfig, data: Tensor):
        from CGDs import ACGD

        super().__init__(gan, config, data)
        self.solver = ACGD(self.G.parameters(), self.D.parameters())

    def round(self, k: int) -> None:
        if k != 1:
            raise ValueError(f"CGDs moves both players at once: a ratio of {k} cannot be")
        real, fake = self.real(), self.G(self.latent())
        loss = self.discriminator_loss(self.D(real), self.D(fake)) + self.penalty(real, fake)
        self.solver.zero_grad()
        self.solver.step(loss)
        self.log.append((loss.item(),))


class LightningLoop(PlainLoop):
    """Lightning's manual optimisation, one batch a D update, inside its own ``Trainer.fit``.

    The trainer has a thread of its own and waits there for the next round: its loop cannot be
    entered and left. Logging by ``self.log``; bar, logger and checkpoints are off.
    """

    def __init__(self, gan: Gan, config: RunConfig, data: Tensor):
        super().__init__(gan, config, data)
        self.asked: SimpleQueue[int] = SimpleQueue()
        self.played: SimpleQueue[BaseException | None] = SimpleQueue()
        self.threads = torch.get_num_threads()
        self.thread = threading.Thread(target=self._fit, daemon=True)

    def round(self, k: int) -> None:
        if not self.thread.is_alive():
            self.thread.start()
        self.asked.put(k)
        if error := self.played.get():
            raise error

    def _fit(self) -> None:
        from lightning.pytorch import Trainer

        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module=r"lightning\.")
        torch.set_num_threads(self.threads)  # A setting of each thread.
        ended: BaseException = RuntimeError("Lightning's trainer ended before it was asked to")
        try:
            self.module = _lightning_module(self)
            trainer = Trainer(
                max_epochs=-1,
                accelerator="gpu" if self.data.is_cuda else "cpu",
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.fit(self.module, _Batches(self))
        except BaseException as error:
            ended = error
        self.played.put(ended)

    def step(self, player: nn.Module, loss: Tensor) -> None:
        optimiser = self.module.optimizer_of(player)
        self.module.manual_backward(loss)
        optimiser.step()
        optimiser.zero_grad()

    def discriminator_update(self, real: Tensor) -> None:
        with self.module.only(self.D):
            fake = self.G(self.latent()).detach()
            loss = self.discriminator_loss(self.D(real), self.D(fake)) + self.penalty(real, fake)
            self.step(self.D, loss)
        self.module.log("d_loss", loss, prog_bar=True)

    def generator_update(self) -> None:
        with self.module.only(self.G):
            super().generator_update()


class _Batches:
    """Lightning's loader: real batches as rounds are asked for, with whether G moves after them.

    It has a length, so that Lightning does not fetch ahead.
    """

    def __init__(self, loop: LightningLoop):
        self.loop = loop

    def __len__(self) -> int:
        return sys.maxsize

    def __iter__(self) -> Iterator[tuple[Tensor, bool]]:
        while True:
            k = self.loop.asked.get()
            for index in range(k):
                yield self.loop.real(), index == k - 1
            self.loop.played.put(None)


def _lightning_module(loop: LightningLoop) -> Any:
    from lightning.pytorch import LightningModule

    class Module(LightningModule):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = False
            self.players = nn.ModuleList(loop.optimisers)

        def configure_optimizers(self) -> list[torch.optim.Optimizer]:
            return list(loop.optimisers.values())

        def optimizer_of(self, player: nn.Module) -> Any:
            return self.optimizers()[list(loop.optimisers).index(player)]

        def only(self, player: nn.Module) -> AbstractContextManager:
            return self.toggled_optimizer(self.optimizer_of(player))

        def training_step(self, batch: tuple[Tensor, bool], index: int) -> None:
            real, last = batch
            if loop.metas:
                loop.meta_updates()
            loop.discriminator_update(real)
            if last:
                loop.generator_update()

    return Module()


def _mimicry() -> None:
    """Import the modules that train, past package files that need TensorFlow and ``torch._six``."""
    for name in ("torch_mimicry", "torch_mimicry.training"):
        if name not in sys.modules:
            spec = find_spec(name)
            assert spec is not None, f"{name} is not installed"
            sys.modules[name] = module_from_spec(spec)
    import_module("torch_mimicry.nets.gan.gan")
    import_module("torch_mimicry.training.metric_log")


@dataclass(frozen=True)
class Peer:
    """A package: how it is found and imported, and what it can train."""

    module: str
    load: Callable[[], Any]
    loop: type[PlainLoop]
    methods: tuple[str, ...]
    any_ratio: bool = True

    def obstacle(self, method: str, ratio: int) -> str | None:
        """Why the package cannot train ``method`` at ``ratio`` here; None where it can."""
        if method not in self.methods:
            return f"has no {method}"
        if ratio > 1 and not self.any_ratio:
            return "moves both players at once, so 1:1 only"
        if find_spec(self.module) is None:
            return "not installed"
        try:
            self.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # A peer may break in any way on a newer torch, or exit.
            return one_line(error)
        return None


PENALISED = ("nonsaturating", "wgan-gp", "r1")

PEERS: dict[str, Peer] = {
    "Lightning": Peer(
        "lightning",
        partial(import_module, "lightning.pytorch"),
        LightningLoop,
        (*PENALISED, "vral-meta", "vral-parzen"),
    ),
    "torch-mimicry": Peer("torch_mimicry", _mimicry, MimicryLoop, ("nonsaturating",)),
    "torchgan": Peer(
        "torchgan",
        partial(import_module, "torchgan.losses"),
        TorchganLoop,
        ("nonsaturating", "wgan-gp"),
    ),
    "CGDs": Peer("CGDs", partial(import_module, "CGDs"), CgdLoop, PENALISED, any_ratio=False),
}
"""torch-mimicry's gradient penalty takes images of three channels only."""


def installed(method: str, ratio: int) -> tuple[dict[str, type[PlainLoop]], dict[str, str]]:
    """The peers that can train ``method`` at ``ratio`` here, and why the others cannot."""
    obstacles = {name: peer.obstacle(method, ratio) for name, peer in PEERS.items()}
    loops = {name: PEERS[name].loop for name, why in obstacles.items() if why is None}
    return loops, {name: why for name, why in obstacles.items() if why is not None}
