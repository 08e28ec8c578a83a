import numpy as np
import pytest
import torch
from oracles import OBJECTIVE_CURVES, sigmoid
from torch import nn

from vral.diagnostics.gradients import (
    METRICS,
    discriminator_readings,
    gan_readings,
    generator_readings,
    generator_signal,
    generator_slope,
    per_sample_gradients,
)
from vral.games.game import field
from vral.games.gan import Gan, mean_matching_loss, objective_loss, target_loss
from vral.nets import NETWORKS, OUTPUTS, Discriminator, initial_parameters
from vral.objectives import OBJECTIVES

SHAPES = [(3,), (1, 2, 3)]
B = 6
LATENT = 2


class Quadratic(nn.Module):
    """x ↦ ½ x∘(Ax); summed up it is ½ xᵀAx."""

    def __init__(self, size):
        super().__init__()
        self.matrix = nn.Parameter(torch.zeros(size, size))

    def forward(self, x):
        flat = x.flatten(1)
        return 0.5 * flat * (flat @ self.matrix)


class Affine(nn.Module):
    """[x, ½ x∘(Ax)]: the features of a quadratic critic."""

    def __init__(self, size):
        super().__init__()
        self.quadratic = Quadratic(size)

    def forward(self, x):
        return torch.cat([x.flatten(1), self.quadratic(x)], 1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def own_generator_loss(name):
    return lambda real, fake: OBJECTIVES[name].generator(fake).mean()


def quadratic_gan(shape, name="nonsaturating", loss=None, **options):
    """A GAN whose critic is w·x + ½ xᵀAx + b, float64; returns (gan, profile, draw, w, A)."""
    size = int(np.prod(shape))
    d = Discriminator([Affine(size)], nn.Linear(2 * size, 1), shape).double()
    g = NETWORKS["mlp"].generator(shape, LATENT, 8, "none", OUTPUTS["real"]()).double()
    random = seeded()
    w = torch.randn(size, generator=random).double()
    matrix = torch.randn(size, size, generator=random).double()
    matrix = matrix + matrix.T
    critic = {
        "stages.0.quadratic.matrix": matrix,
        "score.weight": torch.cat([w, torch.ones(size).double()])[None],
        "score.bias": torch.tensor([0.25]).double(),
    }
    assert critic.keys() == dict(d.named_parameters()).keys()
    profile = {"D": critic, "G": initial_parameters(g, random)}
    draw = {
        "real": torch.randn(B, *shape, generator=random).double(),
        "latent": torch.randn(B, LATENT, generator=random).double(),
    }
    gan = Gan(
        g,
        d,
        shape,
        objective_loss(OBJECTIVES[name]),
        loss or own_generator_loss(name),
        **options,
    )
    return gan, profile, draw, w, matrix


def gradients_of(gan, profile, draw):
    return per_sample_gradients(gan, profile, draw, gan.score(profile, draw))


def closed_form(samples, w, matrix):
    """Scores and gradient norms of the quadratic critic, sample by sample."""
    scores, norms = [], []
    for x in samples.flatten(1):
        scores.append(w @ x + x @ matrix @ x / 2 + 0.25)
        norms.append((w + matrix @ x).square().sum().sqrt())
    return torch.stack(scores), torch.stack(norms)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_norms_of_a_linear_critic_are_the_norm_of_its_weights(shape):
    gan, profile, draw, w, matrix = quadratic_gan(shape)
    profile["D"]["stages.0.quadratic.matrix"] = 0 * matrix
    found = gradients_of(gan, profile, draw)
    for name in ("grad_norm_real", "grad_norm_fake"):
        torch.testing.assert_close(found[name], w.norm().expand(B), rtol=1e-12, atol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_norms_of_a_quadratic_critic_are_those_of_each_sample(shape):
    gan, profile, draw, w, matrix = quadratic_gan(shape)
    scored, found = gan.score(profile, draw), gradients_of(gan, profile, draw)
    for kind in ("real", "fake"):
        scores, norms = closed_form(getattr(scored, kind), w, matrix)
        torch.testing.assert_close(getattr(scored, f"score_{kind}"), scores)
        torch.testing.assert_close(found[f"grad_norm_{kind}"], norms, rtol=1e-12, atol=0)
    assert torch.equal(scored.real, draw["real"])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_probability_gradient_passes_through_the_sigmoid(shape):
    gan, profile, draw, w, matrix = quadratic_gan(shape)
    scores, norms = closed_form(gan.score(profile, draw).fake, w, matrix)
    chance = torch.from_numpy(sigmoid(scores.numpy()))
    expected = chance * (1 - chance) * norms
    found = gradients_of(gan, profile, draw)["prob_grad_fake"]
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("score", [-60.0, 60.0])
def test_the_probability_gradient_survives_float32_at_saturation(score):
    d = Discriminator([], nn.Linear(2, 1), (2,))
    g = NETWORKS["mlp"].generator((2,), LATENT, 4, "none", nn.Identity())
    gan = Gan(g, d, (2,), objective_loss(OBJECTIVES["standard"]), own_generator_loss("standard"))
    w = torch.tensor([[3.0, 4.0]])
    profile = {
        "D": {"score.weight": w, "score.bias": torch.tensor([score])},
        "G": {name: torch.zeros_like(value) for name, value in g.named_parameters()},
    }
    draw = {"real": torch.zeros(1, 2), "latent": torch.zeros(1, LATENT)}
    found = gradients_of(gan, profile, draw)
    np.testing.assert_allclose(found["prob_grad_fake"], 5 * np.exp(-60.0), rtol=1e-5)
    np.testing.assert_allclose(found["signal_fake"], 5 * sigmoid(score), rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_signal_is_the_slope_of_gs_loss_times_the_critics(name, shape):
    gan, profile, draw, w, matrix = quadratic_gan(shape, name)
    scores, norms = closed_form(gan.score(profile, draw).fake, w, matrix)
    slope = OBJECTIVE_CURVES[name]["generator"].slope(scores.numpy())
    expected = torch.from_numpy(np.abs(slope)) * norms
    found = gradients_of(gan, profile, draw)["signal_fake"]
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)


def test_the_signal_of_target_matching_is_the_distance_to_the_target():
    gan, profile, draw, w, matrix = quadratic_gan((3,), loss=target_loss(-2.0))
    scores, norms = closed_form(gan.score(profile, draw).fake, w, matrix)
    found = gradients_of(gan, profile, draw)["signal_fake"]
    torch.testing.assert_close(found, (scores + 2).abs() * norms, rtol=1e-10, atol=0)


def test_the_signal_of_mean_matching_is_twice_the_gap_for_every_sample():
    gan, profile, draw, w, matrix = quadratic_gan(
        (3,), loss=mean_matching_loss, generator_needs_real=True
    )
    scored = gan.score(profile, draw)
    gap = scored.score_fake.mean() - scored.score_real.mean()
    slope = generator_slope(mean_matching_loss, scored.score_real, scored.score_fake)
    torch.testing.assert_close(slope, (2 * gap).expand(B), rtol=1e-12, atol=0)
    _, norms = closed_form(scored.fake, w, matrix)
    found = gradients_of(gan, profile, draw)["signal_fake"]
    torch.testing.assert_close(found, 2 * gap.abs() * norms, rtol=1e-10, atol=0)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_signal_is_b_times_the_gradient_of_gs_loss_at_the_fake_samples(name):
    gan, profile, draw, *_ = quadratic_gan((1, 2, 3), name)
    fake = gan.generate(profile["G"], draw["latent"]).detach().requires_grad_()
    scores = gan.critic(profile["D"])(fake)
    (gradient,) = torch.autograd.grad(gan.generator_loss(scores, scores), fake)
    expected = B * gradient.flatten(1).norm(dim=1)
    found = gradients_of(gan, profile, draw)["signal_fake"]
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)


def test_a_doubled_batch_doubles_no_norm():
    gan, profile, draw, *_ = quadratic_gan((3,), loss=mean_matching_loss)
    twice = {name: torch.cat([value, value]) for name, value in draw.items()}
    single, double = gradients_of(gan, profile, draw), gradients_of(gan, profile, twice)
    for name in single:
        torch.testing.assert_close(double[name], single[name].repeat(2), rtol=1e-10, atol=0)


def test_gradients_are_taken_at_the_noisy_inputs_that_d_saw():
    gan, profile, draw, w, matrix = quadratic_gan((3,), instance_noise=0.5)
    clean_inputs = {
        "real": draw["real"],
        "fake": gan.generate(profile["G"], draw["latent"]),
    }
    for seed, kind in enumerate(clean_inputs):
        draw[f"instance_{kind}"] = torch.randn(B, 3, generator=seeded(seed)).double()
    found = gradients_of(gan, profile, draw)
    for kind, samples in clean_inputs.items():
        _, norms = closed_form(samples + 0.5 * draw[f"instance_{kind}"], w, matrix)
        torch.testing.assert_close(found[f"grad_norm_{kind}"], norms, rtol=1e-12, atol=0)
    clean = gradients_of(gan.without_noise(), profile, draw)
    _, norms = closed_form(draw["real"], w, matrix)
    torch.testing.assert_close(clean["grad_norm_real"], norms, rtol=1e-12, atol=0)


def test_a_batch_norm_in_d_never_mixes_reals_with_fakes():
    row = NETWORKS["mlp"]
    d = row.discriminator((3,), 8, "batch")
    g = row.generator((3,), LATENT, 8, "none", nn.Identity())
    gan = Gan(g, d, (3,), objective_loss(OBJECTIVES["wgan"]), own_generator_loss("wgan"))
    profile = {
        "D": initial_parameters(d, seeded()),
        "G": initial_parameters(g, seeded(1)),
    }
    draw = {
        "real": torch.randn(B, 3, generator=seeded(2)),
        "latent": torch.randn(B, LATENT, generator=seeded(3)),
    }
    first = gradients_of(gan, profile, draw)
    other = gradients_of(gan, profile, {**draw, "latent": 3 * draw["latent"] + 1})
    assert torch.equal(first["grad_norm_real"], other["grad_norm_real"])
    assert not torch.allclose(first["grad_norm_fake"], other["grad_norm_fake"])


@pytest.mark.parametrize("name", ["standard", "lsgan", "wgan"])
def test_readings_of_d_are_means_over_the_batch(name):
    gan, profile, draw, w, matrix = quadratic_gan((1, 2, 3), name)
    scored = gan.score(profile, draw)
    found = {n: v.item() for n, v in discriminator_readings(gan, profile, draw, scored).items()}
    expected = {}
    for kind in ("real", "fake"):
        scores, norms = (t.numpy() for t in closed_form(getattr(scored, kind), w, matrix))
        expected[f"score_mean_{kind}"] = scores.mean()
        expected[f"score_var_{kind}"] = (scores**2).mean() - scores.mean() ** 2
        expected[f"grad_norm_{kind}"] = norms.mean()
        expected[f"grad_square_{kind}"] = (norms**2).mean()
    expected["loss_G_now"] = OBJECTIVE_CURVES[name]["generator"].value(scores).mean()
    slope = OBJECTIVE_CURVES[name]["generator"].slope(scores)
    expected["signal_fake"] = (np.abs(slope) * norms).mean()
    expected["prob_grad_fake"] = (sigmoid(scores) * sigmoid(-scores) * norms).mean()
    assert found.keys() == expected.keys()
    for reading, value in expected.items():
        np.testing.assert_allclose(found[reading], value, rtol=1e-8, err_msg=reading)


def test_readings_of_g_by_hand():
    gradient = {"a": torch.tensor([3.0, -4.0]), "b": torch.tensor([[0.0, 1e-7]])}
    found = generator_readings(gradient, 1e-6)
    assert found.keys() == {"g_grad_rms", "g_grad_below_eps"}
    torch.testing.assert_close(found["g_grad_rms"], torch.tensor(2.5))
    assert found["g_grad_below_eps"] == 0.5


def test_readings_of_g_weigh_coordinates_not_tensors():
    gradient = {"one": torch.tensor([2.0]), "many": torch.zeros(3, 5)}
    found = generator_readings(gradient, 3e-6)
    assert found["g_grad_rms"] == 0.5
    assert found["g_grad_below_eps"] == 15 / 16
    assert generator_readings({"a": torch.tensor([-1.0, 1.0])}, 1.0)["g_grad_below_eps"] == 0


@pytest.mark.parametrize("movers", [("D",), ("G",), ("D", "G")])
def test_a_move_is_read_by_who_moved_and_every_column_is_explained(movers):
    gan, profile, draw, *_ = quadratic_gan((3,))
    gradients, outcomes = field(gan.losses, movers, profile, draw)
    found = gan_readings(gan, 1e-8)(profile, draw, gradients, outcomes)
    expected = {}
    if "D" in movers:
        expected |= discriminator_readings(gan, profile, draw, gan.score(profile, draw))
    if "G" in movers:
        expected |= generator_readings(gradients["G"], 1e-8)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert found.keys() <= METRICS.keys()


# --- the signal that G gets ----------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_signal_is_minus_the_slope_of_g_s_loss_times_d_s_gradient(shape, name):
    gan, profile, draw, w, matrix = quadratic_gan(shape, name)
    scored = gan.score(profile, draw)
    scores, _ = closed_form(scored.fake, w, matrix)
    slopes = OBJECTIVE_CURVES[name]["generator"].slope(scores.numpy())
    gradients = w + scored.fake.flatten(1) @ matrix
    wanted = -torch.from_numpy(slopes)[:, None] * gradients
    found = generator_signal(gan, profile, draw, scored)
    torch.testing.assert_close(found, wanted.reshape(scored.fake.shape), rtol=1e-10, atol=1e-12)
    lengths = gradients_of(gan, profile, draw)["signal_fake"]
    torch.testing.assert_close(found.flatten(1).norm(dim=1), lengths, rtol=1e-10, atol=1e-12)


def test_a_g_that_aims_at_the_real_mean_is_pushed_back_from_beyond_it():
    gan, profile, draw, w, matrix = quadratic_gan((3,), loss=target_loss(0.2))
    scored = gan.score(profile, draw)
    gradients = w + scored.fake @ matrix
    found = generator_signal(gan, profile, draw, scored)
    torch.testing.assert_close(found, (0.2 - scored.score_fake)[:, None] * gradients)
    ahead = scored.score_fake > 0.2
    assert ((found * gradients).sum(1) < 0).equal(ahead)
    assert 0 < ahead.sum() < B


def test_a_g_that_matches_means_pushes_all_fakes_alike():
    gan, profile, draw, w, matrix = quadratic_gan((3,), loss=mean_matching_loss)
    scored = gan.score(profile, draw)
    found = generator_signal(gan, profile, draw, scored)
    gap = scored.score_real.mean() - scored.score_fake.mean()
    torch.testing.assert_close(found, 2 * gap * (w + scored.fake @ matrix))


def test_with_batch_norm_in_d_the_signal_is_that_of_finite_differences():
    d = NETWORKS["mlp"].discriminator((3,), 4, "batch").double()
    g = NETWORKS["mlp"].generator((3,), LATENT, 4, "none", OUTPUTS["real"]()).double()
    loss = own_generator_loss("nonsaturating")
    gan = Gan(g, d, (3,), objective_loss(OBJECTIVES["nonsaturating"]), loss)
    profile = {"D": initial_parameters(d, seeded()), "G": initial_parameters(g, seeded(1))}
    draw = {
        "real": torch.randn(B, 3, generator=seeded(2)).double(),
        "latent": torch.randn(B, LATENT, generator=seeded(3)).double(),
    }
    scored = gan.score(profile, draw)
    found = generator_signal(gan, profile, draw, scored)
    critic, t = gan.critic(profile["D"]), 1e-6
    for i, j in ((0, 0), (3, 2)):
        up, down = (scored.fake.clone() for _ in range(2))
        up[i, j] += t
        down[i, j] -= t
        rise = loss(None, critic(up)) - loss(None, critic(down))
        assert abs(found[i, j] + B * rise / (2 * t)) < 1e-6
