"""Small games, networks and draws, and the plain loop that every method is held against.

``PlainLoop`` trains a GAN the way a tutorial does: modules with their own parameters, optimisers
that change them in place, ``backward`` on one loss at a time. It shares no formula with vral.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vral.data.datasets import DATASETS, Dataset
from vral.data.draws import rng
from vral.study.build import GanTraining, build
from vral.study.config import RunConfig, resolve
from vral.study.machine import Execution
from vral.train.executor import Executor
from vral.train.state import TrainState
from vral.types import map_tensors

FOLDERS = {
    "mnist": "MNIST",
    "stacked-mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "cifar10": "cifar-10-batches-py",
}
"""Where torchvision keeps the data sets that it fetches, below VRAL_DATA."""

NEEDS_COMPILER = pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None, reason="there is no C++ compiler"
)

TINY = {"width": 8, "latent": 3, "batch": 16, "rounds": 2}
CPU = torch.device("cpu")
CPU_HERE = Execution(device="cpu")
SMALL = ["--width", "8", "--latent", "4", "--batch", "16"]
"""A run small enough for the command line in a test."""

AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "OMP_NUM_THREADS": "1",
}
"""Environment in which processors with wider vectors compute bit for bit as those with AVX2."""


def prepared_root(name: str) -> Path:
    """The folder that holds the data set ``name``; the test is skipped where there is none."""
    root = os.environ.get("VRAL_DATA")
    if not root or not (Path(root) / FOLDERS[name]).exists():
        pytest.skip(f"{name} is not at hand: set VRAL_DATA to a root that holds it")
    return Path(root)


def computes_as(written_on: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """Why this machine may round otherwise than the one that numbers were written on, even with
    AVX2; None where it computes the same."""
    for part in ("processor", "torch"):
        if here[part] != written_on[part]:
            return f"{part} is {here[part]}, the numbers are of {written_on[part]}"
    return None


OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "meta-mean-matching": ("vral-meta", {"g_objective": "mean"}),
    "meta-minimax": ("vral-meta", {"meta_game": "minimax"}),
    "meta-batch-vector": ("vral-meta", {"meta_input": "batch"}),
    "meta-once": ("vral-meta", {"meta_schedule": "once"}),
    "meta-steps": ("vral-meta", {"meta_steps": 3}),
    "meta-penalty": ("vral-meta", {"meta_penalty": 2.0}),
    "meta-penalty-batch-vector": ("vral-meta", {"meta_input": "batch", "meta_penalty": 5.0}),
    "meta-shifted-means": ("vral-meta", {"mean_fake": -1.0, "mean_real": 2.0}),
    "meta-all-noise": ("vral-meta", {"instance_noise": 0.2, "hidden_noise": 0.3}),
    "meta-mean-batch-norm": ("vral-meta", {"g_objective": "mean", "norm_d": "batch"}),
    "parzen-mean-matching": ("vral-parzen", {"g_objective": "mean"}),
    "parzen-backward-h1": ("vral-parzen-backward", {"bandwidth": 1.0}),
    "hidden-noise": ("nonsaturating", {"hidden_noise": 0.3}),
    "instance-noise": ("wgan-gp", {"instance_noise": 0.2}),
    "instance-noise-r1": ("r1", {"instance_noise": 0.2, "hidden_noise": 0.1, "r2": 0.5}),
    "batch-norm-in-both": ("lsgan", {"norm_d": "batch", "norm_g": "batch"}),
    "batch-norm-and-noise": ("standard", {"norm_d": "batch", "hidden_noise": 0.2}),
    "group-norm-in-both": ("wgan-gp", {"norm_d": "group", "norm_g": "group", "width": 32}),
    "spectral-norm": ("hinge", {"norm_d": "spectral"}),
    "spectral-norm-and-penalty": ("r3gan", {"norm_d": "spectral", "hidden_noise": 0.1}),
    "averaged-generator": ("lsgan", {"ema_g": 0.7, "norm_g": "batch"}),
    "pairs-and-noise": ("r3gan", {"instance_noise": 0.2, "hidden_noise": 0.1, "norm_g": "batch"}),
    "narrow-clip": ("wgan", {"clip": 0.01}),
    "two-penalties": ("hinge", {"r1": 0.5, "gradient_penalty": 3.0}),
    "same-real-batch": ("nonsaturating", {"real_batch": "same"}),
    "everything-clipped": ("wgan", {"clip": 0.05, "clip_scope": "everything"}),
    "original-penalty": ("wgan", {"legacy_gp": 10.0}),
    "held-generator": ("vral-meta", {"generator": "held"}),
    "own-rates": (
        "vral-meta",
        {"rule_d": "same:lr=4e-3", "rule_g": "same:lr=1e-4", "rule_meta": "same:lr=8e-3"},
    ),
    "own-rules": ("vral-meta", {"rule_d": "rmsprop", "rule_g": "sgd", "rule_meta": "momentum"}),
    "sgd": ("standard", {"rule": "sgd", "lr": 0.1}),
    "momentum": ("lsgan-01", {"rule": "momentum:momentum=0.7", "lr": 0.05}),
    "rmsprop": ("hinge", {"rule": "rmsprop"}),
}
"""Settings that change a game, on top of a method: name to (method, settings)."""


def tiny(method: str, **given: Any) -> RunConfig:
    """A run of ``method`` small enough for finite differences."""
    return resolve(method, {**TINY, **given})


def one_line_error(result: Any) -> str:
    """What a command said before it ended with exit code 2."""
    assert result.exit_code == 2, result.output
    text = result.stderr.strip()
    assert text.startswith("Error: ")
    assert "\n" not in text
    return text


def fake_data(name: str, count: int = 200, seed: int = 0) -> Dataset:
    """Uniform samples with the shape and range of a row of DATASETS."""
    row = DATASETS[name]
    samples = torch.rand(count, *row.shape, generator=rng(CPU, seed, "fake data", name))
    if row.output != "unit":
        samples = 2 * samples - 1
    return Dataset(name, samples[: count // 2], samples[count // 2 :], row.output)


def double(tree: Any) -> Any:
    """The same tree with its floating tensors in float64."""
    return map_tensors(lambda t: t.double() if t.is_floating_point() else t, tree)


def lane(tree: Any, index: int) -> Any:
    """One lane of a tree; counters without lanes stay."""
    return map_tensors(lambda t: t[index] if t.ndim else t, tree)


def executor_of(steps: Mapping, longest: int = 1) -> Executor:
    """Plays ``steps`` as they are, ``longest`` updates of D in a row."""
    return Executor(steps, lambda profile, draws: draws, longest)


def precise(config: RunConfig, data: Dataset | None = None) -> tuple[GanTraining, TrainState]:
    """The training of ``config`` with its initial state in float64."""
    training = build(config, data or fake_data(config.dataset))
    return training, TrainState(*(double(part) for part in training.initial))


def draws_of(training: GanTraining, rounds: int) -> list[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """Every move of the first rounds with its draw, in float64."""
    return [
        (move, double(draw))
        for number in range(rounds)
        for move, draw in training.stream.round(training.moves(number))
    ]


def flat(tree: Any) -> Tensor:
    """All numbers of a player's parameters as one vector."""
    return torch.cat([value.flatten() for value in tree.values()])


