"""Usual loops and usual mistakes, written plainly in torch, each with the name that it gets."""

import itertools
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import relu, softplus
from torch.optim import SGD, Adam, RMSprop

from vral.conformance import conform
from vral.conformance.conform import CURVATURE
from vral.conformance.dynamics import TOLERANCE
from vral.conformance.expectations import parse_expectation, unmet
from vral.conformance.observe import observe
from vral.conformance.search import STARTS
from vral.errors import ConfigError
from vral.objectives import OBJECTIVES

slow = pytest.mark.slow


def cross_entropy(label):
    return lambda s: softplus(s) - label * s


def squared(label):
    return lambda s: (s - label) ** 2 / 2


LOSSES = {
    "standard": (cross_entropy(1), cross_entropy(0), lambda s: -softplus(s)),
    "nonsaturating": (cross_entropy(1), cross_entropy(0), cross_entropy(1)),
    "lsgan": (squared(1), squared(-1), squared(1)),
    "lsgan-01": (squared(1), squared(0), squared(1)),
    "wgan": (lambda s: -s, lambda s: s, lambda s: -s),
    "hinge": (lambda s: relu(1 - s), lambda s: relu(1 + s), lambda s: -s),
    "bgan": (cross_entropy(1), cross_entropy(0), lambda s: s**2 / 2),
}
"""D's loss on reals, on fakes, and G's, by hand."""


def loop(losses, *, optimiser=SGD, d_times=1.0, g_times=1.0, penalty=None, zero_d=True):
    """D then G, with fakes detached: the plainest loop there is."""
    real_loss, fake_loss, g_loss = losses

    def trainer(G, D, lr, gamma):
        optimiser_d = optimiser(D.parameters(), lr * d_times)
        optimiser_g = optimiser(G.parameters(), lr * g_times)

        def update(real, latent):
            fake = G(latent).detach()
            loss_d = real_loss(D(real)).mean() + fake_loss(D(fake)).mean()
            if penalty:
                loss_d = loss_d + gamma / 2 * penalty(D, real, fake)
            if zero_d:
                optimiser_d.zero_grad()
            loss_d.backward()
            optimiser_d.step()
            optimiser_g.zero_grad()
            g_loss(D(G(latent))).mean().backward()
            optimiser_g.step()

        return update

    return trainer


def squared_slope(D, samples):
    samples = samples.detach().requires_grad_()
    slope = torch.autograd.grad(D(samples).sum(), samples, create_graph=True)[0]
    return slope.square().sum(1).mean()


def r1(D, real, fake):
    return squared_slope(D, real)


def r2(D, real, fake):
    return squared_slope(D, fake)


def both_sides(D, real, fake):
    return squared_slope(D, real) + squared_slope(D, fake)


def interpolated(D, real, fake):
    share = torch.rand(len(real), 1, dtype=real.dtype)
    return squared_slope(D, share * real + (1 - share) * fake)


def seldom_g(losses, *, every):
    """The counter of many WGAN codes: G steps at every k-th call."""
    real_loss, fake_loss, g_loss = losses

    def trainer(G, D, lr, gamma):
        optimiser_d, optimiser_g = SGD(D.parameters(), lr), SGD(G.parameters(), lr)
        count = itertools.count()

        def update(real, latent):
            optimiser_d.zero_grad()
            (real_loss(D(real)).mean() + fake_loss(D(G(latent).detach())).mean()).backward()
            optimiser_d.step()
            if next(count) % every == 0:
                optimiser_g.zero_grad()
                g_loss(D(G(latent))).mean().backward()
                optimiser_g.step()

        return update

    return trainer


def clipped(losses, *, bound, first, d_steps=1, optimiser=SGD):
    """Weight clipping after D's step, or before it as in WGAN's first code."""
    real_loss, fake_loss, g_loss = losses

    def trainer(G, D, lr, gamma):
        optimiser_d, optimiser_g = optimiser(D.parameters(), lr), optimiser(G.parameters(), lr)

        def clip():
            for parameter in D.parameters():
                parameter.data.clamp_(-bound, bound)

        def update(real, latent):
            for _ in range(d_steps):
                if first:
                    clip()
                optimiser_d.zero_grad()
                (real_loss(D(real)).mean() + fake_loss(D(G(latent).detach())).mean()).backward()
                optimiser_d.step()
                if not first:
                    clip()
            optimiser_g.zero_grad()
            g_loss(D(G(latent))).mean().backward()
            optimiser_g.step()

        return update

    return trainer


