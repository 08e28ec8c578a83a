import pytest
import torch
from torch import nn

from vral.errors import ConfigError
from vral.games.adapt import make_gan
from vral.games.game import field
from vral.objectives import OBJECTIVES
from vral.penalties import r1


def modules(norm: bool = False) -> tuple[nn.Module, nn.Module]:
    """D and G of torch's own layers on samples (2,), latents (3,), in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        sizes = {"D": (2, 1), "G": (3, 2)}
        d, g = (
            nn.Sequential(
                nn.Linear(inputs, 6),
                *[nn.BatchNorm1d(6)] * norm,
                nn.Tanh(),
                nn.Linear(6, outputs),
            ).double()
            for inputs, outputs in sizes.values()
        )
    return d, g


class Pair(nn.Module):
    """Scores with something else beside them."""

    def forward(self, x):
        return x, x


def draw(batch: int = 7) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    sizes = {"real": 2, "latent": 3, "mix": 1}
    return {
        name: torch.rand(batch, size, generator=rng, dtype=torch.float64)
        for name, size in sizes.items()
    }


def profile_of(gan) -> dict[str, dict[str, torch.Tensor]]:
    players = {"D": gan.discriminator, "G": gan.generator}
    return {
        player: {name: value.detach() for name, value in module.named_parameters()}
        for player, module in players.items()
    }


def test_a_pairs_field_is_what_an_ordinary_loop_leaves_in_grad():
    d, g = modules()
    gan = make_gan(d, g, 3, "relativistic", {"r1": 2.0, "r2": 2.0})
    inputs = draw()
    gradients, _ = field(gan.losses, ("D", "G"), profile_of(gan), inputs)
    assert set(gan.needs["G"]) == {"real", "latent"}

    def slopes(samples):
        samples = samples.detach().requires_grad_()
        return torch.autograd.grad(d(samples).sum(), samples, create_graph=True)[0]

    real, fake = inputs["real"], g(inputs["latent"])
    gap = (d(real) - d(fake.detach())).flatten()
    punished = slopes(real).square().sum(1).mean() + slopes(fake).square().sum(1).mean()
    (-gap.sigmoid().log().mean() + punished).backward()
    wanted = torch.cat([p.grad.flatten() for p in d.parameters()])
    got = torch.cat([value.flatten() for value in gradients["D"].values()])
    torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-12)
    gap = (d(fake) - d(real)).flatten()
    wanted = torch.autograd.grad(-gap.sigmoid().log().mean(), list(g.parameters()))
    for a, b in zip(gradients["G"].values(), wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("norm", [False, True], ids=["plain", "batch-norm"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_field_is_what_an_ordinary_loop_leaves_in_grad(objective, norm):
    d, g = modules(norm)
    gan = make_gan(d, g, 3, objective, {"r1": 2.0})
    inputs, row = draw(), OBJECTIVES[objective]
    gradients, evaluations = field(gan.losses, ("D", "G"), profile_of(gan), inputs)

    real = inputs["real"].clone().requires_grad_()
    # Real and fake batches go through D separately: each has batch statistics of its own.
    score_real, score_fake = d(real), d(g(inputs["latent"]).detach())
    (slope,) = torch.autograd.grad(score_real.sum(), real, create_graph=True)
    loss = row.real(score_real).mean() + row.fake(score_fake).mean()
    loss = loss + 2.0 * 0.5 * slope.pow(2).sum(1).mean()
    loss.backward()
    torch.testing.assert_close(evaluations["D"][0], loss.detach(), rtol=1e-10, atol=1e-12)
    for name, value in d.named_parameters():
        at = f"body.{name}".replace("body.1.weight", "body.1.scale" if norm else "body.1.weight")
        at = at.replace("body.1.bias", "body.1.shift") if norm else at
        torch.testing.assert_close(gradients["D"][at], value.grad, rtol=1e-8, atol=1e-11)

    g.zero_grad()
    row.generator(d(g(inputs["latent"]))).mean().backward()
    ours = torch.cat([value.flatten() for value in gradients["G"].values()])
    theirs = torch.cat([value.grad.flatten() for value in g.parameters()])
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-11)


def test_a_penalty_may_be_a_name_or_a_function():
    d, g = modules()
    named, given = (make_gan(d, g, 3, penalties=p) for p in ({"r1": 1.5}, {r1: 1.5}))
    profile, inputs = profile_of(named), draw()
    assert named.losses["D"](profile, inputs)[0] == given.losses["D"](profile, inputs)[0]


def test_the_modules_that_were_given_stay_as_they_are():
    d, g = modules(norm=True)
    before = {name: value.clone() for name, value in d.state_dict().items()}
    gan = make_gan(d, g, 3)
    gan.losses["D"](profile_of(gan), draw())
    assert isinstance(d[1], nn.BatchNorm1d)
    assert all(torch.equal(value, before[name]) for name, value in d.state_dict().items())
    assert gan.discriminator.mixes_samples
    assert gan.shape == (2,)


def test_batch_norm_in_eval_mode_keeps_its_running_statistics():
    d, g = modules(norm=True)
    d.eval()
    gan = make_gan(d, g, 3)
    real = draw()["real"]
    expected = d(real).flatten()
    torch.testing.assert_close(gan.critic(profile_of(gan)["D"])(real), expected)


def test_batch_norm_without_scale_and_shift_gains_no_parameters():
    d = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4, affine=False), nn.Linear(4, 1)).double()
    gan = make_gan(d, modules()[1], 3)
    real = draw()["real"]
    assert len(list(gan.discriminator.parameters())) == 4
    torch.testing.assert_close(gan.critic(profile_of(gan)["D"])(real), d(real).flatten())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, g: make_gan(d, g, 5), "generator, discriminator: a pass of latents (2, 5)"),
        (lambda d, g: make_gan(d, g, 3, "gan"), "objective: 'gan' given; allowed: standard"),
        (lambda d, g: make_gan(d, g, 3, penalties={"r3": 1}), "penalties: 'r3' given; allowed"),
        (
            lambda d, g: make_gan(d, g, 3, penalties={"r1": -1.0}),
            "penalties: the weight -1.0 of r1 given; allowed: a finite number at least 0",
        ),
        (
            lambda d, g: make_gan(d, g, 3, penalties={r1: float("nan")}),
            "penalties: the weight nan of r1 given; allowed: a finite number at least 0",
        ),
        (lambda d, g: make_gan(d, g, 0), "latent: 0 given; allowed: a whole number from 1 up"),
        (
            lambda d, g: make_gan(nn.Sequential(d, Pair()), g, 3),
            "through both fails: 'tuple' object has no attribute 'sum'",
        ),
        (
            lambda d, g: make_gan(nn.Sequential(nn.Dropout(), d), g, 3),
            "discriminator: its dropout layer 0 draws random numbers",
        ),
        (
            lambda d, g: make_gan(d[:1], g, 3),
            "discriminator: scores of shape (2, 6) for 2 samples of shape (2,)",
        ),
        (
            lambda d, g: make_gan(
                nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(2, 1).double())),
                g,
                3,
            ),
            "through both fails: it writes to the buffer 0.parametrizations.weight.0._",
        ),
        (lambda d, g: make_gan(nn.Tanh(), nn.Identity(), 1), "neither module has parameters"),
    ],
)
def test_what_cannot_play_is_refused_in_one_line(change, message):
    with pytest.raises(ConfigError) as refusal:
        change(*modules())
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