def relative_gap(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """‖first - second‖ / ‖second‖ over all parameters of one player."""
    gap = torch.linalg.vector_norm(flat(first) - flat(second))
    return (gap / torch.linalg.vector_norm(flat(second)).clamp_min(1e-12)).item()


# --- the plain loop ------------------------------------------------------------------------------


def _norm(kind: str, width: int) -> list[nn.Module]:
    if kind == "batch":
        return [nn.BatchNorm1d(width, eps=1e-4, track_running_stats=False)]
    if kind == "group":
        return [nn.GroupNorm(8, width)]
    return []


def _rule_of(text: str) -> tuple[str, dict[str, float]]:
    """The name and the settings of NAME:setting=value,…."""
    name, _, rest = text.partition(":")
    pairs = (piece.split("=") for piece in rest.split(",") if piece)
    return name, {key: float(value) for key, value in pairs}


class PlainDiscriminator(nn.Module):
    """size → width → width → 1, LeakyReLU 0.2, noise added after each hidden activation."""

    def __init__(self, size: int, width: int, norm: str):
        super().__init__()
        bias = norm in ("none", "spectral")
        self.first = nn.Sequential(
            nn.Linear(size, width, bias), *_norm(norm, width), nn.LeakyReLU(0.2)
        )
        self.second = nn.Sequential(
            nn.Linear(width, width, bias), *_norm(norm, width), nn.LeakyReLU(0.2)
        )
        self.out = nn.Linear(width, 1)
        self.width = width
        self.divided = [self.first[0], self.second[0], self.out] if norm == "spectral" else []
        for layer in self.divided:
            spectral_norm(layer)
        self.eval()  # so that only iterate_powers moves the singular vectors

    def iterate_powers(self) -> None:
        self.train()
        for layer in self.divided:
            _ = layer.weight
        self.eval()

    def tensors(self) -> list[Tensor]:
        """What the profile holds of D, in its order."""
        if not self.divided:
            return list(self.parameters())
        weights = [layer.parametrizations.weight for layer in self.divided]
        return [
            tensor
            for own, layer in zip(weights, self.divided, strict=True)
            for tensor in (own[0]._u, own[0]._v, own.original, layer.bias)
        ]

    def forward(self, x: Tensor, noise: Tensor | float = 0.0) -> Tensor:
        early, late = (0.0, 0.0) if isinstance(noise, float) else noise.chunk(2, dim=1)
        hidden = self.first(x.reshape(len(x), -1)) + early
        return self.out(self.second(hidden) + late)[:, 0]


def plain_generator(latent: int, width: int, norm: str, shape: tuple[int, ...]) -> nn.Module:
    bias, size = norm == "none", torch.Size(shape).numel()
    return nn.Sequential(
        nn.Linear(latent, width, bias),
        *_norm(norm, width),
        nn.ReLU(),
        nn.Linear(width, width, bias),
        *_norm(norm, width),
        nn.ReLU(),
        nn.Linear(width, size),
        nn.Sigmoid(),
        nn.Unflatten(1, shape),
    )


class PlainMeta(nn.Module):
    """1 → 28 → 1 on every score, or batch → 28 → 1 on all of them at once."""

    def __init__(self, batch: int | None):
        super().__init__()
        self.batch = batch
        self.first, self.out = nn.Linear(batch or 1, 28), nn.Linear(28, 1)

    def forward(self, scores: Tensor) -> Tensor:
        rows = scores.reshape(1, -1) if self.batch else scores.reshape(-1, 1)
        return self.out(torch.relu(self.first(rows)))


def labelled(logits: Tensor, label: float) -> Tensor:
    return cross_entropy(logits, torch.full_like(logits, label))


def parzen(scores: Tensor, bandwidth: float) -> torch.distributions.Distribution:
    """Equal Gaussians around the scores."""
    return torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.ones_like(scores)),
        torch.distributions.Normal(scores, torch.full_like(scores, bandwidth)),
    )