def relativistic(pair_loss, *, weight=1.0, penalty=None):
    """The pair of R3GAN: the loss of the difference of two scores."""

    def trainer(G, D, lr, gamma):
        optimiser_d, optimiser_g = SGD(D.parameters(), lr), SGD(G.parameters(), lr)

        def update(real, latent):
            fake = G(latent).detach()
            loss_d = pair_loss(D(real) - D(fake)).mean() * weight
            if penalty:
                loss_d = loss_d + gamma / 2 * penalty(D, real, fake)
            optimiser_d.zero_grad()
            loss_d.backward()
            optimiser_d.step()
            optimiser_g.zero_grad()
            (pair_loss(D(G(latent)) - D(real)).mean() * weight).backward()
            optimiser_g.step()

        return update

    return trainer


def other_real(objective, real_loss):
    return loop((real_loss, *LOSSES[objective][1:]))


def swapped(objective):
    real, fake, g = LOSSES[objective]
    return loop((fake, real, g))


def weighted(objective, weight):
    real = LOSSES[objective][0]
    return other_real(objective, lambda s: weight * real(s))


def negated(objective, **options):
    return loop(tuple(lambda s, f=f: f(-s) for f in LOSSES[objective]), **options)


def wrong_sign_of_g(objective):
    real, fake, g = LOSSES[objective]
    return loop((real, fake, lambda s: -g(s)))


# --- D's loss on reals ----------------------------------------------------------------------------


@slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_right_loop_of_every_objective_has_no_fault(objective):
    found = conform(loop(LOSSES[objective], penalty=r1), objective)
    assert found.matches
    assert found.faults == ()
    assert found.effective_gamma == pytest.approx(0.3)
    assert found.penalty_on == "reals"


NO_REAL = "D has no loss on reals"
SWAPPED = "labels are swapped"
LABEL = "D's label for reals is 0.9, not 1 (one-sided label smoothing)"


@pytest.mark.parametrize(
    ("trainer", "objective", "fault"),
    [
        (swapped("nonsaturating"), "nonsaturating", SWAPPED),
        (weighted("wgan", 0.0), "wgan", NO_REAL),
        (weighted("lsgan", 100.0), "lsgan", "D's loss on reals is multiplied by 100"),
        (other_real("nonsaturating", cross_entropy(0.9)), "nonsaturating", LABEL),
        (other_real("hinge", lambda s: -s), "hinge", "D's loss on reals is that of wgan"),
    ],
)
def test_a_wrong_loss_on_reals_is_named(trainer, objective, fault):
    found = conform(trainer, objective)
    assert len(found.faults) == 1
    assert found.faults[0].startswith(fault)
    assert "fault: none" not in found.report


@slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_wrong_loss_on_reals_is_named_for_every_objective(objective):
    assert conform(swapped(objective), objective).faults[0].startswith(SWAPPED)
    assert conform(weighted(objective, 0.0), objective).faults == (NO_REAL,)
    named = "D's loss on reals is multiplied by 100"
    assert conform(weighted(objective, 100.0), objective).faults == (named,)
    for other in ("lsgan-01", "wgan", "nonsaturating"):
        real = LOSSES[other][0]
        (fault, *more) = conform(other_real(objective, real), objective).faults or ("",)
        scores = torch.tensor([-2.0, -0.5, 0.3, 1.7])
        if not torch.allclose(real(scores), LOSSES[objective][0](scores)):
            assert fault.startswith("D's loss on reals is that of ")
            assert other in fault
            assert not more


@slow
@pytest.mark.parametrize(
    ("objective", "label_loss"),
    [
        ("standard", cross_entropy),
        ("bgan", cross_entropy),
        ("lsgan", squared),
        ("lsgan-01", squared),
    ],
)
def test_a_smoothed_label_is_measured(objective, label_loss):
    found = conform(other_real(objective, label_loss(0.9)), objective)
    assert found.faults == (LABEL,)
    assert not unmet(found, parse_expectation("label_real=0.9,loss=other"))
    assert unmet(found, {"label_real": "1"}) == ["expected label_real=1, found 0.9"]


