"""Train any game without folders, records or settings: what a user's own script calls."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from vral.data.draws import DrawStream, Noise, rng, twice
from vral.games.game import Game
from vral.games.gan import Gan
from vral.nets import initial_parameters
from vral.optim import Rule
from vral.train.state import TrainState, stacked
from vral.train.step import ReadInfo, make_step
from vral.types import Draw, Move, Profile, leaves


@runtime_checkable
class Draws(Protocol):
    """The random inputs of a game, one round after another; ``DrawStream`` is one."""

    def round(self, moves: Sequence[Move]) -> Iterable[tuple[Move, Draw]]:
        """Each move of a round with its draw: named tensors (lanes, batch, …)."""
        ...


class NoDraws:
    """The random inputs of a game without chance: none."""

    def round(self, moves: Sequence[Move]) -> Iterable[tuple[Move, Draw]]:
        """Each move of a round with an empty draw."""
        return ((move, {}) for move in moves)


def play(
    game: Game,
    rule: Rule,
    moves: Sequence[Move],
    profile: Profile,
    draws: Draws | None = None,
    *,
    rounds: int,
    readings: ReadInfo | None = None,
) -> tuple[TrainState, dict[str, Tensor]]:
    """Play ``rounds`` rounds of ``moves`` from ``profile``; returns (state, readings).

    ``game`` maps every player to its loss (``gan.losses`` of a GAN), and a round plays ``moves`` in
    turn: ``[("D",)] * 5 + [("G",)]`` is five updates of D for one of G, ``[("D", "G")]`` is both at
    once. Tensors of ``profile`` (``start``) have a leading axis of lanes, one independent run each,
    as have those of ``draws`` (``draw_stream``); None stands for a game without chance.

    The state holds ``profile`` and ``opt``, the players' parameters and their rules' state.
    ``readings`` maps "loss_D" and the other movers' losses, taken before each update, to tensors
    (updates, lanes); a function given as ``readings``, e.g. ``gan_readings(gan, eps)``, adds its
    own.

    Raises KeyError where a move names a player without a loss or a draw lacks an input. Updates are
    those of ``vral train`` on the same draws. Source: the schedules of Goodfellow et al. 2014,
    algorithm 1, for any number of players.
    """
    lanes = len(leaves(profile)[0])
    steps = {move: make_step(game, rule, move, lanes, readings) for move in moves}
    state = TrainState(dict(profile), rule.init(profile))
    history: dict[str, list[Tensor]] = {}
    for _ in range(rounds):
        for move, draw in (draws or NoDraws()).round(moves):
            state, info = steps[move](state, draw)
            for name, value in info.items():
                history.setdefault(name, []).append(value)
    return state, {name: torch.stack(values) for name, values in history.items()}


def start(
    networks: Mapping[str, nn.Module], seeds: Sequence[int], device: torch.device | str = "cpu"
) -> dict[str, dict[str, Tensor]]:
    """Initial parameters of every player, one lane per seed: tensors (lanes, *parameter).

    ``networks`` maps players to modules (``gan.networks``). Weights are Glorot-uniform, biases
    zero, and a player's numbers depend on its name and the seed alone. The modules' own parameters
    are overwritten. Raises nothing of its own. Source: Glorot and Bengio 2010.
    """
    cpu = torch.device("cpu")
    profiles = [
        {
            player: initial_parameters(network, rng(cpu, seed, "init", player))
            for player, network in networks.items()
        }
        for seed in seeds
    ]
    return stacked(profiles, torch.device(device))


def draw_stream(
    gan: Gan,
    rule: Rule,
    moves: Sequence[Move],
    data: Tensor,
    batch: int,
    seeds: Sequence[int],
    same_real: bool = False,
) -> DrawStream:
    """The random inputs of every move of ``gan`` under ``rule``, one lane per seed.

    ``data`` (samples, *sample) is where real batches are drawn from, uniformly with replacement;
    draws live on its device. A lane's numbers depend on its seed alone. With ``same_real`` the
    moves of a round share one real batch. Raises nothing of its own.
    """
    needs = {move: move_needs(gan, rule, move) for move in dict.fromkeys(moves)}
    return DrawStream(data, needs, batch, seeds, same_real)


def move_needs(gan: Gan, rule: Rule, move: Move) -> dict[str, Noise | None]:
    """The random inputs of a move under ``rule``, which may look at every player's loss."""
    players = tuple(gan.losses) if rule.sees_everyone else move
    needs = {name: noise for player in players for name, noise in gan.needs[player].items()}
    return needs if rule.draws == 1 else twice(needs)