def gaussian(mean: float) -> torch.distributions.Normal:
    mean = torch.tensor(mean, dtype=torch.float64)
    return torch.distributions.Normal(mean, torch.ones_like(mean))


class PlainLoop:
    """A GAN in modules and optimisers, changed in place. ``settings`` are the run's options."""

    def __init__(self, method: str, settings: Mapping[str, Any], profile: Any, shape: tuple):
        self.method, self.set = method, settings
        width, batch = settings["width"], settings["batch"]
        modules = {
            "D": PlainDiscriminator(torch.Size(shape).numel(), width, settings["norm_d"]),
            "G": plain_generator(settings["latent"], width, settings["norm_g"], shape),
        }
        if settings["objective"] == "meta":
            vector = batch if settings["meta_input"] == "batch" else None
            modules |= {"R": PlainMeta(vector), "F": PlainMeta(vector)}
        self.players = nn.ModuleDict(modules).double()
        for name in self.players:
            for own, value in zip(self.tensors(name), profile[name].values(), strict=True):
                own.data.copy_(value)
        average = get_ema_multi_avg_fn(settings["ema_g"])
        self.average = AveragedModel(self.players["G"], multi_avg_fn=average)
        self.average.update_parameters(self.players["G"])  # the first call copies
        self.optimisers = {name: self._optimiser(name) for name in modules}

    def tensors(self, player: str) -> list[Tensor]:
        module = self.players[player]
        return module.tensors() if player == "D" else list(module.parameters())

    def _optimiser(self, player: str) -> torch.optim.Optimizer:
        group = {"D": "d", "G": "g"}.get(player, "meta")
        common, shared = _rule_of(self.set["rule"])
        rule, own = _rule_of(self.set[f"rule_{group}"])
        rule, settings = (common, shared | own) if rule == "same" else (rule, own)
        lr = settings.get("lr", self.set["lr"])
        parameters = self.players[player].parameters()
        if rule == "sgd":
            return torch.optim.SGD(parameters, lr)
        if rule == "momentum":
            return torch.optim.SGD(parameters, lr, momentum=settings.get("momentum", 0.9))
        if rule == "rmsprop":
            return torch.optim.RMSprop(parameters, lr, alpha=0.99, eps=3e-6)
        return torch.optim.Adam(parameters, lr, betas=(0.5, 0.999), eps=3e-6)

    def train(self, rounds: int, k: int, draws: Mapping[str, Iterator[dict[str, Tensor]]]) -> None:
        """``rounds`` times k of D (F and R before it) and one of G."""
        meta, once = "R" in self.players, self.set["meta_schedule"] == "once"
        for _ in range(rounds):
            for i in range(k):
                if meta and (i == 0 or not once):
                    for _ in range(self.set["meta_steps"]):
                        self.step("F", self.fake_meta(next(draws["F"])))
                        self.step("R", self.real_meta(next(draws["R"])))
                self.step("D", self.discriminator(next(draws["D"])))
                if self.set["clip"]:
                    self.clip(self.set["clip"], self.set["clip_scope"] == "everything")
                self.players["D"].iterate_powers()
            loss = self.generator(next(draws["G"]))
            if self.set["generator"] == "trained":
                self.step("G", loss)
                self.average.update_parameters(self.players["G"])

    def clip(self, limit: float, everything: bool) -> None:
        for parameter in self.players["D"].parameters():
            if parameter.ndim >= 2 or everything:
                parameter.data.clamp_(-limit, limit)
            if everything:
                for value in self.optimisers["D"].state[parameter].values():
                    value.clamp_(-limit, limit)

    def step(self, player: str, loss: Tensor) -> None:
        self.optimisers[player].zero_grad()
        loss.backward()
        self.optimisers[player].step()

    def sample(self, draw: Mapping[str, Tensor]) -> Tensor:
        return self.players["G"](draw["latent"])

    def judge(self, samples: Tensor, draw: Mapping[str, Tensor], kind: str) -> Tensor:
        """D's scores of samples that already carry their instance noise."""
        if self.set["hidden_noise"]:
            return self.players["D"](samples, self.set["hidden_noise"] * draw[f"hidden_{kind}"])
        return self.players["D"](samples)

    def blurred(self, samples: Tensor, draw: Mapping[str, Tensor], kind: str) -> Tensor:
        if self.set["instance_noise"]:
            return samples + self.set["instance_noise"] * draw[f"instance_{kind}"]
        return samples

    def fake_meta(self, draw: Mapping[str, Tensor]) -> Tensor:
        with torch.no_grad():
            scores = self.judge(self.blurred(self.sample(draw), draw, "fake"), draw, "fake")
        return self.meta_loss(self.players["F"], draw["target_fake"], scores)

    def real_meta(self, draw: Mapping[str, Tensor]) -> Tensor:
        scores = self.judge(self.blurred(draw["real"], draw, "real"), draw, "real").detach()
        return self.meta_loss(self.players["R"], draw["target_real"], scores)

    def meta_loss(self, judge: nn.Module, targets: Tensor, scores: Tensor) -> Tensor:
        loss = labelled(judge(targets), 1.0) + labelled(judge(scores), 0.0)
        for values in (targets, scores) if self.set["meta_penalty"] else ():
            at = values.detach().requires_grad_()
            logits = judge(at)
            (slope,) = torch.autograd.grad(logits.sum(), at, create_graph=True)
            squares = slope.square().sum() if judge.batch else slope.square().mean()
            loss = loss + self.set["meta_penalty"] / 2 * squares
        return loss

    def discriminator(self, draw: Mapping[str, Tensor]) -> Tensor:
        x = self.blurred(draw["real"], draw, "real")
        fake = self.blurred(self.sample(draw).detach(), draw, "fake")
        real_scores, fake_scores = self.judge(x, draw, "real"), self.judge(fake, draw, "fake")
        loss = PLAIN_METHODS[self.method].discriminator(self, real_scores, fake_scores, draw)
        return loss + self.penalties(x, fake, draw)

    def penalties(self, x: Tensor, fake: Tensor, draw: Mapping[str, Tensor]) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        if self.set["gradient_penalty"]:
            weight = draw["mix"].expand_as(x)
            norms = self.slope(weight * x + (1 - weight) * fake).norm(2, dim=1)
            total = total + self.set["gradient_penalty"] * ((norms - 1) ** 2).mean()
        if self.set["legacy_gp"]:
            weight = draw["mix"].flatten()[0]
            given = x.detach().requires_grad_()
            scores = self.players["D"](weight * given + (1 - weight) * fake)
            (slope,) = torch.autograd.grad(scores.sum(), given, create_graph=True)
            norms = slope.reshape(len(x), -1).norm(2, dim=1)
            total = total + self.set["legacy_gp"] * ((norms - 1) ** 2).mean()
        for name, samples in (("r1", x), ("r2", fake)):
            if self.set[name]:
                square = self.slope(samples).pow(2).sum(1)
                total = total + self.set[name] / 2 * square.mean()
        return total

    def slope(self, samples: Tensor) -> Tensor:
        samples = samples.detach().requires_grad_()
        scores = self.players["D"](samples)
        (gradient,) = torch.autograd.grad(
            scores, samples, torch.ones_like(scores), create_graph=True
        )
        return gradient.reshape(len(samples), -1)

    def generator(self, draw: Mapping[str, Tensor]) -> Tensor:
        scores = self.judge(self.blurred(self.sample(draw), draw, "fake"), draw, "fake")
        if self.set["g_objective"] == "target":
            return ((scores - self.set["mean_real"]) ** 2).mean() / 2
        if self.set["g_objective"] == "mean":
            x = self.blurred(draw["real"], draw, "real")
            return (self.judge(x, draw, "real").mean() - scores.mean()).square()
        if self.set["objective"] == "relativistic":
            rivals = self.judge(self.blurred(draw["real"], draw, "real"), draw, "real")
            return PLAIN_METHODS[self.method].generator(scores - rivals)
        return PLAIN_METHODS[self.method].generator(scores)