@slow
@settings(max_examples=8, deadline=None, database=None, derandomize=True)
@given(
    st.sampled_from(list(OBJECTIVES)),
    st.floats(-3, 3).filter(lambda w: abs(w - 1) > 1e-3),
    st.sampled_from([-1.0, 1.0]),
)
def test_no_mutation_of_the_loss_on_reals_passes(objective, weight, sign):
    """Any weight, also of the fakes' loss on reals (labels swapped on reals)."""
    real, fake, _ = LOSSES[objective]
    kept = real if sign > 0 else fake
    found = conform(other_real(objective, lambda s: weight * kept(s)), objective)
    # (wgan's loss on fakes, weighted by -1, is its loss on reals)
    scores = torch.tensor([-2.0, -0.5, 0.3, 1.7])
    assert not torch.allclose(weight * kept(scores), real(scores))
    assert "fault: none" not in found.report


@slow
def test_an_unknown_loss_on_reals_is_measured_and_not_misnamed():
    found = conform(other_real("nonsaturating", lambda s: torch.exp(-s)), "nonsaturating")
    assert found.matches == ()
    assert "no hypothesis matches" in found.report
    assert "-3.32 at D(real) = -1.2 (declared -0.769)" in found.report  # -exp(1.2), -σ(1.2)
    assert "G alone is explained: 1 G step a call, after D moves" in found.report
    assert "fault" not in found.report


# --- optimisers, timing, clipping, signs ----------------------------------------------------------


def optimised(optimiser, **options):
    return lambda objective: loop(LOSSES[objective], optimiser=optimiser, **options)


def momentum(value, *, nesterov=False, **options):
    return optimised(partial(SGD, momentum=value, nesterov=nesterov), **options)


def adam(*betas, **options):
    return optimised(partial(Adam, betas=betas), **options)


def clipping(bound, first, **options):
    return lambda objective: clipped(LOSSES[objective], bound=bound, first=first, **options)


BEFORE = "before its step and not after it"
WRONG_SIGN = "G's loss has the wrong sign"
PAIR = "the loss is that of a relativistic pair"

LOOPS = {
    "ttur": (optimised(SGD, d_times=4, penalty=r1), "ttur=4,optimiser=sgd", "D 0.8 and G 0.2", ""),
    "ttur-g": (optimised(SGD, g_times=0.3), "ttur=3.333333333333", "a ratio of 3.33333", ""),
    "momentum": (momentum(0.9), "momentum=0.9,optimiser=momentum,ttur=1", "momentum 0.9", ""),
    "momentum-r1": (momentum(0.5, penalty=r1), "momentum=0.5,gamma=half", "momentum 0.5", ""),
    "nesterov": (momentum(0.9, nesterov=True), "optimiser=nesterov,momentum=0.9", "Nesterov", ""),
    "adam": (adam(0.9, 0.999), "optimiser=adam,beta1=0.9,beta2=0.999", "β₁ = 0.9, β₂ = 0.999", ""),
    "adam-odd": (adam(0.3, 0.97), "beta1=0.3,beta2=0.97", "β₁ = 0.3, β₂ = 0.97", ""),
    "adam-ttur": (adam(0.5, 0.999, d_times=4), "beta1=0.5,ttur=4", "D 0.8 and G 0.2", ""),
    "rmsprop": (optimised(RMSprop), "optimiser=rmsprop,beta2=0.99", "RMSprop with α = 0.99", ""),
    "every-5th": (lambda o: seldom_g(LOSSES[o], every=5), "g_every=5,d_steps=1", "5th call", ""),
    "clip-after": (clipping(0.01, first=False), "clip=0.01", "clipped to ±0.01 after", ""),
    "clip-before": (clipping(0.01, first=True), "clip=0.01", "±0.01 before", BEFORE),
    "negated": (negated, "scores=fakes,loss=declared", "D is negated throughout", ""),
    "wrong-sign": (wrong_sign_of_g, "order=D-G", "wrong sign", WRONG_SIGN),
    "pair": (
        lambda o: relativistic(LOSSES[o][0], penalty=both_sides),
        "loss=relativistic-pair,gamma=full,penalty_on=both",
        "half at reals and half at fakes",
        PAIR,
    ),
}
QUICK = {("ttur", "nonsaturating"), ("momentum", "lsgan"), ("adam", "nonsaturating")}
QUICK |= {("every-5th", "wgan"), ("clip-after", "wgan"), ("clip-before", "wgan")}
QUICK |= {("negated", "wgan"), ("wrong-sign", "nonsaturating"), ("pair", "nonsaturating")}
PAIRS = [
    (name, objective)
    for name in LOOPS
    for objective in ("nonsaturating", "lsgan", "wgan", "hinge")
    if not (name == "pair" and objective == "wgan")  # there the pair's loss is WGAN's own
]


