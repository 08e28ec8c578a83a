import math
from itertools import pairwise

import pytest
import torch
from oracles import finite_difference
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from vral.nets import NETWORKS, NORMS, OUTPUTS, Discriminator, initial_parameters
from vral.nets.network import Generator, weight_names
from vral.nets.norm import BatchStatisticsNorm, normalised

SHAPES = {
    "mlp": [(2,), (1, 8, 8), (1, 28, 28)],
    "segment": [(2,)],
    "mnist-conv": [(1, 28, 28)],
    "dcgan": [(3, 32, 32), (1, 32, 32), (3, 64, 64)],
}
PAIRS = [(name, shape) for name in NETWORKS for shape in SHAPES[name]]
LATENT = 5


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def build(name, shape, width=8, norm="none", output="real"):
    row = NETWORKS[name]
    d = row.discriminator(shape, width, norm)
    g = row.generator(shape, 1 if name == "segment" else LATENT, width, norm, OUTPUTS[output]())
    for player in (d, g):
        player.load_state_dict(initial_parameters(player, seeded()))
    return d, g


def scores(d, x, noise=None, seed=0):
    params = initial_parameters(d, seeded(seed))
    return functional_call(d, params, (x, noise))


def count(module):
    return sum(p.numel() for p in module.parameters())


def layers(module):
    return [
        m for m in module.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
    ]


# ---- shapes and sizes -----------------------------------------------------------------------


def test_every_network_is_tested():
    assert set(SHAPES) == set(NETWORKS)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("name", "shape"), PAIRS)
def test_scores_are_one_a_sample_and_samples_have_the_datas_shape(name, shape, norm):
    assert NETWORKS[name].fits(shape)
    d, g = build(name, shape, norm=norm)
    fake = g(torch.randn(6, g.latent, generator=seeded()))
    assert fake.shape == (6, *shape)
    assert d(fake).shape == (6,)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("segment", (3,)),
        ("segment", (1, 28, 28)),
        ("mnist-conv", (1, 8, 8)),
        ("mnist-conv", (3, 32, 32)),
        ("dcgan", (1, 28, 28)),
        ("dcgan", (2,)),
    ],
)
def test_networks_refuse_shapes_they_cannot_make(name, shape):
    assert not NETWORKS[name].fits(shape)


@pytest.mark.parametrize(("name", "shape"), [p for p in PAIRS if p[0] != "segment"])
def test_samples_stay_in_the_range_of_the_data(name, shape):
    z = 1e4 * torch.randn(6, LATENT, generator=seeded())
    unit = build(name, shape, output="unit")[1](z)
    symmetric = build(name, shape, output="symmetric")[1](z)
    real = build(name, shape, output="real")[1](z)
    assert 0 <= unit.min() < 0.5 < unit.max() <= 1
    assert -1 <= symmetric.min() < -0.5 < 0.5 < symmetric.max() <= 1
    assert real.abs().max() > 10


def test_the_authors_mnist_discriminator_has_6631169_parameters():
    d = NETWORKS["mnist-conv"].discriminator((1, 28, 28), 64, "none")
    assert NETWORKS["mnist-conv"].width == 64
    assert count(d) == 6_631_169
    assert [type(m) for m in layers(d)] == [nn.Conv2d, nn.Conv2d, nn.Linear, nn.Linear]
    assert {m.negative_slope for m in d.modules() if isinstance(m, nn.LeakyReLU)} == {0.01}


def test_the_authors_mnist_generator_counts_as_published():
    with torch.device("meta"):
        g = NETWORKS["mnist-conv"].generator((1, 28, 28), 100, 64, "batch", nn.Sigmoid())
    dense = 100 * 1024 + 2 * 1024 + 1024 * 6272 + 2 * 6272
    assert count(g) == dense + 128 * 64 * 25 + 2 * 64 + 64 * 1 * 25 + 1


