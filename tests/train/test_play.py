"""``play``, on a user's own modules and data, against a loop written by hand."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from vral.data.draws import DrawStream, rng
from vral.errors import ConfigError
from vral.games.adapt import make_gan
from vral.games.game import Loss
from vral.nets import initial_parameters
from vral.optim import Adam, Consensus, FirstOrder, Sgd, Symplectic
from vral.train.play import NoDraws, draw_stream, play, start
from vral.types import Draw, Profile

SEEDS = (0, 1, 2)
MOVES = [("D",), ("D",), ("G",)]
ROUNDS = 4
LR, BETAS, EPS = 1e-2, (0.5, 0.9), 1e-6
GAMMA = 3.0


def modules() -> tuple[nn.Module, nn.Module]:
    """D and G as a user writes them."""
    d = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    g = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    return d.double(), g.double()


def data() -> torch.Tensor:
    return torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def by_hand(seed: int, draws: list[Draw]) -> tuple[nn.Module, nn.Module, list[float]]:
    """Non-saturating GAN with R1, as in a tutorial: optimisers, backward, detach."""
    d, g = modules()
    for player, module in (("D", d), ("G", g)):
        initial_parameters(module, rng(torch.device("cpu"), seed, "init", player))
    optimisers = {
        "D": torch.optim.Adam(d.parameters(), LR, BETAS, EPS),
        "G": torch.optim.Adam(g.parameters(), LR, BETAS, EPS),
    }
    losses = []
    for (player,), draw in zip(MOVES * ROUNDS, draws, strict=True):
        fake = g(draw["latent"])
        if player == "D":
            real = draw["real"].requires_grad_()
            score = d(real)
            (slope,) = torch.autograd.grad(score.sum(), real, create_graph=True)
            loss = softplus(-score).mean() + softplus(d(fake.detach())).mean()
            loss = loss + GAMMA * 0.5 * slope.square().sum(1).mean()
        else:
            loss = softplus(-d(fake)).mean()
        optimisers[player].zero_grad()
        loss.backward()
        optimisers[player].step()
        losses.append(loss.item())
    return d, g, losses


def test_three_seeds_as_lanes_equal_three_loops_by_hand():
    gan = make_gan(*modules(), latent=3, penalties={"r1": GAMMA})
    rule = FirstOrder({player: Adam(LR, *BETAS, EPS) for player in ("D", "G")})

    class Kept:
        """The stream's draws, kept for the loops by hand."""

        def __init__(self):
            self.stream, self.taken = draw_stream(gan, rule, MOVES, data(), 16, SEEDS), []

        def round(self, moves):
            for move, draw in self.stream.round(moves):
                self.taken.append(draw)
                yield move, draw

    draws = Kept()
    profile = start(gan.networks, SEEDS)
    state, readings = play(gan.losses, rule, MOVES, profile, draws, rounds=ROUNDS)
    assert readings["loss_D"].shape == (2 * ROUNDS, 3)
    assert readings["loss_G"].shape == (ROUNDS, 3)
    for lane, seed in enumerate(SEEDS):
        taken = [{name: value[lane] for name, value in draw.items()} for draw in draws.taken]
        d, g, losses = by_hand(seed, taken)
        for player, module in (("D", d), ("G", g)):
            for name, value in module.named_parameters():
                ours = state.profile[player][f"body.{name}"][lane]
                torch.testing.assert_close(ours, value.data, rtol=1e-9, atol=1e-9)
        ours = [
            *torch.stack(
                [
                    readings["loss_D"][::2, lane],
                    readings["loss_D"][1::2, lane],
                    readings["loss_G"][:, lane],
                ],
                dim=1,
            ).flatten()
        ]
        assert [value.item() for value in ours] == pytest.approx(losses, rel=1e-9)


def test_a_game_without_chance_needs_no_draws():
    """The bilinear game x·y at once: every step of size h grows the distance by √(1 + h²)."""

    def loss(sign: float) -> Loss:
        def product(profile: Profile, draw: Draw):
            return sign * (profile["x"]["x"] * profile["y"]["y"]).sum(), ()

        return product

    game = {"x": loss(1.0), "y": loss(-1.0)}
    start_at = {p: {p: torch.ones(2, 1, dtype=torch.float64)} for p in ("x", "y")}
    rule = FirstOrder({player: Sgd(0.1) for player in game})
    state, readings = play(game, rule, [("x", "y")], start_at, rounds=10)
    distance = torch.hypot(state.profile["x"]["x"], state.profile["y"]["y"])
    expected = torch.full_like(distance, 2**0.5 * 1.01**5)
    torch.testing.assert_close(distance, expected)
    assert readings["loss_x"].shape == (10, 2)
    assert [draw for _, draw in NoDraws().round([("x",)])] == [{}]