@pytest.mark.parametrize(
    ("name", "objective"),
    [pytest.param(*pair, marks=() if pair in QUICK else slow) for pair in PAIRS],
)
def test_a_usual_loop_is_named_with_its_numbers(name, objective):
    trainer, expected, said, fault = LOOPS[name]
    found = conform(trainer(objective), objective)
    assert found.matches, found.report
    assert not unmet(found, parse_expectation(expected)), found.report
    assert said in found.report
    assert len(found.faults) == bool(fault), found.report
    assert all(fault in text for text in found.faults)


@slow
@pytest.mark.parametrize("first", [False, True])
def test_clipping_with_five_steps_of_rmsprop_is_named(first):
    """WGAN's first code, which clips before D's steps, and as it should be."""
    found = conform(clipping(0.01, first, d_steps=5, optimiser=RMSprop)("wgan"), "wgan")
    assert not unmet(found, parse_expectation("clip=0.01,optimiser=rmsprop,d_steps=5"))
    assert len(found.faults) == first


@slow
def test_a_penalty_of_its_own_weight_and_weight_decay_are_measured():
    found = conform(loop(LOSSES["wgan"], penalty=lambda *a: 3 * r1(*a)), "wgan")
    assert found.effective_gamma == pytest.approx(0.9)
    assert [fault[:27] for fault in found.faults] == ["the penalty weighs 3 times "]
    decaying = loop(LOSSES["lsgan"], penalty=lambda D, real, fake: 0.5 * D.psi.square().sum())
    found = conform(decaying, "lsgan")
    assert found.penalty_on == "weight"
    assert "weight decay" in found.report


@slow
def test_the_halves_of_many_collections_are_harmless_with_adam():
    """D's loss halved, as PyTorch-GAN does: with Adam only ε can tell."""
    halves = (*(lambda s, f=f: f(s) / 2 for f in LOSSES["lsgan"][:2]), LOSSES["lsgan"][2])
    found = conform(loop(halves, optimiser=partial(Adam, betas=(0.5, 0.999))), "lsgan")
    assert found.faults == ()
    assert "D's whole loss multiplied by 0.5" in found.report


@slow
def test_mistakes_are_named_beside_another_optimiser():
    trainer = loop(LOSSES["nonsaturating"], optimiser=Adam, zero_d=False)
    found = conform(trainer, "nonsaturating")
    assert found.faults == (
        "D's gradients are never cleared (missing zero_grad), so that they add up",
    )
    smooth = (cross_entropy(0.9), *LOSSES["nonsaturating"][1:])
    found = conform(loop(smooth, optimiser=partial(Adam, betas=(0.5, 0.999))), "nonsaturating")
    assert found.faults == (LABEL,)
    assert not unmet(found, parse_expectation("beta1=0.5,label_real=0.9"))


def test_another_objective_is_named_as_such():
    found = conform(loop(LOSSES["nonsaturating"]), "standard")
    assert found.faults == ("the objective is nonsaturating, not standard as declared",)
    assert not unmet(found, {"loss": "nonsaturating"})


def test_a_loop_that_draws_random_numbers_is_told():
    noisy = other_real("nonsaturating", lambda s: softplus(-s - torch.randn_like(s)))
    found = conform(noisy, "nonsaturating")
    assert not found.matches
    assert "two runs from one start differ" in found.report


# --- where the penalty is, and what cannot be seen ------------------------------------------------


