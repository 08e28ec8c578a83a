"""``play``, on a user's own modules and data, against a loop written by hand."""

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from vral.data.draws import rng
from vral.games.adapt import make_gan
from vral.games.game import Loss
from vral.nets import initial_parameters
from vral.optim import Adam, FirstOrder, Sgd
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

    class Doubled:
        """The stream's draws in float64, kept for the loops by hand."""

        def __init__(self):
            self.stream, self.taken = draw_stream(gan, rule, MOVES, data(), 16, SEEDS), []

        def round(self, moves):
            for move, draw in self.stream.round(moves):
                self.taken.append({name: value.double() for name, value in draw.items()})
                yield move, self.taken[-1]

    draws = Doubled()
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
    with pytest.raises(KeyError, match="z"):
        play({}, rule, [("z",)], {"x": {"x": torch.ones(1)}}, rounds=1)