@pytest.mark.parametrize(("side", "start", "stages"), [(32, 8192, 3), (64, 16384, 4)])
def test_the_authors_dcgans_start_from_their_dense_layer(side, start, stages):
    row = NETWORKS["dcgan"]
    assert row.width == 128
    shape = (3, side, side)
    with torch.device("meta"):
        g = row.generator(shape, 128, 128, "batch", nn.Tanh())
    dense, *deconvolutions = layers(g)
    assert (dense.in_features, dense.out_features) == (128, start)
    channels = [start // 16, *(start // 16 // 2**i for i in range(1, stages)), 3]
    assert [(m.in_channels, m.out_channels) for m in deconvolutions] == list(pairwise(channels))
    d = row.discriminator(shape, 8, "batch")
    *convolutions, last = layers(d)
    mirrored = [3, *(8 * 2**i for i in range(stages))]
    assert [(m.in_channels, m.out_channels) for m in convolutions] == list(pairwise(mirrored))
    assert (last.in_features, last.out_features) == (mirrored[-1] * 16, 1)
    assert convolutions[0].bias is not None  # no norm after the first
    assert all(m.bias is None for m in convolutions[1:])


def test_mlp_counts_its_two_hidden_layers():
    d, g = build("mlp", (1, 8, 8), width=16)
    assert count(d) == 65 * 16 + 17 * 16 + 17
    assert count(g) == (LATENT + 1) * 16 + 17 * 16 + 17 * 64


@pytest.mark.parametrize(("name", "shape"), PAIRS)
def test_width_scales_both_players(name, shape):
    narrow, wide = build(name, shape, width=4), build(name, shape, width=8)
    for small, large in zip(narrow, wide, strict=True):
        hidden = [
            (a, b) for a, b in zip(layers(small), layers(large), strict=True) if a.bias is not None
        ]
        grown = [len(b.bias) / len(a.bias) for a, b in hidden[:-1]]
        assert grown == [2] * len(grown)
        if hidden:
            assert len(hidden[-1][0].bias) == len(hidden[-1][1].bias)  # the score, or the sample


# ---- initial values -------------------------------------------------------------------------


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("name", "shape"), PAIRS)
def test_weights_are_glorot_uniform_and_biases_zero(name, shape, norm):
    for player in build(name, shape, width=16, norm=norm):
        params = initial_parameters(player, seeded())
        assert params.keys() == dict(player.named_parameters()).keys()
        for path, layer in player.named_modules():
            if not isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                continue
            if layer.bias is not None:
                assert not params[f"{path}.bias"].any()
            if name == "mnist-conv" and isinstance(layer, nn.ConvTranspose2d):
                continue  # orthogonal, below
            weight = params[f"{path}.weight"]
            field = weight[0, 0].numel()
            bound = math.sqrt(6 / ((weight.shape[0] + weight.shape[1]) * field))
            assert weight.abs().max() <= bound
            if weight.numel() > 2000:  # uniform, not merely bounded
                assert weight.abs().max() > 0.99 * bound
                assert abs(weight.var().item() / (bound**2 / 3) - 1) < 0.1


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize(("name", "shape"), PAIRS)
def test_norms_start_at_scale_one_and_shift_zero(name, shape, norm):
    for player in build(name, shape, norm=norm):
        params = initial_parameters(player, seeded())
        for path, layer in player.named_modules():
            if isinstance(layer, BatchStatisticsNorm | nn.GroupNorm):
                scale, shift = (params[f"{path}.{n}"] for n, _ in layer.named_parameters())
                assert torch.equal(scale, torch.ones_like(scale))
                assert torch.equal(shift, torch.zeros_like(shift))


def test_deconvolutions_of_the_mnist_generator_are_orthogonal():
    g = build("mnist-conv", (1, 28, 28), width=32)[1]
    params = initial_parameters(g, seeded())
    kernels = [
        params[f"{path}.weight"].flatten(1)
        for path, layer in g.named_modules()
        if isinstance(layer, nn.ConvTranspose2d)
    ]
    assert [tuple(k.shape) for k in kernels] == [(64, 32 * 25), (32, 25)]
    for kernel in kernels:
        narrow = kernel if kernel.shape[0] < kernel.shape[1] else kernel.T
        identity = torch.eye(len(narrow))
        torch.testing.assert_close(narrow @ narrow.T, identity, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "shape"), PAIRS)
def test_a_seed_gives_its_parameters_again_and_another_gives_others(name, shape):
    for i in range(2):
        first = initial_parameters(build(name, shape)[i], seeded(7))
        torch.rand(3)  # the global generator does not matter
        again = initial_parameters(build(name, shape)[i], seeded(7))
        other = initial_parameters(build(name, shape)[i], seeded(8))
        assert all(torch.equal(first[n], again[n]) for n in first)
        weights = [n for n in first if first[n].ndim > 1]
        assert not any(torch.equal(first[n], other[n]) for n in weights)


def test_initial_parameters_are_copies_and_leave_the_global_generator_alone():
    d = build("mlp", (2,))[0]
    before = torch.random.get_rng_state()
    first = initial_parameters(d, seeded(0))
    kept = {name: value.clone() for name, value in first.items()}
    initial_parameters(d, seeded(1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[n], kept[n]) for n in first)
    assert not any(value.requires_grad for value in first.values())


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("name", "shape"), PAIRS)
def test_weight_names_are_matrices_and_kernels(name, shape, norm):
    for player in build(name, shape, norm=norm):
        expected = {
            f"{path}.weight"
            for path, layer in player.named_modules()
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
        }
        assert weight_names(player) == expected