@pytest.mark.parametrize(
    ("penalty", "where", "gamma"),
    [
        (r1, "reals", 0.3),
        (r2, "fakes", 0.3),
        (both_sides, "both", 0.6),
        (interpolated, "between", 0.3),
    ],
)
def test_the_place_of_a_penalty_is_told(penalty, where, gamma):
    found = conform(loop(LOSSES["wgan"], penalty=penalty), "wgan")
    assert (found.penalty_on, found.faults) == (where, ())
    assert found.effective_gamma == pytest.approx(gamma)
    assert not unmet(found, {"penalty_on": where})


def midway(D, real, fake):
    return 2 * squared_slope(D, (real + fake) / 2)


def twice(losses):
    """WGAN with two D steps."""
    real_loss, fake_loss, g_loss = losses

    def trainer(G, D, lr, gamma):
        optimiser_d, optimiser_g = SGD(D.parameters(), lr), SGD(G.parameters(), lr)

        def update(real, latent):
            for _ in range(2):
                optimiser_d.zero_grad()
                (real_loss(D(real)).mean() + fake_loss(D(G(latent).detach())).mean()).backward()
                optimiser_d.step()
            optimiser_g.zero_grad()
            g_loss(D(G(latent))).mean().backward()
            optimiser_g.step()

        return update

    return trainer


def times(factor):
    return tuple(lambda s, f=f: factor * f(s) for f in LOSSES["nonsaturating"])


def relativistic_average(G, D, lr, gamma):
    optimiser_d, optimiser_g = SGD(D.parameters(), lr), SGD(G.parameters(), lr)

    def loss(high, low):
        return softplus(-(high - low.mean())).mean() + softplus(low - high.mean()).mean()

    def update(real, latent):
        optimiser_d.zero_grad()
        loss(D(real), D(G(latent).detach())).backward()
        optimiser_d.step()
        optimiser_g.zero_grad()
        loss(D(G(latent)), D(real)).backward()
        optimiser_g.step()

    return update


NS = LOSSES["nonsaturating"]
HIDDEN = {
    "both-or-midway": (loop(NS, penalty=both_sides), loop(NS, penalty=midway)),
    "two-steps-of-wgan": (twice(LOSSES["wgan"]), loop(LOSSES["wgan"], d_times=2)),
    "step-or-loss": (loop(NS, d_times=4, g_times=4), loop(times(4))),
    "step-or-loss-momentum": (
        loop(NS, optimiser=partial(SGD, momentum=0.5), d_times=2, g_times=2),
        loop(times(2), optimiser=partial(SGD, momentum=0.5)),
    ),
    "average-or-pair": (relativistic_average, relativistic(cross_entropy(1), weight=2)),
}
"""Pairs of loops that no trajectory tells apart."""


@pytest.mark.parametrize(("one", "other"), HIDDEN.values(), ids=HIDDEN)
@pytest.mark.parametrize("curvature", [0.0, CURVATURE])
def test_what_the_documentation_says_cannot_be_seen(one, other, curvature):
    paths = [observe(trainer, 0.2, 0.3, STARTS, 12, curvature) for trainer in (one, other)]
    assert (paths[0] - paths[1]).abs().max() < TOLERANCE


def test_a_step_size_and_a_scale_of_the_loss_are_both_named():
    found = conform(loop(NS, d_times=0.5), "nonsaturating")
    assert found.faults == ("D's loss is halved",)
    assert "or, indistinguishable" in found.report
    assert not unmet(found, {"ttur": "0.5"})
    assert unmet(found, {"faults": "none"})  # unless two step sizes are expected
    assert not unmet(found, {"faults": "none", "ttur": "0.5"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ttur=-1", "allowed for ttur: a number from 0 up"),
        ("optimiser=sdg", "allowed for optimiser: sgd, momentum, nesterov, adam, rmsprop"),
        ("label_real=high", "allowed for label_real: none, a number"),
        ("clip=nan", "allowed for clip: none, a number from 0 up"),
        ("labels=1", "allowed: key=value with key of order, d_steps"),
    ],
)
def test_an_expectation_that_cannot_be_is_refused(text, said):
    with pytest.raises(ConfigError, match=said):
        parse_expectation(text)


def test_the_label_of_fakes_may_be_negative():
    assert parse_expectation("label_fake=-1") == {"label_fake": "-1"}
