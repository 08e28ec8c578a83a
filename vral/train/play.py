"""Train any game without folders, records or settings: what a user's own script calls."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from vral.data.draws import DrawStream, Noise, rng, twice
from vral.errors import ConfigError, is_whole, require_count, shown
from vral.games.game import Game
from vral.games.gan import Gan
from vral.nets import initial_parameters
from vral.optim import FirstOrder, Rule
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

    Raises ConfigError where a move names a player without a loss, parameters or a transform, where
    the lanes of ``profile`` and ``draws`` differ, and for less than one round; KeyError where a
    draw lacks an input. Updates are those of ``vral train`` on the same draws. Source: the
    schedules of Goodfellow et al. 2014, algorithm 1, for any number of players.
    """
    require_count("rounds", rounds)
    if not isinstance(game, Mapping):
        raise ConfigError(
            f"game: a {type(game).__name__} given; allowed: a mapping of players to their losses, "
            "as gan.losses is"
        )
    _check_moves(moves, [player for player in game if player in profile])
    lanes = _lanes_of(profile)
    _check_transforms(rule, profile)
    steps = {move: make_step(game, rule, move, lanes, readings) for move in moves}
    state = TrainState(dict(profile), rule.init(profile))
    history: dict[str, list[Tensor]] = {}
    for number in range(rounds):
        for move, draw in (draws or NoDraws()).round(moves):
            if number == 0:
                _check_lanes(draw, lanes)
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
    are overwritten. Raises ConfigError unless ``seeds`` are different whole numbers. Source: Glorot
    and Bengio 2010.
    """
    _check_seeds(seeds)
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
    draws live on its device and have the dtype of the networks, as ``data`` has to. A lane's
    numbers depend on its seed alone. With ``same_real`` the moves of a round share one real batch.

    Raises ConfigError for data of another dtype or of another shape than G's samples, for none of
    them, for ``batch`` below 1, unless ``seeds`` are different whole numbers, and for a move of an
    unknown player.
    """
    _check_moves(moves, list(gan.needs))
    require_count("batch", batch)
    _check_seeds(seeds)
    dtype = _dtype_of(gan)
    _check_data(data, gan.shape, dtype)
    needs = {move: move_needs(gan, rule, move) for move in dict.fromkeys(moves)}
    return DrawStream(data, needs, batch, seeds, same_real, dtype)


def move_needs(gan: Gan, rule: Rule, move: Move) -> dict[str, Noise | None]:
    """The random inputs of a move under ``rule``, which may look at every player's loss."""
    players = tuple(gan.losses) if rule.sees_everyone else move
    needs = {name: noise for player in players for name, noise in gan.needs[player].items()}
    return needs if rule.draws == 1 else twice(needs)


def _check_moves(moves: Sequence[Move], players: Sequence[str]) -> None:
    """Refuse what is no round of moves of these players."""
    allowed = f'a list of tuples of {", ".join(players) or "no player"}, as in [("D",), ("G",)]'
    if isinstance(moves, str) or not isinstance(moves, Sequence) or not moves:
        raise ConfigError(f"moves: {shown(moves)} given; allowed: {allowed}")
    for move in moves:
        if not isinstance(move, tuple) or not move or any(p not in players for p in move):
            raise ConfigError(f"moves: the move {shown(move)} given; allowed: {allowed}")


def _check_seeds(seeds: Sequence[int]) -> None:
    allowed = "different whole numbers, one per lane, as in (0, 1, 2)"
    try:
        given = list(seeds)
    except TypeError:
        raise ConfigError(f"seeds: {shown(seeds)} given; allowed: {allowed}") from None
    if not given or not all(map(is_whole, given)) or len(set(given)) < len(given):
        raise ConfigError(f"seeds: {shown(seeds)} given; allowed: {allowed}")


def _dtype_of(gan: Gan) -> torch.dtype:
    """The dtype of the networks' parameters; torch's default where they have none."""
    networks = (gan.discriminator, gan.generator)
    parameters = (value for network in networks for value in network.parameters())
    floating = (value.dtype for value in parameters if value.is_floating_point())
    return next(floating, torch.get_default_dtype())


def _check_data(data: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Refuse data from which no batch for networks of ``dtype`` on samples ``shape`` is drawn."""
    if not isinstance(data, Tensor):
        raise ConfigError(
            f"data: a {type(data).__name__} given; allowed: a torch.Tensor of {dtype}, as "
            "torch.as_tensor makes of an array"
        )
    if data.ndim == 0 or len(data) == 0:
        raise ConfigError(
            f"data: shape {tuple(data.shape)} given; allowed: (samples, *sample), samples from 1 up"
        )
    if data.dtype != dtype:
        raise ConfigError(
            f"data: {data.dtype} given; allowed: {dtype}, which the networks have, as "
            f"data.to({dtype}) gives"
        )
    if data.shape[1:] != shape:
        raise ConfigError(
            f"data: samples of shape {tuple(data.shape[1:])} given; allowed: {shape}, "
            "which G makes and D takes"
        )


def _lanes_of(profile: Profile) -> int:
    """The number of lanes of all tensors of ``profile``."""
    tensors = leaves(profile)
    sizes = sorted({len(tensor) if tensor.ndim else 0 for tensor in tensors})
    if len(sizes) != 1 or sizes[0] == 0:
        raise ConfigError(
            f"profile: {len(tensors)} tensors of {' and '.join(map(str, sizes)) or 'no'} lanes "
            "given; allowed: a leading axis of lanes, equally many in all, as vral.start makes"
        )
    return sizes[0]


def _check_transforms(rule: Rule, profile: Profile) -> None:
    if isinstance(rule, FirstOrder):
        missing = [player for player in profile if player not in rule.transforms]
        if missing:
            raise ConfigError(
                f"rule: transforms of {', '.join(rule.transforms) or 'no player'} given; allowed: "
                f"one for every player of profile, {', '.join(missing)} included"
            )


def _check_lanes(draw: Draw, lanes: int) -> None:
    for name, value in draw.items():
        if value.ndim == 0 or len(value) != lanes:
            found = len(value) if value.ndim else 0
            raise ConfigError(
                f"draws: {name} with {found} lanes given; allowed: {lanes}, as many as profile has"
            )
