import numpy as np
import pytest
import torch
from oracles import PENALTY_VALUES, finite_difference
from torch import nn
from torch.func import functional_call

from vral.nets import NETWORKS, initial_parameters
from vral.nets.network import weight_names
from vral.penalties import PENALTIES, clip_weights, gradient_norm, input_gradient, moments, r2
from vral.types import Scored

SHAPES = [(3,), (2, 3, 2)]
B = 5


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def critic_of(w, matrix):
    """D(x) = w·x + ½ xᵀAx of the flattened samples."""

    def critic(x):
        flat = x.flatten(1)
        return flat @ w + 0.5 * ((flat @ matrix) * flat).sum(1)

    return critic


def problem(shape, seed=0, batch=B, size=None):
    """w, A, real, fake, mix: A symmetric and indefinite, samples of that shape, float64."""
    random = seeded(seed)
    size = int(np.prod(shape))
    w, matrix = torch.randn(size, generator=random), torch.randn(size, size, generator=random)
    real = torch.randn(batch, *shape, generator=random)
    fake = torch.randn(batch, *shape, generator=random) + 1
    mix = torch.rand(batch, *[1] * len(shape), generator=random)
    return [t.double() for t in (w, matrix + matrix.T, real, fake, mix)]


def evaluate(name, critic, real, fake, mix):
    return PENALTIES[name](critic, Scored(real, fake, critic(real), critic(fake)), {"mix": mix})


def oracle(name, w, matrix, real, fake, mix):
    flat = [t.flatten(1).numpy() for t in (real, fake, mix)]
    return PENALTY_VALUES[name](w.numpy(), matrix.numpy(), *flat)


@pytest.mark.parametrize("name", ["gradient_penalty", "legacy_gp"])
def test_a_draw_without_mix_is_told_what_mix_holds(name):
    scores = torch.zeros(1)
    with pytest.raises(KeyError, match=r"mix.*has to hold ε in \[0, 1\] per sample as \(batch, 1"):
        PENALTIES[name](torch.sum, Scored(scores, scores, scores, scores), {})


