"""VRAL's four players: optimal R and F, D's two games against them, and their schedule."""

import math

import pytest
import torch
from cases import CPU, draws_of, lane, precise, tiny
from torch import nn

from vral.games.gan import mean_matching_loss, target_loss
from vral.games.meta import MetaDiscriminator, MetaGan, MetaPair, meta_round
from vral.nets import Discriminator, Generator
from vral.optim import Adam, FirstOrder
from vral.train.schedule import Ratio, round_moves
from vral.train.state import initial_state
from vral.train.step import make_step
from vral.types import Scored

LAWS = [(0.0, 0.7), (1.0, 1.3), (-1.0, 1.0), (0.5, 1.0)]
"""(mean, standard deviation) of a class of scores."""


def quantiles(count: int) -> torch.Tensor:
    """The midpoints' quantiles of N(0, 1)."""
    normal = torch.distributions.Normal(0.0, 1.0)
    return normal.icdf((torch.arange(count) + 0.5) / count)


def log_normal(v: torch.Tensor, mean: float, sd: float) -> torch.Tensor:
    return -0.5 * ((v - mean) / sd) ** 2 - math.log(sd * math.sqrt(2 * math.pi))


@pytest.fixture(scope="module")
def converged():
    """R and F trained to the end on four fixed laws of scores at once (one a lane).

    D is the identity, G sends latents to mean + sd·z, and every expectation is a quadrature over
    quantiles, so what is left is the networks' approximation. Means are the shifted (-1, +1).
    """
    gan = MetaGan(
        Generator(nn.Linear(1, 1), 1),
        Discriminator([nn.Identity()], nn.Linear(1, 1), (1,)),
        (1,),
        lambda profile, scored, draw: scored.score_real.sum(),
        target_loss(1.0),
        meta=MetaPair(MetaDiscriminator(28), mean_real=1.0, mean_fake=-1.0),
    )
    lanes = []
    for i, (mean, sd) in enumerate(LAWS):
        random = torch.Generator().manual_seed(i)
        meta = {
            name: torch.randn(value.shape, generator=random) / math.sqrt(max(value.shape[-1], 2))
            for name, value in gan.meta.network.named_parameters()
        }
        lanes.append(
            {
                "D": {"score.weight": torch.ones(1, 1), "score.bias": torch.zeros(1)},
                "G": {"body.weight": torch.tensor([[sd]]), "body.bias": torch.tensor([mean])},
                "R": meta,
                "F": {name: value.clone() for name, value in meta.items()},
            }
        )
    z = quantiles(256)
    draw = {
        "real": torch.stack([mean + sd * z for mean, sd in LAWS])[:, :, None],
        "latent": z.expand(len(LAWS), -1)[:, :, None],
        "target_real": (z + 1).expand(len(LAWS), -1),
        "target_fake": (z - 1).expand(len(LAWS), -1),
    }
    state = None
    for lr, updates in ((3e-2, 350), (3e-3, 200)):
        adam = Adam(lr, beta1=0.9, eps=1e-8)
        rule = FirstOrder({player: adam for player in gan.losses})
        state = initial_state(rule, lanes, CPU) if state is None else state
        step = make_step(gan.losses, rule, ("F", "R"), len(LAWS))
        for _ in range(updates):
            state, _ = step(state, draw)
    return gan, state


@pytest.mark.parametrize("law", range(len(LAWS)))
@pytest.mark.parametrize(("player", "target"), [("F", -1.0), ("R", 1.0)])
def test_optimal_logit_is_the_log_density_ratio(converged, law, player, target):
    gan, state = converged
    mean, sd = LAWS[law]
    # Central to both densities, where samples pin the logit down.
    low = max(mean - 1.7 * sd, target - 1.7)
    high = min(mean + 1.7 * sd, target + 1.7)
    v = torch.linspace(low, high, 41)
    logit = gan.meta.logits(lane(state.profile[player], law), v)
    ratio = log_normal(v, target, 1.0) - log_normal(v, mean, sd)
    assert (logit - ratio).abs().max() < 0.1


def test_the_optimum_is_below_any_other_loss(converged):
    """At the optimum E softplus(-F(v)) + E softplus(F(y)) = 2 log 2 - 2 JSD; the laws give it."""
    gan, state = converged
    z, grid = quantiles(512), torch.linspace(-9, 9, 4001)
    for law, (mean, sd) in enumerate(LAWS):
        for player, target in (("F", -1.0), ("R", 1.0)):
            p, q = log_normal(grid, target, 1.0).exp(), log_normal(grid, mean, sd).exp()
            both = p + q
            density = -torch.xlogy(p, p / both) - torch.xlogy(q, q / both)
            best = torch.trapezoid(density, grid).item()
            own = lane(state.profile[player], law)
            loss = gan.meta.meta_loss(own, z + target, mean + sd * z).item()
            assert best - 0.003 < loss < best + 0.01