# ---- norms ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "shape"), PAIRS)
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_no_layer_before_a_norm_has_a_bias(name, shape, norm):
    for player in build(name, shape, norm=norm):
        found = 0
        for block in player.modules():
            if isinstance(block, nn.Sequential):
                for before, after in pairwise(block):
                    if isinstance(after, BatchStatisticsNorm | nn.GroupNorm):
                        found += 1
                        assert before.bias is None
        assert found or name == "segment"


@pytest.mark.parametrize("norm", NORMS)
def test_the_norm_sits_between_layer_and_activation(norm):
    block = normalised(nn.Linear(3, 8), 8, norm, nn.ReLU())
    kinds = {"none": [], "batch": [BatchStatisticsNorm], "group": [nn.GroupNorm]}[norm]
    assert [type(m) for m in block] == [nn.Linear, *kinds, nn.ReLU]


@pytest.mark.parametrize("width", [2, 3, 9, 16, 64, 128])
def test_groups_divide_the_channels_and_hold_more_than_one(width):
    block = normalised(nn.Conv2d(1, width, 3), width, "group", nn.ReLU())
    assert width % block[1].num_groups == 0
    assert 1 <= block[1].num_groups <= 8
    assert width // block[1].num_groups > 1


def torch_batch_norm(x, scale, shift):
    return functional.batch_norm(x, None, None, scale, shift, training=True, eps=1e-4)


def own_batch_norm(x, scale, shift):
    layer = BatchStatisticsNorm(x.shape[1]).double()
    return functional_call(layer, {"scale": scale, "shift": shift}, (x,))


NORM_INPUTS = {"points": (7, 3), "images": (4, 3, 2, 5)}


def norm_problem(kind):
    random = seeded()
    x = 0.05 * torch.randn(NORM_INPUTS[kind], generator=random).double() + 2  # eps matters
    scale, shift = torch.randn(2, 3, generator=random).double()
    weights = torch.randn(NORM_INPUTS[kind], generator=random).double()
    return x, scale, shift, weights


@pytest.mark.parametrize("kind", NORM_INPUTS)
def test_batch_norm_equals_torchs_in_value_and_two_derivatives(kind):
    x, scale, shift, weights = norm_problem(kind)
    found = []
    for norm in (own_batch_norm, torch_batch_norm):
        inputs = [t.clone().requires_grad_() for t in (x, scale, shift)]
        value = norm(*inputs)
        first = torch.autograd.grad((value**3 * weights).sum(), inputs, create_graph=True)
        second = torch.autograd.grad(sum((g**2).sum() for g in first), inputs)
        found.append((value, *first, *second))
    for own, theirs in zip(*found, strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-9, atol=1e-9 * theirs.abs().max().item())


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("kind", NORM_INPUTS)
def test_third_derivatives_of_a_norm_agree_with_finite_differences(norm, kind):
    x, scale, shift, weights = norm_problem(kind)
    layer = normalised(nn.Linear(3, 3), 3, norm, nn.Identity())[1].double()
    names = [name for name, _ in layer.named_parameters()]
    params = dict(zip(names, (scale, shift), strict=True))

    def first(x):
        return torch.func.grad(
            lambda x: (functional_call(layer, params, (x,)) ** 3 * weights).sum()
        )(x)

    def second(x):
        return torch.func.grad(lambda x: (first(x) ** 2).sum())(x)

    def third(x):
        return torch.func.jvp(second, (x,), (weights,))[1]

    step = 1e-5
    difference = (second(x + step * weights) - second(x - step * weights)) / (2 * step)
    scale_of = difference.abs().max().item()
    torch.testing.assert_close(third(x), difference, rtol=1e-5, atol=1e-5 * scale_of)
    backwards = torch.func.vjp(second, x)[1](weights)[0]  # the Hessian's derivative is symmetric
    torch.testing.assert_close(backwards, difference, rtol=1e-5, atol=1e-5 * scale_of)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("name", "shape"), PAIRS)
def test_mixes_samples_tells_whether_a_score_depends_on_the_batch(name, shape, norm):
    d = build(name, shape, width=18, norm=norm)[0]
    x = torch.randn(4, *shape, generator=seeded())
    alone, among = scores(d, x)[:2], scores(d, torch.cat([x[:2], 3 * x[2:] + 1]))[:2]
    assert d.mixes_samples == (norm == "batch")
    assert torch.allclose(alone, among, rtol=1e-4, atol=1e-6) != d.mixes_samples


# ---- D: raw scores and hidden noise ---------------------------------------------------------