class PlainMethod:
    """D's loss of (loop, real scores, fake scores, draw) and G's of the fake scores; in pairs, of
    their excess over the real ones."""

    def __init__(
        self,
        discriminator: Callable[..., Tensor],
        generator: Callable[[Tensor], Tensor] | None = None,
    ):
        self.discriminator, self.generator = discriminator, generator


def _logistic(loop, real, fake, draw):
    return labelled(real, 1.0) + labelled(fake, 0.0)


def _logistic_pair(loop, real, fake, draw):
    return labelled(real - fake, 1.0)


def _minimax_generator(fake):
    return torch.log(1 - torch.sigmoid(fake)).mean()


def _log_trick_generator(fake):
    return labelled(fake, 1.0)


def _least_squares(real_code: float, fake_code: float):
    def loss(loop, real, fake, draw):
        mse = nn.functional.mse_loss
        real = mse(real, torch.full_like(real, real_code))
        return (real + mse(fake, torch.full_like(fake, fake_code))) / 2

    return loss


def _least_squares_generator(fake):
    return nn.functional.mse_loss(fake, torch.ones_like(fake)) / 2


def _earth_mover(loop, real, fake, draw):
    return -(real.mean() - fake.mean())


def _earth_mover_generator(fake):
    return -fake.mean()