def test_batch_vector_form_gives_one_logit_a_batch():
    vector, single = MetaDiscriminator(28, batch=16), MetaDiscriminator(28)
    scores = torch.randn(16)
    assert vector(scores).shape == (1,)
    assert single(scores).shape == (16,)
    assert sum(p.numel() for p in single.parameters()) == 85
    assert sum(p.numel() for p in MetaDiscriminator(28, batch=64).parameters()) == 1849


def test_sample_form_ignores_the_order_and_the_rest_of_the_batch():
    network = MetaDiscriminator(28)
    scores, order = torch.randn(16), torch.randperm(16)
    torch.testing.assert_close(network(scores)[order], network(scores[order]))
    torch.testing.assert_close(network(scores)[:3], network(scores[:3]))


@pytest.mark.parametrize("batch", [None, 6])
def test_the_slope_penalty_and_its_derivative_in_closed_form(batch):
    """M(s) = Σ a·relu(Ws + b) + c has M' = Σ aW over the units that are on."""
    pair = MetaPair(MetaDiscriminator(5, batch), 1.0, 0.0, penalty=1.0)
    random = torch.Generator().manual_seed(0)
    params = {
        name: torch.randn(value.shape, generator=random, dtype=torch.float64)
        for name, value in pair.network.named_parameters()
    }
    targets, scores = torch.randn(2, 6, generator=random, dtype=torch.float64)
    weight, bias, a = params["hidden.weight"], params["hidden.bias"], params["logit.weight"][0]
    value, outer = 0.0, torch.zeros_like(a)
    for at in (targets, scores):
        rows = at[None] if batch else at[:, None]
        on = (rows @ weight.T + bias > 0).double()  # (judged, unit)
        slopes = (on * a) @ weight  # (judged, input)
        value += 0.5 * slopes.square().sum(1).mean().item()
        outer += (on * (slopes @ weight.T)).mean(0)
    assert pair.slope_penalty(params, targets, scores).item() == pytest.approx(value, rel=1e-12)
    gradient = torch.func.grad(pair.slope_penalty)(params, targets, scores)
    torch.testing.assert_close(gradient["logit.weight"][0], outer, rtol=1e-10, atol=1e-12)
    assert (gradient["hidden.bias"] == 0).all()  # M' is constant between kinks.
    gap = pair.meta_loss(params, targets, scores) - MetaPair(pair.network, 1.0, 0.0).meta_loss(
        params, targets, scores
    )
    assert gap.item() == pytest.approx(value, rel=1e-12)


def constant_meta(logit_real: float, logit_fake: float, minimax: bool):
    """D's loss where R and F answer with a constant."""
    pair = MetaPair(MetaDiscriminator(2), 1.0, 0.0, minimax=minimax)
    zero = {name: torch.zeros_like(value) for name, value in pair.network.named_parameters()}
    profile = {
        "R": {**zero, "logit.bias": torch.tensor([logit_real])},
        "F": {**zero, "logit.bias": torch.tensor([logit_fake])},
    }
    scores = torch.randn(5)
    return pair.discriminator_loss(profile, Scored(scores, scores, scores, scores), {}).item()


@pytest.mark.parametrize(("real", "fake"), [(0.0, 0.0), (2.0, -1.0), (-3.0, 0.5)])
def test_fooling_losses_in_closed_form(real, fake):
    def sigmoid(a):
        return 1 / (1 + math.exp(-a))

    expected = -math.log(sigmoid(real)) - math.log(sigmoid(fake))
    assert constant_meta(real, fake, minimax=False) == pytest.approx(expected, rel=1e-6)
    minimax = math.log(1 - sigmoid(real)) + math.log(1 - sigmoid(fake))
    assert constant_meta(real, fake, minimax=True) == pytest.approx(minimax, rel=1e-6)