@pytest.mark.parametrize(("name", "shape"), PAIRS)
def test_the_score_is_raw_and_linear_in_the_last_layer(name, shape):
    d = build(name, shape)[0]
    x = torch.randn(4, *shape, generator=seeded())
    params = initial_parameters(d, seeded())
    large = {**params, "score.weight": 100 * params["score.weight"]}
    large["score.bias"] = torch.tensor([3.0])
    expected = 100 * functional_call(d, params, (x,)) + 3
    torch.testing.assert_close(functional_call(d, large, (x,)), expected, rtol=1e-4, atol=1e-4)
    assert expected.abs().max() > 1


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("name", "shape"), PAIRS)
def test_hidden_noise_of_zero_is_no_noise(name, shape, norm):
    d = build(name, shape, norm=norm)[0]
    x = torch.randn(4, *shape, generator=seeded())
    assert torch.equal(scores(d, x, torch.zeros(4, d.noise_size)), scores(d, x))


SIZES = {
    "mlp": [8, 8],
    "segment": [8, 8],
    "mnist-conv": [8 * 14 * 14, 16 * 7 * 7, 16 * 8],
    "dcgan": [8 * 16 * 16, 16 * 8 * 8, 32 * 4 * 4],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_noise_reaches_every_hidden_stage(name):
    d = build(name, SHAPES[name][0])[0]
    assert d.noise_size == sum(SIZES[name])
    x = torch.randn(3, *SHAPES[name][0], generator=seeded())
    for stage in range(len(SIZES[name])):
        parts = [torch.zeros(3, size) for size in SIZES[name]]
        parts[stage] = torch.randn(parts[stage].shape, generator=seeded(1))
        parts[stage][1] = 0  # the second sample's noise is its own, and zero
        change = scores(d, x, torch.cat(parts, 1)) - scores(d, x)
        assert change[0].abs() > 1e-4
        assert change[2].abs() > 1e-4
        assert change[1].abs() < 1e-6


def test_hidden_noise_of_a_linear_network_adds_what_algebra_says():
    random = seeded()
    d = Discriminator([nn.Linear(3, 4), nn.Linear(4, 2)], nn.Linear(2, 1), (3,)).double()
    d.load_state_dict(initial_parameters(d, random))
    x = torch.randn(5, 3, generator=random).double()
    noise = torch.randn(5, 6, generator=random).double()
    second, score = d.stages[1].weight, d.score.weight
    effect = (noise[:, 4:] + noise[:, :4] @ second.T) @ score.T
    torch.testing.assert_close(d(x, noise), d(x) + effect.squeeze(1), rtol=1e-12, atol=1e-14)


def test_hidden_noise_is_added_after_the_activation():
    d = Discriminator([nn.Sequential(nn.Linear(2, 2), nn.ReLU())], nn.Linear(2, 1), (2,))
    params = initial_parameters(d, seeded())
    params["stages.0.0.weight"] = -torch.eye(2)  # every activation is cut off
    x, noise = torch.ones(1, 2), torch.tensor([[-1.0, 2.0]])
    expected = noise @ params["score.weight"].T
    torch.testing.assert_close(functional_call(d, params, (x, noise)), expected.squeeze(1))


def test_scores_differentiate_as_finite_differences_say():
    d = NETWORKS["mlp"].discriminator((3,), 9, "group").double()
    params = initial_parameters(d, seeded())
    x = torch.randn(2, 3, generator=seeded()).double()

    def total(x):
        return functional_call(d, params, (x,)).sum()

    gradient = torch.func.grad(total)(x)
    torch.testing.assert_close(gradient, finite_difference(total, x), rtol=1e-6, atol=1e-8)


# ---- the segment ----------------------------------------------------------------------------


def test_the_segment_is_uniform_in_height_at_minus_one():
    g = build("segment", (2,))[1]
    assert isinstance(g, Generator)
    params = initial_parameters(g, seeded())
    assert {name: value.tolist() for name, value in params.items()} == {"body.offset": [-1.0]}
    u = torch.linspace(0.005, 0.995, 100, dtype=torch.float64)
    z = torch.special.ndtri(u)[:, None]  # the normal's quantiles
    points = functional_call(g, params, (z.float(),))
    assert torch.equal(points[:, 0], torch.full((100,), -1.0))
    torch.testing.assert_close(points[:, 1], (2 * u - 1).float(), rtol=0, atol=1e-6)


def test_the_segments_one_parameter_moves_it_sideways():
    g = build("segment", (2,))[1]
    z = torch.randn(6, 1, generator=seeded())

    def points(offset):
        return functional_call(g, {"body.offset": offset}, (z,))

    at, moved = points(torch.tensor([-1.0])), points(torch.tensor([0.5]))
    torch.testing.assert_close(moved - at, torch.tensor([[1.5, 0.0]]).expand(6, 2))
    slope = torch.func.jacrev(points)(torch.tensor([0.0]))[:, :, 0]
    assert torch.equal(slope, torch.tensor([[1.0, 0.0]]).expand(6, 2))