def _hinge(loop, real, fake, draw):
    zero = torch.zeros_like(real)
    return -torch.minimum(zero, real - 1).mean() - torch.minimum(zero, -fake - 1).mean()


def _fool_meta(loop, real, fake, draw):
    pairs = ((loop.players["R"], real), (loop.players["F"], fake))
    if loop.set["meta_game"] == "minimax":
        return -sum(labelled(judge(scores), 0.0) for judge, scores in pairs)
    return sum(labelled(judge(scores), 1.0) for judge, scores in pairs)


def _forward_parzen(loop, real, fake, draw):
    h, total = loop.set["bandwidth"], 0.0
    for scores, kind in ((real, "real"), (fake, "fake")):
        points = draw[f"target_{kind}"]
        target = gaussian(loop.set[f"mean_{kind}"])
        total = total + (target.log_prob(points) - parzen(scores, h).log_prob(points)).mean()
    return total


def _backward_parzen(loop, real, fake, draw):
    h, total = loop.set["bandwidth"], 0.0
    for scores, kind in ((real, "real"), (fake, "fake")):
        target = gaussian(loop.set[f"mean_{kind}"])
        total = total + (parzen(scores, h).log_prob(scores) - target.log_prob(scores)).mean()
    return total


def _moments(loop, real, fake, draw):
    total = 0.0
    for scores, mean in ((real, loop.set["mean_real"]), (fake, loop.set["mean_fake"])):
        variance = torch.var(scores, unbiased=False)
        total = total + (variance - 1) ** 2 + (scores.mean() - mean) ** 2
    return total


