"""A trained run at its checkpoint, ready to be linearised: game, rule, one round, one large draw.

Everything is in float64 and belongs to one seed; D has no noise. The draw depends only on the data
set, the batch and the run's inputs, so that all seeds of a run are judged on the same samples.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vral.data.datasets import Dataset
from vral.data.draws import DrawStream
from vral.diagnostics.gradients import discriminator_readings
from vral.diagnostics.linearise import Map, at_rest, field_map, update_map
from vral.errors import ConfigError, FolderError
from vral.games.game import Game
from vral.games.gan import Gan
from vral.nets.network import weight_names
from vral.optim import Rule
from vral.penalties import clip_weights, r1
from vral.study.build import build
from vral.study.config import RunConfig, resolve, with_defaults
from vral.study.folders import read_run
from vral.study.machine import Execution
from vral.train import checkpoint
from vral.train.play import move_needs
from vral.train.state import TrainState
from vral.types import Draw, Move, Params, Profile, from_vector, map_tensors

SAMPLES = 1024
"""Samples of each kind on which losses are averaged unless another number is given."""

DRAW_SEED = 2 * 10**9
"""Seed of the draw on which spectra are taken; no training uses it."""


@dataclass(frozen=True)
class TrainedRun:
    """A run folder whose configuration and checkpoint belong together."""

    folder: Path
    config: RunConfig
    gan: Gan
    """The game, without D's noise."""
    rule: Rule
    moves: tuple[Move, ...]
    """The moves of one round, at the ratio of the round that would come next."""
    rounds: int
    """The run's round at the checkpoint."""
    state: TrainState
    """The saved state; every tensor has a leading lane axis."""
    data: Dataset

    @property
    def seeds(self) -> tuple[int, ...]:
        """The run's seeds, in the order of its lanes."""
        return self.config.seeds

    @property
    def projections(self) -> Mapping[str, Callable[[Params], Params]]:
        if not self.config.clip:
            return {}
        weights = weight_names(self.gan.discriminator)
        return {"D": partial(clip_weights, weights=weights, limit=self.config.clip)}

    def samples_of(self, given: int | None) -> int:
        """The number of samples of each kind: ``given``, or the default.

        Raises ConfigError where R and F take a whole batch of scores and ``given`` is another size.
        """
        vector = self.config.objective == "meta" and self.config.meta_input == "batch"
        count = given or (self.config.batch if vector else SAMPLES)
        if vector and count != self.config.batch:
            raise ConfigError(
                f"--samples: {count} given, but R and F of this run judge {self.config.batch} "
                f"scores at once (--meta-input batch); allowed: {self.config.batch}"
            )
        return count

    def check(self, seeds: Sequence[int]) -> None:
        """Raise ConfigError for a seed the run does not have, or whose parameters are infinite."""
        for seed in seeds:
            if seed not in self.seeds:
                raise ConfigError(
                    f"--seed: {seed} given; allowed: {', '.join(map(str, self.seeds))}"
                )
            for player, params in self._lane(self.state.profile, seed).items():
                if not all(bool(torch.isfinite(value).all()) for value in params.values()):
                    raise ConfigError(
                        f"--seed: {player}'s parameters are not finite at seed {seed}, which has "
                        "diverged, so there is nothing to linearise; allowed: other seeds"
                    )

    def at(self, seed: int, samples: int) -> "Trained":
        """One seed in float64, with a draw of ``samples`` samples of each kind."""
        return Trained(
            self.gan,
            self.rule,
            self.moves,
            self.projections,
            _double(self._lane(self.state.profile, seed)),
            _double(self._lane(self.state.opt, seed)),
            self._draw(samples),
        )

    def _lane(self, tree: Any, seed: int) -> Any:
        lane = self.seeds.index(seed)
        return map_tensors(lambda value: value[lane] if value.ndim else value, tree)

    def _draw(self, samples: int) -> Draw:
        players = tuple(self.gan.networks)
        needs = {players: move_needs(self.gan, self.rule, players)}
        device = self.data.train.device
        stream = DrawStream(self.data.train.cpu(), needs, samples, (DRAW_SEED,))
        (_, draw), *_ = stream.round([players])  # on the CPU, so that it is one on every device
        return _double(map_tensors(lambda value: value[0].to(device), draw))