def test_a_player_without_a_loss_is_named():
    rule = FirstOrder({"x": Sgd(0.1)})
    with pytest.raises(ConfigError, match=r"moves: the move \('z',\) given; allowed: .* no player"):
        play({}, rule, [("z",)], {"x": {"x": torch.ones(1)}}, rounds=1)


def parts(dtype: torch.dtype = torch.float32):
    """A GAN on points in the plane, a rule, and 50 points."""
    gan = make_gan(*(module.to(dtype) for module in modules()), latent=3, penalties={"r1": 1.0})
    return gan, FirstOrder({player: Sgd(0.1) for player in "DG"}), data().to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_have_the_dtype_of_the_networks(dtype):
    gan, rule, points = parts(dtype)
    stream = draw_stream(gan, rule, MOVES, points, 4, SEEDS)
    seen = {v.dtype for _, draw in stream.round(MOVES) for v in draw.values()}
    assert seen == {dtype}
    stream = draw_stream(gan, rule, MOVES, points, 4, SEEDS)
    state, _ = play(gan.losses, rule, MOVES, start(gan.networks, SEEDS), stream, rounds=1)
    assert {value.dtype for value in state.profile["G"].values()} == {dtype}


def test_float32_draws_are_those_of_a_stream_without_a_dtype():
    gan, rule, points = parts()
    asked = draw_stream(gan, rule, MOVES, points, 4, SEEDS)
    plain = DrawStream(points, asked.needs, 4, SEEDS)
    for (_, left), (_, right) in zip(asked.round(MOVES), plain.round(MOVES), strict=True):
        assert all(torch.equal(left[name], value) for name, value in right.items())