def test_every_penalty_has_an_oracle_and_no_oracle_is_left_over():
    assert set(PENALTY_VALUES) == set(PENALTIES)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("name", "value"), [("gradient_penalty", 16.0), ("r1", 12.5), ("r2", 12.5)]
)
def test_a_linear_critic_of_norm_five_pays_the_closed_form(name, value, shape):
    w, matrix, *samples = problem(shape)
    critic = critic_of(5 * w / w.norm(), 0 * matrix)
    np.testing.assert_allclose(evaluate(name, critic, *samples), value, rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", PENALTIES)
def test_a_quadratic_critic_pays_the_closed_form(name, shape):
    w, matrix, *samples = problem(shape)
    value = evaluate(name, critic_of(w, matrix), *samples)
    np.testing.assert_allclose(value, oracle(name, w, matrix, *samples), rtol=1e-12)


def test_gradient_penalty_is_taken_at_the_interpolate_with_one_weight_a_sample():
    w, matrix, real, fake, mix = problem((3,))
    value = evaluate("gradient_penalty", critic_of(w, matrix), real, fake, mix).item()
    wrong = {
        "at the real samples": torch.ones_like(mix),
        "at the fake samples": torch.zeros_like(mix),
        "ends exchanged": 1 - mix,
        "one weight for the batch": mix[:1].expand_as(mix),
        "weights of the neighbours": mix.roll(1, 0),
    }
    for mistake, weights in wrong.items():
        other = oracle("gradient_penalty", w, matrix, real, fake, weights)
        assert abs(other - value) > 0.01 * value, mistake


@pytest.mark.parametrize(("name", "sees"), [("r1", "real"), ("r2", "fake")])
def test_zero_centred_penalties_see_one_kind_of_samples(name, sees):
    w, matrix, real, fake, mix = problem((3,))
    critic = critic_of(w, matrix)
    value = evaluate(name, critic, real, fake, mix)
    assert (evaluate(name, critic, real, fake + 1, mix) == value) == (sees == "real")
    assert (evaluate(name, critic, real + 1, fake, mix) == value) == (sees == "fake")


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_is_a_mean_over_the_batch(name):
    w, matrix, *samples = problem((2, 3, 2))
    critic = critic_of(w, matrix)
    if name == "legacy_gp":  # its ε is the batch's first
        samples[2] = samples[2][:1].expand_as(samples[2])
    one_by_one = [evaluate(name, critic, *(t[i : i + 1] for t in samples)) for i in range(B)]
    whole = evaluate(name, critic, *samples)
    np.testing.assert_allclose(whole, np.mean(one_by_one), rtol=1e-12)
    doubled = evaluate(name, critic, *(torch.cat([t, t]) for t in samples))
    np.testing.assert_allclose(whole, doubled, rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_input_gradient_is_that_of_each_sample_and_carries_no_one_over_batch(shape):
    w, matrix, real, *_ = problem(shape)
    critic = critic_of(w, matrix)
    expected = w + real.flatten(1) @ matrix
    gradient = input_gradient(critic, real)
    assert gradient.shape == real.shape
    torch.testing.assert_close(gradient.flatten(1), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient_norm(critic, real), expected.square().sum(1).sqrt())


@pytest.mark.parametrize("name", PENALTIES)
def test_a_flat_critic_has_a_finite_gradient(name):
    w, matrix, *samples = problem((2, 3, 2))
    w, matrix = torch.zeros_like(w), torch.zeros_like(matrix)
    value, gradient = torch.func.grad_and_value(
        lambda w: evaluate(name, critic_of(w, matrix), *samples)
    )(w)[::-1]
    np.testing.assert_allclose(value, oracle(name, w, matrix, *samples), rtol=0, atol=0)
    assert torch.equal(gradient, torch.zeros_like(w))


@pytest.mark.parametrize("name", PENALTIES)
def test_gradient_in_the_critics_parameters_agrees_with_finite_differences(name):
    _, _, *samples = problem((3,))
    random = seeded(1)
    params = torch.randn(4 * 3 + 4 + 4, generator=random, dtype=torch.float64)

    def penalty(params):
        first, bias, last = params[:12].reshape(4, 3), params[12:16], params[16:]
        return evaluate(name, lambda x: torch.tanh(x @ first.T + bias) @ last, *samples)

    gradient = torch.func.grad(penalty)(params)
    assert gradient.norm() > 0.1
    torch.testing.assert_close(gradient, finite_difference(penalty, params), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("norm", ["none", "group"])
@pytest.mark.parametrize("name", PENALTIES)
def test_gradient_in_a_networks_parameters_agrees_with_finite_differences(name, norm):
    _, _, *samples = problem((3,))
    network = NETWORKS["mlp"].discriminator((3,), 9, norm).double()
    params = initial_parameters(network, seeded())

    def penalty(weight):
        changed = {**params, "stages.1.0.weight": weight}
        return evaluate(name, lambda x: functional_call(network, changed, (x,)), *samples)

    weight = params["stages.1.0.weight"]
    gradient = torch.func.grad(penalty)(weight)
    assert gradient.norm() > 1e-3
    torch.testing.assert_close(gradient, finite_difference(penalty, weight), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", PENALTIES)
def test_lanes_are_independent_runs(name):
    problems = [problem((3,), seed) for seed in range(3)]

    def penalty(w, matrix, *samples):
        return evaluate(name, critic_of(w, matrix), *samples)

    stacked = [torch.stack(part) for part in zip(*problems, strict=True)]
    alone = torch.stack([penalty(*inputs) for inputs in problems])
    torch.testing.assert_close(torch.func.vmap(penalty)(*stacked), alone, rtol=1e-12, atol=0)


def test_moment_penalty_and_its_gradient_are_the_closed_form():
    scores = torch.tensor([0.0, 1.0, 2.0, 5.0], dtype=torch.float64)  # mean 2, variance 3.5
    gradient, value = torch.func.grad_and_value(lambda s: moments(s, 0.5))(scores)
    assert value == (3.5 - 1) ** 2 + (2 - 0.5) ** 2
    slope = 2 * (3.5 - 1) * 2 * (scores - 2) / 4 + 2 * (2 - 0.5) / 4
    torch.testing.assert_close(gradient, slope, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("mean", [-1.0, 0.0, 1.0])
def test_moment_penalty_vanishes_at_unit_variance_about_the_mean(mean):
    assert moments(torch.tensor([-1.0, 1.0, -1.0, 1.0]) + mean, mean) == 0


@pytest.mark.parametrize("norm", ["none", "batch", "group"])
def test_clipping_projects_weights_and_touches_nothing_else(norm):
    network = NETWORKS["mnist-conv"].discriminator((1, 28, 28), 4, norm)
    random = seeded()
    params = {
        name: torch.randn(value.shape, generator=random)
        for name, value in network.named_parameters()
    }
    before = {name: value.clone() for name, value in params.items()}
    clipped = clip_weights(params, weight_names(network), 0.1)
    assert clipped.keys() == params.keys()
    for name, value in clipped.items():
        kernel = name.endswith("weight") and before[name].ndim > 1
        expected = before[name].clip(-0.1, 0.1) if kernel else before[name]
        assert torch.equal(value, expected), name
        assert torch.equal(params[name], before[name]), "the argument was changed"
    assert max(value.abs().max() for value in clipped.values()) > 0.1  # biases pass
    again = clip_weights(clipped, weight_names(network), 0.1)
    assert all(torch.equal(again[name], clipped[name]) for name in clipped)


# ---- any module, in an ordinary PyTorch loop ----------------------------------------------------


def module_critic(norm: str, training: bool) -> nn.Sequential:
    """A smooth critic on samples (batch, 3) with torch's own layers, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        layers = {"none": [], "batch": [nn.BatchNorm1d(6)], "layer": [nn.LayerNorm(6)]}[norm]
        critic = nn.Sequential(nn.Linear(3, 6), *layers, nn.Tanh(), nn.Linear(6, 1)).double()
        for value in critic.buffers():
            if value.is_floating_point():  # running statistics that are not those of a fresh layer
                value.copy_(0.5 + torch.rand_like(value))
    return critic.train(training)


MODULES = [("none", True), ("layer", True), ("batch", True), ("batch", False)]


GRADIENT_PENALTIES = ("gradient_penalty", "legacy_gp", "r1", "r2")


def by_hand(name, critic, real, fake, mix):
    """A penalty on ∇ₓD as the papers' authors write it, by autograd on the module itself."""
    at = {"r1": real, "r2": fake}.get(name, mix * real + (1 - mix) * fake)
    if name == "legacy_gp":
        at = mix[:1] * real + (1 - mix[:1]) * fake
    at = at.clone().requires_grad_()
    (slope,) = torch.autograd.grad(critic(at).sum(), at, create_graph=True)
    squares = slope.pow(2).sum(1)
    if name in ("r1", "r2"):
        return squares.mean() / 2
    scale = mix[0, 0] if name == "legacy_gp" else 1.0
    return (scale * squares.sqrt() - 1).pow(2).mean()


@pytest.mark.parametrize(("norm", "training"), MODULES)
@pytest.mark.parametrize("name", GRADIENT_PENALTIES)
def test_a_penalty_on_any_module_is_autograds_and_reaches_its_parameters(name, norm, training):
    _, _, *samples = problem((3,))
    hand, critic = module_critic(norm, training), module_critic(norm, training)
    expected = by_hand(name, hand, *samples)
    expected.backward()
    value = evaluate(name, critic, *samples)
    value.backward()
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
    assert value > 1e-3
    gradients = [
        (p.grad, q.grad) for p, q in zip(hand.parameters(), critic.parameters(), strict=True)
    ]
    assert sum(q is not None and q.norm() > 1e-4 for _, q in gradients) >= 2
    for by_autograd, ours in gradients:
        if by_autograd is None:
            assert ours is None
        else:
            torch.testing.assert_close(ours, by_autograd, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("norm", "training"), MODULES)
def test_looking_at_a_module_does_not_change_it(norm, training):
    _, _, real, *_ = problem((3,))
    critic = module_critic(norm, training)
    before = {name: value.clone() for name, value in critic.state_dict().items()}
    norms = gradient_norm(critic, real)
    assert norms.shape == (B,)
    assert norms.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in critic.state_dict().items())
    assert all(value.grad is None for value in critic.parameters())
    assert not real.requires_grad
    with torch.no_grad():
        plain = gradient_norm(critic, real)
    assert not plain.requires_grad
    torch.testing.assert_close(plain, norms.detach(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("norm", ["none", "layer"])
def test_a_module_and_its_function_have_one_gradient(norm):
    _, _, real, *_ = problem((3,))
    critic = module_critic(norm, True)
    as_function = input_gradient(lambda x: critic(x), real)
    torch.testing.assert_close(input_gradient(critic, real), as_function, rtol=1e-12, atol=1e-15)


def test_a_penalty_on_fakes_with_a_graph_reaches_the_generator():
    generator, critic = nn.Linear(2, 3).double(), module_critic("batch", True)
    latent = torch.randn(B, 2, generator=seeded(), dtype=torch.float64)
    fake = generator(latent)
    r2(critic, Scored(fake.detach(), fake, critic(fake), critic(fake)), {}).backward()
    ours = generator.weight.grad.clone()
    generator.weight.grad = None
    fake = generator(latent)
    (slope,) = torch.autograd.grad(critic(fake).sum(), fake, create_graph=True)
    (slope.pow(2).sum(1).mean() / 2).backward()
    assert ours.norm() > 1e-4
    torch.testing.assert_close(ours, generator.weight.grad, rtol=1e-10, atol=1e-14)


def test_an_ordinary_loop_with_batch_norm_trains_like_the_one_written_by_hand():
    _, _, real, fake, mix = problem((3,))

    def trained(penalty):
        critic = module_critic("batch", True)
        optimiser = torch.optim.SGD(critic.parameters(), 0.1)
        for _ in range(3):
            loss = critic(fake).mean() - critic(real).mean() + penalty(critic)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return list(critic.parameters())

    ours = trained(lambda critic: evaluate("gradient_penalty", critic, real, fake, mix))
    theirs = trained(lambda critic: by_hand("gradient_penalty", critic, real, fake, mix))
    for left, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-13)
