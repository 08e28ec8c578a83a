"""What ``vral bench`` times: three pairs of networks on samples in memory, and who trains them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from vral.bench.loops import LOOPS, PlainLoop
from vral.bench.peers import installed
from vral.data.datasets import DATASETS, Dataset
from vral.data.draws import rng
from vral.errors import ConfigError
from vral.nets import NETWORKS, NetworkPair, mlp
from vral.study.build import GanTraining, build
from vral.study.config import RunConfig, resolve
from vral.train.loop import train
from vral.train.play import start
from vral.train.records import Recorder
from vral.train.state import Clock

WORKLOADS: dict[str, dict[str, Any]] = {
    "toy": {"dataset": "ring", "network": "mlp", "width": 128, "latent": 16, "batch": 256},
    "mlp": {"dataset": "mnist", "network": "mlp", "width": 512, "latent": 64, "batch": 64},
    "conv": {"dataset": "mnist", "network": "mnist-conv", "width": 32, "latent": 64, "batch": 64},
}
"""D and G of each, by the widths of their layers.

toy: 2-128-128-1 and 16-128-128-2. mlp: 784-512-512-1 and 64-512-512-784. conv: two 5×5 stride-2
convolutions of 32 and 64 channels and a dense layer of 512, and their mirror image; no norms."""

METHODS = ("nonsaturating", "wgan-gp", "r1", "vral-meta", "vral-parzen")


@dataclass(frozen=True)
class Case:
    """A method on a workload at a ratio, with some settings of the workload ``changed``.

    ``changed`` may hold settings of a run, and ``depth``, the number of hidden layers of an MLP.
    """

    workload: str
    method: str
    ratio: int
    changed: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        changes = "".join(f", {name} {value}" for name, value in self.changed.items())
        return f"{self.workload} {self.method} {self.ratio}:1{changes}"

    @property
    def columns(self) -> dict[str, Any]:
        """What identifies the case in a row of results."""
        names = {"workload": self.workload, "method": self.method, "ratio": self.ratio}
        return names | dict(self.changed)

    @property
    def config(self) -> RunConfig:
        settings = {name: value for name, value in self.changed.items() if name != "depth"}
        given = {"ratio": self.ratio, "rounds": 10**6, "record_every": 1, **settings}
        return resolve(self.method, WORKLOADS[self.workload] | given)

    @property
    def pair(self) -> NetworkPair | None:
        """The networks, if they are not those that the configuration names."""
        if "depth" not in self.changed:
            return None
        depth = self.changed["depth"]
        return replace(
            NETWORKS["mlp"],
            discriminator=partial(mlp.discriminator, depth=depth),
            generator=partial(mlp.generator, depth=depth),
        )


@dataclass(frozen=True)
class Mode:
    """One way to run vral's own step."""

    compiled: bool = False
    precision: str = "float32"
    lanes: int = 1
    readings: bool = True


MODES: dict[str, Mode] = {
    "eager": Mode(),
    "compiled": Mode(compiled=True),
    "compiled, losses only": Mode(compiled=True, readings=False),
    "compiled, bf16": Mode(compiled=True, precision="bf16"),
    **{
        f"{how}, {lanes} lanes": Mode(compiled=how == "compiled", lanes=lanes)
        for lanes in (2, 5, 16)
        for how in ("eager", "compiled")
    },
    "compiled, bf16, 16 lanes": Mode(compiled=True, precision="bf16", lanes=16),
}


def samples(dataset: str, count: int = 60_000) -> Dataset:
    """Uniform noise of a data set's shape and range; values do not change what a step costs."""
    row = DATASETS[dataset]
    noise = torch.rand(count, *row.shape, generator=rng(torch.device("cpu"), "bench"))
    made = noise if row.output == "unit" else 2 * noise - 1
    return Dataset(dataset, made, made[:64], row.output)


class Ours:
    """vral's own loop, records included."""

    def __init__(self, case: Case, data: Dataset, mode: Mode):
        config = case.config.model_copy(
            update={
                "precision": mode.precision,
                "seeds": tuple(range(mode.lanes)),
                "record_every": 1 if mode.readings else 10**9,
            }
        )
        self.training: GanTraining = build(config, data, mode.compiled, case.pair)
        self.clock = Clock()
        self.recorder = Recorder(config.seeds, config.record_every, config.batch)

    def play(self, rounds: int) -> None:
        """Play so many rounds. Raises ConfigError where nothing was compiled that should be."""
        state = train(self.training, self.clock, self.clock.round + rounds, self.recorder)
        self.training = replace(self.training, initial=state)
        self.recorder.first_bad_loss(self.recorder.seeds[0])
        self.recorder.collect()
        failure = self.training.executor.failure
        if failure:
            raise ConfigError(f"--modes: nothing was compiled: {failure}")


Contender = Callable[[int], None]
"""A function that plays so many rounds."""


def loop_of(loop: Callable[..., PlainLoop], case: Case, data: Dataset) -> PlainLoop:
    """``loop`` on modules that start from the parameters that vral starts from."""
    training = build(case.config, replace(data, train=data.train[:64]), pair=case.pair)
    first = start(training.gan.networks, (0,))
    for player, module in training.gan.networks.items():
        module.load_state_dict({name: value[0] for name, value in first[player].items()})
        module.to(data.train.device)
    return loop(training.gan, case.config, data.train)


def contenders(
    case: Case, modes: tuple[str, ...], peers: bool, device: torch.device
) -> dict[str, tuple[Contender, int]]:
    """Every contender by name, with the number of its lanes."""
    data = samples(case.config.dataset).to(device)
    contenders: dict[str, tuple[Contender, int]] = {}
    others = LOOPS | (installed(case.method, case.ratio)[0] if peers else {})
    for name, loop in others.items():
        contenders[name] = partial(_rounds, loop_of(loop, case, data), case.ratio), 1
    for name in modes:
        contenders[f"vral {name}"] = Ours(case, data, MODES[name]).play, MODES[name].lanes
    return contenders


def _rounds(loop: PlainLoop, k: int, rounds: int) -> None:
    for _ in range(rounds):
        loop.round(k)