def test_real_scores_meet_r_and_fake_scores_meet_f():
    pair = MetaPair(MetaDiscriminator(1), 1.0, 0.0)
    zero = {name: torch.zeros_like(value) for name, value in pair.network.named_parameters()}
    one = {name: torch.ones_like(value) for name, value in zero.items()}
    blind_f, blind_r = {"R": one, "F": zero}, {"R": zero, "F": one}
    a, b = torch.tensor([3.0, 4.0]), torch.tensor([-1.0, 7.0])

    def gradient(profile):
        def loss(real, fake):
            return pair.discriminator_loss(profile, Scored(real, fake, real, fake), {})

        return torch.func.grad(loss, argnums=(0, 1))(a, b)

    real, fake = gradient(blind_f)
    assert (real != 0).all()
    assert (fake == 0).all()
    real, fake = gradient(blind_r)
    assert (real == 0).all()
    assert fake[1] != 0


@pytest.mark.parametrize("minimax", [False, True])
def test_minimax_is_minus_the_metas_own_term(minimax):
    """The minimax game is zero-sum in the scores' term; the non-saturating one is not."""
    pair = MetaPair(MetaDiscriminator(28), 1.0, 0.0, minimax=minimax)
    params = dict(pair.network.named_parameters())
    scores, targets = torch.randn(16), torch.randn(16)
    own = pair.meta_loss(params, targets, scores)
    half = torch.nn.functional.softplus(-pair.logits(params, targets)).mean()
    zero_sum = torch.isclose(pair.fooling(params, scores), half - own, rtol=1e-5)
    assert bool(zero_sum) == minimax


def test_every_schedule_is_k_to_k_to_k_to_one():
    assert tuple(meta_round(2)) == (("F",), ("R",), ("D",), ("F",), ("R",), ("D",))
    moves = round_moves(Ratio.parse("50"), 0, meta_round)
    assert [moves.count((p,)) for p in "FRDG"] == [50, 50, 50, 1]
    assert moves[-1] == ("G",)


def test_more_meta_steps_play_f_and_r_in_turn_before_every_d():
    pair = (("F",), ("R",))
    assert tuple(meta_round(2, steps=3)) == (*pair * 3, ("D",)) * 2
    assert tuple(meta_round(2, once=True, steps=3)) == (*pair * 3, ("D",), ("D",))


def test_once_schedule_is_one_to_one_to_k_to_one():
    assert tuple(meta_round(3, once=True)) == (("F",), ("R",), ("D",), ("D",), ("D",))
    training, _ = precise(tiny("vral-meta", meta_schedule="once", ratio="4"))
    assert [move for (move,) in training.moves(0)] == ["F", "R", "D", "D", "D", "D", "G"]


@pytest.mark.parametrize(("fake", "real"), [(0.0, 1.0), (-1.0, 1.0)])
def test_means_shift_the_targets(fake, real):
    training, _ = precise(tiny("vral-meta", mean_fake=fake, mean_real=real, batch=200))
    standard, _ = precise(tiny("vral-meta", mean_fake=0.0, mean_real=0.0, batch=200))
    shifted = {move: draw for move, draw in draws_of(training, 1)}
    unshifted = {move: draw for move, draw in draws_of(standard, 1)}
    for player, name, mean in (("F", "target_fake", fake), ("R", "target_real", real)):
        gap = shifted[player,][name] - unshifted[player,][name]
        torch.testing.assert_close(gap, torch.full_like(gap, mean), rtol=0, atol=1e-6)
        assert abs(shifted[player,][name].mean().item() - mean) < 4 / math.sqrt(200)


def test_generator_losses_in_closed_form():
    real, fake = torch.tensor([1.0, 2.0, 6.0]), torch.tensor([0.0, 4.0, -1.0])
    assert target_loss(1.0)(real, fake).item() == pytest.approx((1 + 9 + 4) / 6)
    assert target_loss(-1.0)(real, fake).item() == pytest.approx((1 + 25 + 0) / 6)
    assert mean_matching_loss(real, fake).item() == pytest.approx((1 - 3) ** 2)


@pytest.mark.parametrize("g_objective", ["target", "mean"])
def test_target_asks_for_no_variance_and_mean_does_not(g_objective):
    """½E(y - 1)² = ½(mean - 1)² + ½Var; (difference of means)² has no variance in it."""
    training, _ = precise(tiny("vral-meta", g_objective=g_objective))
    loss = training.gan.generator_loss
    real, fake = torch.full((4,), 1.0), torch.tensor([1.0, 1.0, 1.0, 1.0])
    spread = torch.tensor([-1.0, 3.0, 0.0, 2.0])
    assert loss(real, fake).item() == 0
    expected = 0.5 * spread.var(correction=0).item() if g_objective == "target" else 0.0
    assert loss(real, spread).item() == pytest.approx(expected)