SEEDS_MESSAGE = "given; allowed: different whole numbers, one per lane, as in (0, 1, 2)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 0}, "batch: 0 given; allowed: a whole number from 1 up"),
        ({"batch": 2.0}, "batch: 2.0 given; allowed: a whole number from 1 up"),
        ({"seeds": ()}, f"seeds: () {SEEDS_MESSAGE}"),
        ({"seeds": 3}, f"seeds: 3 {SEEDS_MESSAGE}"),
        ({"seeds": (1, 2, 1)}, f"seeds: (1, 2, 1) {SEEDS_MESSAGE}"),
        ({"seeds": (0.5,)}, f"seeds: (0.5,) {SEEDS_MESSAGE}"),
        ({"seeds": "012"}, f"seeds: '012' {SEEDS_MESSAGE}"),
        ({"data": torch.zeros(0, 2)}, "data: shape (0, 2) given; allowed: (samples, *sample)"),
        ({"data": torch.zeros(())}, "data: shape () given; allowed: (samples, *sample)"),
        ({"data": np.zeros((5, 2))}, "data: a ndarray given; allowed: a torch.Tensor of torch.fl"),
        (
            {"data": data()},
            "data: torch.float64 given; allowed: torch.float32, which the networks have",
        ),
        (
            {"data": torch.ones(5, 2, dtype=torch.int64)},
            "data: torch.int64 given; allowed: torch.float32, which the networks have",
        ),
        (
            {"data": torch.zeros(5, 3)},
            "data: samples of shape (3,) given; allowed: (2,), which G makes and D takes",
        ),
        ({"moves": [("X",)]}, "moves: the move ('X',) given; allowed: a list of tuples of D, G"),
        ({"moves": [["D"]]}, "moves: the move ['D'] given; allowed: a list of tuples of D, G"),
        ({"moves": "DG"}, "moves: 'DG' given; allowed: a list of tuples of D, G"),
        ({"moves": []}, "moves: [] given; allowed: a list of tuples of D, G"),
    ],
)
def test_what_no_stream_is_made_of_is_refused_in_one_line(change, message):
    gan, rule, points = parts()
    arguments = {"moves": MOVES, "data": points, "batch": 4, "seeds": SEEDS, **change}
    with pytest.raises(ConfigError) as refusal:
        draw_stream(gan, rule, **arguments)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rounds": 0}, "rounds: 0 given; allowed: a whole number from 1 up"),
        ({"rounds": -1}, "rounds: -1 given; allowed: a whole number from 1 up"),
        ({"moves": [("X",)]}, "moves: the move ('X',) given; allowed: a list of tuples of D, G"),
        ({"game": parts()[0]}, "game: a Gan given; allowed: a mapping of players to their losses"),
        (
            {"rule": FirstOrder({"D": Sgd(0.1)})},
            "rule: transforms of D given; allowed: one for every player of profile, G included",
        ),
        (
            {"profile": start(parts()[0].networks, (0, 1))},
            "draws: real with 3 lanes given; allowed: 2, as many as profile has",
        ),
        (
            {"profile": {"D": {"w": torch.ones(2)}, "G": {"v": torch.ones(3)}}},
            "profile: 2 tensors of 2 and 3 lanes given; allowed: a leading axis of lanes",
        ),
        (
            {"profile": {"D": {}, "G": {}}},
            "profile: 0 tensors of no lanes given; allowed: a leading axis of lanes",
        ),
    ],
)
def test_what_cannot_be_played_is_refused_in_one_line(change, message):
    gan, rule, points = parts()
    given = {"game": gan.losses, "rule": rule, "moves": MOVES, "rounds": 1}
    given |= {"profile": start(gan.networks, SEEDS), **change}
    with pytest.raises(ConfigError) as refusal:
        play(**given, draws=draw_stream(gan, rule, MOVES, points, 4, SEEDS))
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("seeds", [(), 3, (1, 1)])
def test_a_start_needs_different_seeds(seeds):
    with pytest.raises(ConfigError, match=r"seeds: .* given; allowed: different whole numbers"):
        start(parts()[0].networks, seeds)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"discriminator": lambda x: x}, "discriminator: a function given; allowed: an nn.Module"),
        ({"generator": None}, "generator: a NoneType given; allowed: an nn.Module"),
        ({"latent": 2.5}, "latent: 2.5 given; allowed: a whole number from 1 up"),
        ({"objective": None}, "objective: None given; allowed: standard"),
        ({"penalties": ["r1"]}, "penalties: ['r1'] given; allowed: a mapping of names or functio"),
        ({"penalties": "r1"}, "penalties: 'r1' given; allowed: a mapping of names or functions"),
        ({"penalties": {"r1": "1"}}, "penalties: the weight '1' of r1 given; allowed: a finite"),
        ({"penalties": {"r1": None}}, "penalties: the weight None of r1 given; allowed: a finite"),
        ({"penalties": {3: 1.0}}, "penalties: 3 given; allowed: gradient_penalty"),
    ],
)
def test_arguments_of_other_types_make_no_gan(change, message):
    """Here and not in tests/games, whose runs check annotations before our own checks."""
    d, g = modules()
    arguments = {"discriminator": d, "generator": g, "latent": 3, **change}
    with pytest.raises(ConfigError) as refusal:
        make_gan(**arguments)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


NUMBER = "given; allowed: a finite number at least 0, or a tensor"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sgd(10**400), f"lr: a value of type int {NUMBER}"),
        (lambda: Sgd(np.float32("inf")), f"lr: np.float32(inf) {NUMBER}"),
        (lambda: Sgd("fast"), f"lr: 'fast' {NUMBER}"),
        (lambda: Sgd(None), f"lr: None {NUMBER}"),
        (lambda: Sgd(True), f"lr: True {NUMBER}"),
        (lambda: Consensus({}, gamma="1"), f"gamma: '1' {NUMBER}"),
        (
            lambda: Consensus({}, draws=1.5),
            "draws: 1.5 given; allowed: 1 or 2",
        ),
        (lambda: Symplectic({}, sign="both"), "sign: 'both' given; allowed: fixed, aligned"),
    ],
)
def test_settings_of_other_types_make_no_rule(make, message):
    with pytest.raises(ConfigError) as refusal:
        make()
    assert str(refusal.value) == message


def test_numbers_of_numpy_and_tensors_are_settings():
    rate = torch.tensor(0.1)
    assert Sgd(rate).lr is rate
    assert Sgd(np.float32(0.5)).lr == 0.5
    assert Consensus({}, gamma=np.float64(2.0), draws=np.int64(2)).draws == 2