@dataclass(frozen=True)
class Trained:
    """One seed of a run, ready to be linearised."""

    gan: Gan
    rule: Rule
    moves: tuple[Move, ...]
    projections: Mapping[str, Callable[[Params], Params]]
    profile: Profile
    opt: Mapping[str, Any]
    draw: Draw

    def maps(self) -> Iterator[tuple[str, Map]]:
        """Yield the maps "field", "direction" if the rule follows another one, and "round".

        Raises ConfigError where a round cannot be linearised with its second moments frozen.
        """
        game = self.gan.losses
        yield "field", field_map(game, self.profile, self.draw)
        if self.rule.sees_everyone:
            yield "direction", field_map(game, self.profile, self.draw, self.rule.direction)
        yield (
            "round",
            update_map(
                game, self.rule, self.moves, self.profile, self.opt, self.draw, self.projections
            ),
        )

    def moved_to(self, point: Tensor) -> "Trained":
        """The same at other parameters, a vector as in the map "field", and with momenta of 0."""
        profile = from_vector(point, self.profile)
        return replace(self, profile=profile, opt=at_rest(self.opt))

    def readings(self) -> dict[str, float]:
        """What tells an equilibrium from a game that died elsewhere, on the draw."""
        scored = self.gan.score(self.profile, self.draw)
        read = discriminator_readings(self.gan, self.profile, self.draw, scored)
        real, fake = scored.real.flatten(1), scored.fake.flatten(1)
        values = {
            f"loss of {player}": self.gan.losses[player](self.profile, self.draw)[0]
            for player in self.profile
        }
        values |= {
            "signal to G": read["signal_fake"],
            "Var D(G(z))": read["score_var_fake"],
            "‖E G(z) - E x‖": torch.linalg.vector_norm(fake.mean(0) - real.mean(0)),
            "sd of G(z) to that of x": (fake.var(0).mean() / real.var(0).mean()).sqrt(),
        }
        return {name: value.item() for name, value in values.items()}

    def with_r1(self, gamma: float) -> Game:
        """The game with R1 of weight ``gamma`` (γ/2 E‖∇D(x)‖²) added to D's loss."""
        return replace(self.gan, penalties=(*self.gan.penalties, (gamma, r1))).losses


def open_run(folder: Path, execution: Execution) -> TrainedRun:
    """Open the run in ``folder`` at its checkpoint.

    Raises FolderError where there is no run, where its checkpoint is missing, corrupt or that of
    another run, and where this version cannot read its configuration; ConfigError where its round
    cannot be linearised; DataError where its data are missing.
    """
    try:
        report = read_run(folder)
        if report is None:
            raise FolderError(
                f"RUN: {folder} holds no run.json; allowed: the folder of one run, which vral "
                "train or vral reproduce wrote"
            )
        path = folder / "checkpoint.pt"
        if not path.exists():
            raise FolderError(f"RUN: {folder} has no checkpoint.pt; train it first")
        config = _config(folder, report["config"])
        content = checkpoint.load(path, config.identity, execution.torch_device)
    except FolderError as error:
        raise FolderError(str(error).replace("--out:", "RUN:")) from None
    data = execution.load(config.dataset).to(execution.torch_device)
    training = build(config, data)
    state = TrainState(content["profile"], content["opt"], content["averages"])
    _check_shapes(path, config, state, training.initial)
    if set(content["stream"]) != set(training.stream.state()):
        raise FolderError(
            f"RUN: {path} is not that of the run in run.json: they draw different inputs; "
            "restore the one or the other"
        )
    rounds = content["clock"]["round"]
    moves = tuple(training.moves(rounds))
    return TrainedRun(
        folder, config, training.gan.without_noise(), training.rule, moves, rounds, state, data
    )


def _config(folder: Path, saved: Mapping[str, Any]) -> RunConfig:
    try:
        config = resolve(saved.get("method", ""), with_defaults(saved))
    except ConfigError as error:
        raise FolderError(f"RUN: {folder}/run.json is not of this version: {error}") from None
    if config.clip_scope == "everything":
        raise ConfigError(
            "RUN: it was trained with --clip-scope everything, which clips second moments and "
            "step counts too, so that they cannot be frozen; allowed: --clip-scope weights"
        )
    if config.norm_d == "spectral":
        raise ConfigError(
            "RUN: it was trained with --norm-d spectral, whose power iteration follows D's weights "
            "instead of any loss, so that a Jacobian of losses would leave it out; allowed: runs "
            "with --norm-d none, batch or group"
        )
    return config


def _check_shapes(path: Path, config: RunConfig, saved: TrainState, fresh: TrainState) -> None:
    """Raise FolderError unless both states hold the same players, tensors and shapes."""

    def shapes(tree: Any, name: str = "") -> dict[str, tuple[int, ...]]:
        if isinstance(tree, Tensor):
            return {name: tuple(tree.shape)}
        return {
            key: shape
            for child, part in tree.items()
            for key, shape in shapes(part, f"{name}.{child}" if name else child).items()
        }

    for part in TrainState._fields:
        first, second = shapes(getattr(saved, part)), shapes(getattr(fresh, part))
        for name in [*second, *first]:
            if first.get(name) != second.get(name):
                raise FolderError(
                    f"RUN: {path} is not that of the run in run.json ({config.arm}, {part}): "
                    f"{name} is {_shape(first.get(name))} there, {_shape(second.get(name))} by "
                    "run.json; restore the one or the other"
                )


def _shape(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else "×".join(map(str, shape)) or "a number"


def _double(tree: Any) -> Any:
    return map_tensors(lambda value: value.double() if value.is_floating_point() else value, tree)