PLAIN_METHODS: dict[str, PlainMethod] = {
    "standard": PlainMethod(_logistic, _minimax_generator),
    "nonsaturating": PlainMethod(_logistic, _log_trick_generator),
    "lsgan": PlainMethod(_least_squares(1.0, -1.0), _least_squares_generator),
    "lsgan-01": PlainMethod(_least_squares(1.0, 0.0), _least_squares_generator),
    "wgan": PlainMethod(_earth_mover, _earth_mover_generator),
    "wgan-gp": PlainMethod(_earth_mover, _earth_mover_generator),
    "hinge": PlainMethod(_hinge, _earth_mover_generator),
    "bgan": PlainMethod(_logistic, lambda fake: fake.square().mean() / 2),
    "r1": PlainMethod(_logistic, _log_trick_generator),
    "r2": PlainMethod(_logistic, _log_trick_generator),
    "r3gan": PlainMethod(_logistic_pair, _log_trick_generator),
    "vral-meta": PlainMethod(_fool_meta),
    "vral-meta-10": PlainMethod(_fool_meta),
    "vral-parzen": PlainMethod(_forward_parzen),
    "vral-parzen-h1": PlainMethod(_forward_parzen),
    "vral-parzen-backward": PlainMethod(_backward_parzen),
    "moment": PlainMethod(_moments),
}
"""The formulas of every row of METHODS, once more and by other means."""
