"""Public loops, written anew from their known structure, each also with faults that are named."""

import itertools
import math
import sys
import textwrap
from functools import partial

import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import softplus
from torch.optim import SGD

import vral.conformance
from vral.cli.main import main
from vral.conformance import conform
from vral.conformance.conform import explain
from vral.conformance.dynamics import TOLERANCE, Setting, trajectories
from vral.conformance.hypotheses import (
    NO_PENALTY,
    PENALTIES,
    R1_FULL,
    R1_HALF,
    Habits,
    Hypothesis,
    Penalty,
)
from vral.conformance.search import CALLS, STARTS
from vral.errors import ConfigError

# --- the loops ------------------------------------------------------------------------------------


def dcgan(
    G, D, lr, gamma, *, detach=True, shared=False, zero_d=True, zero_g=True, swap=False, g_steps=1
):
    """PyTorch's DCGAN example: D on reals, D on detached fakes, G on the same fakes; labels."""
    optimiser_g = optimiser_d = SGD([*D.parameters(), *G.parameters()], lr)
    if not shared:
        optimiser_d, optimiser_g = SGD(D.parameters(), lr), SGD(G.parameters(), lr)

    def label(value, scores):
        return torch.full_like(scores, value)

    def play_d(real, fake):
        if zero_d:
            D.zero_grad()
        score = D(real)
        cross_entropy(score, label(1.0, score)).backward()
        score = D(fake.detach() if detach else fake)
        cross_entropy(score, label(0.0, score)).backward(retain_graph=True)
        optimiser_d.step()

    def play_g(fake):
        if zero_g:
            G.zero_grad()
        score = D(fake)
        cross_entropy(score, label(1.0, score)).backward()
        optimiser_g.step()

    def update(real, noise):
        if swap:
            play_g(G(noise))
            play_d(real, G(noise))
            return
        fake = G(noise)
        play_d(real, fake)
        play_g(fake)
        for _ in range(g_steps - 1):
            play_g(G(noise))

    return update


def gan_stability(G, D, lr, gamma, *, half=False, of="logit", reduce="mean", d_steps=1):
    """GAN_stability's trainer: parameters toggled, fakes without a graph, γE‖∇D‖² in D's turn."""
    optimiser_g, optimiser_d = SGD(G.parameters(), lr), SGD(D.parameters(), lr)
    seen = {"logit": lambda s: s, "softplus": lambda s: softplus(-s), "sigmoid": torch.sigmoid}[of]

    def toggle(module, on):
        for parameter in module.parameters():
            parameter.requires_grad_(on)

    def update(real, z):
        toggle(G, False)
        toggle(D, True)
        for _ in range(d_steps):
            optimiser_d.zero_grad()
            real.requires_grad_()
            score = D(real)
            softplus(-score).mean().backward(retain_graph=True)
            total = seen(score).mean() if reduce == "mean score" else seen(score).sum()
            slope = torch.autograd.grad(total, real, create_graph=True)[0].square().flatten(1)
            square = slope.sum() if reduce == "sum" else slope.sum(1).mean()
            ((0.5 if half else 1) * gamma * square).backward()
            with torch.no_grad():
                fake = G(z)
            softplus(D(fake.requires_grad_())).mean().backward()
            optimiser_d.step()
        toggle(G, True)
        toggle(D, False)
        optimiser_g.zero_grad()
        softplus(-D(G(z))).mean().backward()
        optimiser_g.step()

    return update


def stylegan2(G, D, lr, gamma, *, interval=16, gain=True, own_step=True):
    """StyleGAN2-ADA: phases G, D, and R1 in its own step every 16th time, 16 times as heavy."""
    optimiser_g, optimiser_d = SGD(G.parameters(), lr), SGD(D.parameters(), lr)
    count = itertools.count()

    def r1(real):
        real = real.detach().requires_grad_()
        slope = torch.autograd.grad(D(real).sum(), real, create_graph=True)[0]
        return (interval if gain else 1) * gamma / 2 * slope.square().sum(1).mean()

    def step(optimiser, loss):
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    def update(real, z):
        due = next(count) % interval == 0
        step(optimiser_g, softplus(-D(G(z))).mean())
        loss = softplus(D(G(z))).mean() + softplus(-D(real)).mean()
        if due and not own_step:
            loss = loss + r1(real)
        step(optimiser_d, loss)
        if due and own_step:
            step(optimiser_d, r1(real))

    return update


def simultaneous(G, D, lr, gamma, *, clean=True, detach=True):
    """A consensus notebook's SimGD, least squares to -1 and 1: both gradients first, then steps."""
    optimiser_g, optimiser_d = SGD(G.parameters(), lr), SGD(D.parameters(), lr)

    def update(real, z):
        fake = G(z)
        score_real, score_fake = D(real), D(fake)
        score_apart = D(fake.detach()) if detach else score_fake
        loss_d = ((score_real - 1) ** 2 / 2 + (score_apart + 1) ** 2 / 2).mean()
        loss_g = ((score_fake - 1) ** 2 / 2).mean()
        optimiser_d.zero_grad()
        optimiser_g.zero_grad()
        if clean:
            G.theta.grad = torch.autograd.grad(loss_g, G.theta, retain_graph=True)[0]
            D.psi.grad = torch.autograd.grad(loss_d, D.psi)[0]
        else:
            loss_d.backward(retain_graph=True)
            loss_g.backward()
        optimiser_d.step()
        optimiser_g.step()

    return update


def pytorch_gan(G, D, lr, gamma):
    """The PyTorch-GAN collection: a sigmoid in D, G first, D's loss the mean of its two halves."""
    optimiser_g, optimiser_d = SGD(G.parameters(), lr), SGD(D.parameters(), lr)
    judge, loss = nn.Sequential(D, nn.Sigmoid()), nn.BCELoss()

    def update(real, z):
        valid, fake = torch.ones(len(real)).double(), torch.zeros(len(real)).double()
        optimiser_g.zero_grad()
        made = G(z)
        loss(judge(made), valid).backward()
        optimiser_g.step()
        optimiser_d.zero_grad()
        ((loss(judge(real), valid) + loss(judge(made.detach()), fake)) / 2).backward()
        optimiser_d.step()

    return update


# --- what they are --------------------------------------------------------------------------------

UNDETACHED = "fakes not detached"
RIGHT = {
    "dcgan": (dcgan, "nonsaturating", ("D-G", 1, 1, 0.0)),
    "gan-stability": (gan_stability, "nonsaturating", ("D-G", 1, 1, 0.6)),
    "gan-stability-half": (partial(gan_stability, half=True), "nonsaturating", ("D-G", 1, 1, 0.3)),
    "stylegan2": (stylegan2, "nonsaturating", ("G-D", 1, 1, 0.3)),
    "stylegan2-joint": (partial(stylegan2, own_step=False), "nonsaturating", ("G-D", 1, 1, 0.3)),
    "simultaneous": (simultaneous, "lsgan", ("simultaneous", 1, 1, 0.0)),
    "dcgan-swapped": (partial(dcgan, swap=True), "nonsaturating", ("G-D", 1, 1, 0.0)),
    "dcgan-g-twice": (partial(dcgan, g_steps=2), "nonsaturating", ("D-G", 1, 2, 0.0)),
    "five-d-steps": (partial(gan_stability, d_steps=5), "nonsaturating", ("D-G", 5, 1, 0.6)),
}


@pytest.mark.parametrize(("trainer", "objective", "expected"), RIGHT.values(), ids=RIGHT)
def test_a_right_loop_is_told_in_full(trainer, objective, expected):
    found = conform(trainer, objective)
    order, d_steps, g_steps, gamma = expected
    assert (found.order, found.d_steps, found.g_steps) == (order, d_steps, g_steps)
    assert found.effective_gamma == pytest.approx(gamma)
    assert found.faults == ()
    assert not found.g_touched
    assert not found.d_touched
    assert "fault: none" in found.report


WRONG = {
    "undetached-shared": (partial(dcgan, detach=False, shared=True), [UNDETACHED, "one optimiser"]),
    "undetached-kept": (
        partial(dcgan, detach=False, zero_g=False),
        [UNDETACHED, "G's gradients are never cleared"],
    ),
    "g-kept": (partial(dcgan, zero_g=False), ["G's gradients are never cleared"]),
    "d-kept": (partial(dcgan, zero_d=False), ["D's gradients are never cleared"]),
    "after-softplus": (
        partial(gan_stability, half=True, of="softplus"),
        ["∇D taken after a softplus"],
    ),
    "after-sigmoid": (partial(gan_stability, of="sigmoid"), ["∇D taken after a sigmoid"]),
    "mean-score": (partial(gan_stability, half=True, reduce="mean score"), ["1/B²"]),
    "sum": (partial(gan_stability, half=True, reduce="sum"), ["summed over the batch"]),
    "no-gain": (partial(stylegan2, gain=False), ["lazy R1 without its gain: every 16"]),
    "halved": (pytorch_gan, ["D's loss is halved"]),
}


@pytest.mark.parametrize(("trainer", "faults"), WRONG.values(), ids=WRONG)
def test_every_fault_is_named(trainer, faults):
    found = conform(trainer, "nonsaturating")
    assert found.matches, found.report
    assert len(found.faults) == len(faults), found.report
    assert all(any(f in said for said in found.faults) for f in faults), found.report
    assert all(f"fault: {said}" in found.report for said in found.faults)


def test_g_touched_in_ds_phase_is_told():
    found = conform(partial(dcgan, detach=False, shared=True), "nonsaturating")
    assert found.g_touched
    assert found.detached is False


def test_backward_of_both_losses_before_the_steps_mixes_them():
    found = conform(partial(simultaneous, clean=False), "lsgan")
    assert found.order == "simultaneous"
    assert found.faults == ("the gradient of G's loss reaches D's step",)


@pytest.mark.slow
def test_three_faults_at_once_are_named():
    found = conform(partial(simultaneous, clean=False, detach=False), "lsgan")
    assert found.detached is False
    assert len(found.faults) == 3


def test_two_steps_of_wgan_are_one_of_twice_the_length():
    """Straight scores and no penalty: the alternatives are both named by an equal explanation."""
    setting = Setting("wgan", 0.2, 0.0)
    halved = Hypothesis("D-G", 2, 1, Habits(NO_PENALTY, scale_d=0.5))
    found = explain(trajectories(halved, setting, STARTS, CALLS), setting)
    assert found.matches == (
        Hypothesis("D-G", 1, 1, Habits(NO_PENALTY)),
        Hypothesis("D-G", 1, 1, Habits(NO_PENALTY, frozen=True)),
    )


# --- the simulation itself ------------------------------------------------------------------------

SIM, NOTEBOOK = "simultaneous", "G-D"
ONE_CENTRED = Penalty("", 1.0, centre=1.0)
REFERENCE = {
    ("standard", SIM, NO_PENALTY, 0.3): {
        1: (0.946211716, 1.053788284),
        10: (0.257053374, 1.417682168),
        100: (0.188107412, 1.953588571),
        500: (-2.161611282, -2.217775397),
    },
    ("standard", NOTEBOOK, NO_PENALTY, 0.3): {
        1: (0.946211716, 1.052921113),
        10: (0.259600953, 1.394623086),
        100: (-1.269906066, -0.597690205),
        500: (0.686833661, 1.244007294),
    },
    ("nonsaturating", SIM, NO_PENALTY, 0.3): {
        1: (0.853788284, 1.053788284),
        10: (-0.358261962, 1.202800508),
        100: (-0.121351449, -0.731473603),
        500: (0.548337319, 0.330441056),
    },
    ("wgan", SIM, ONE_CENTRED, 0.7): {
        1: (0.8, 1.2),
        10: (-1.340082666, 0.538804556),
        100: (0.180343641, 1.790220936),
        500: (-0.180849194, -1.792694140),
    },
    ("standard", SIM, R1_HALF, 0.3): {
        1: (0.946211716, 0.993788284),
        10: (0.364932198, 0.891536968),
        100: (-0.079625223, -0.058810948),
    },
    ("standard", SIM, R1_HALF, 1.0): {
        1: (0.946211716, 0.853788284),
        10: (0.559324894, 0.361038927),
        100: (0.000280024, 0.000255594),
    },
}
"""The paper's sign convention, from (1, 1) with h = 0.2; the realness logit has -ψ."""


@pytest.mark.parametrize("case", REFERENCE, ids=lambda c: f"{c[0]} {c[1]} {c[2].weight:g}·{c[3]}")
def test_trajectories_of_the_published_notebook(case):
    objective, order, penalty, gamma = case
    hypothesis = Hypothesis(order, 1, 1, Habits(penalty, frozen=True))
    start = torch.tensor([[1.0, -1.0, 0.0]], dtype=torch.float64)
    path = trajectories(hypothesis, Setting(objective, 0.2, gamma), start, 500)[:, 0]
    for k, (theta, psi) in REFERENCE[case].items():
        expected = torch.tensor([theta, -psi], dtype=torch.float64)
        torch.testing.assert_close(path[k - 1], expected, atol=1e-7, rtol=0)


def independent_loop(hypothesis, objective, gamma):
    """The hypothesis played by torch's own autograd and optimisers, in plain statements."""
    order, d_steps, g_steps, way = hypothesis[:4]
    through = {"": lambda s: s, "softplus": lambda s: softplus(-s), "sigmoid": torch.sigmoid}
    real_loss, fake_loss, g_loss = {
        "standard": (lambda s: softplus(-s), softplus, lambda s: -softplus(s)),
        "nonsaturating": (lambda s: softplus(-s), softplus, lambda s: softplus(-s)),
        "lsgan": (
            lambda s: (s - 1) ** 2 / 2,
            lambda s: (s + 1) ** 2 / 2,
            lambda s: (s - 1) ** 2 / 2,
        ),
    }[objective]

    def trainer(G, D, lr, _):
        both = [G.theta, D.psi]
        holds_g = way.optimisers in ("shared", "D's holds G")
        holds_d = way.optimisers in ("shared", "G's holds D")
        optimiser_d = SGD(both if holds_g else [D.psi], lr)
        optimiser_g = SGD(both if holds_d else [G.theta], lr)
        clear_d = D.zero_grad if way.by_module else optimiser_d.zero_grad
        clear_g = G.zero_grad if way.by_module else optimiser_g.zero_grad
        taken = itertools.count()

        def d_backward(real, z):
            due = next(taken) % way.penalty.every == 0
            real = real.detach().requires_grad_()
            seen = through[way.penalty.through](D(real)).sum()
            slope = torch.autograd.grad(seen, real, create_graph=True)[0]
            norms = torch.linalg.vector_norm(slope, dim=1) - way.penalty.centre
            penalty = due * way.penalty.weight * gamma / 2 * (norms**2).mean()
            fake = G(z).detach() if way.detached else G(z)
            loss = way.scale_d * (real_loss(D(real)).mean() + fake_loss(D(fake)).mean())
            if way.penalty.separate:
                loss.backward()
                return due
            (loss + penalty).backward()
            return False

        def penalty_step(due):
            if due:
                # Its gradient at the ψ after D's step: ∇D is ψ, whatever D's optimiser holds.
                psi = D.psi.detach()
                factor = way.penalty.weight * gamma
                with torch.no_grad():
                    D.psi -= lr * factor * (psi - way.penalty.centre * psi.sign())

        def g_backward(z):
            D.psi.requires_grad_(not way.frozen)
            (way.scale_g * g_loss(D(G(z))).mean()).backward()
            D.psi.requires_grad_(True)

        def phase_d(real, z):
            for _ in range(d_steps):
                if way.clear_d == "before":
                    clear_d()
                due = d_backward(real, z)
                optimiser_d.step()
                penalty_step(due)
                if way.clear_d == "after":
                    clear_d()

        def phase_g(z):
            for _ in range(g_steps):
                if way.clear_g == "before":
                    clear_g()
                g_backward(z)
                optimiser_g.step()
                if way.clear_g == "after":
                    clear_g()

        def update(real, z):
            if way.clear_d == "call":
                clear_d()
            if way.clear_g == "call":
                clear_g()
            if order == "D-G":
                phase_d(real, z)
                phase_g(z)
            elif order == "G-D":
                phase_g(z)
                phase_d(real, z)
            else:
                if way.clear_d == "before":
                    clear_d()
                due = d_backward(real, z)
                if way.clear_g == "before":
                    clear_g()
                g_backward(z)
                optimiser_d.step()
                optimiser_g.step()
                penalty_step(due)
                if way.clear_d == "after":
                    clear_d()
                if way.clear_g == "after":
                    clear_g()

        return update

    return trainer


@st.composite
def hypotheses(draw, most=2):
    """Any hypothesis of up to 3 D and 2 G steps with at most ``most`` departures."""
    order = draw(st.sampled_from(["simultaneous", "D-G", "G-D"]))
    numbers = (1, 1) if order == SIM else draw(st.tuples(st.integers(1, 3), st.integers(1, 2)))
    way = {"penalty": draw(st.sampled_from([NO_PENALTY, R1_HALF, R1_FULL])), "frozen": order == SIM}
    odd = {
        "penalty": st.sampled_from([p for p in PENALTIES if p.fault]),
        "detached": st.just(False),
        "frozen": st.just(order != SIM),
        "optimisers": st.sampled_from(["shared", "D's holds G", "G's holds D"]),
        "clear_d": st.sampled_from(["after", "call", "never"]),
        "clear_g": st.sampled_from(["after", "call", "never"]),
        "scale_d": st.sampled_from([0.5, 2.0, 5.0]),
        "scale_g": st.sampled_from([0.5, 2.0, 5.0]),
    }
    if order == SIM:
        del odd["optimisers"]
    for name in draw(st.lists(st.sampled_from(list(odd)), max_size=most, unique=True)):
        way[name] = draw(odd[name])
    if way.get("optimisers", "own") != "own":
        way["by_module"] = draw(st.booleans())
    return Hypothesis(order, *numbers, Habits(**way))


SMALL = {"deadline": None, "database": None, "derandomize": True}


@settings(max_examples=25, **SMALL)
@given(hypotheses(most=6), st.sampled_from(["standard", "nonsaturating", "lsgan"]))
def test_the_simulation_is_what_autograd_and_optimisers_do(hypothesis, objective):
    from vral.conformance.observe import observe

    setting = Setting(objective, 0.05, 0.3)
    ours = trajectories(hypothesis, setting, STARTS[:2], 18)
    trainer = independent_loop(hypothesis, objective, setting.gamma)
    torch_says = observe(trainer, setting.step_size, setting.gamma, STARTS[:2], 18)
    scale = torch_says.abs().amax(-1, keepdim=True).clamp_min(1)
    followed = torch_says.isfinite().all(-1)  # a path that explodes is given up
    assert followed[0].all()
    assert ((ours - torch_says).abs() / scale)[followed].max() < TOLERANCE


@settings(max_examples=5, **SMALL)
@given(hypotheses(), st.sampled_from(["standard", "nonsaturating", "lsgan"]))
def test_an_independent_loop_is_identified(hypothesis, objective):
    """It is among the matches, or an explanation with fewer departures has its trajectories."""
    setting = Setting(objective, 0.1, 0.3)
    found = conform(
        independent_loop(hypothesis, objective, setting.gamma), objective, step_size=0.1
    )
    assert found.matches
    assert all(match.departures <= hypothesis.departures for match in found.matches)
    if found.matches[0].departures == hypothesis.departures:
        assert hypothesis in found.matches
    if not hypothesis.departures:
        assert (found.order, found.d_steps, found.g_steps) == hypothesis[:3]
        expected = setting.gamma * hypothesis.habits.penalty.mean_weight
        assert found.effective_gamma == pytest.approx(expected)


# --- the documented example, errors, the command --------------------------------------------------


def documented():
    text = vral.conformance.__doc__.split("::\n", 1)[1].split("    print(")[0]
    return textwrap.dedent(text)


def test_the_documented_example_is_a_right_loop():
    names = {}
    exec(documented(), names)
    found = conform(names["trainer"], "nonsaturating", step_size=0.2, gamma=0.3)
    assert (found.order, found.d_steps, found.g_steps) == ("D-G", 1, 1)
    assert found.effective_gamma == pytest.approx(0.3)
    assert found.faults == ()


def broken(change):
    return lambda G, D, lr, gamma: lambda real, z: change(G, D)


def replace_parameter(G, D):
    G.theta = nn.Parameter(G.theta.detach() - 0.1)


def fill(module_name, value):
    def change(G, D):
        module = {"G": G, "D": D}[module_name]
        with torch.no_grad():
            next(module.parameters()).fill_(value)

    return change


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        (broken(lambda G, D: None), "updates neither G nor D"),
        (broken(replace_parameter), "call 1 replaces G's parameter 'theta'"),
        (broken(lambda G, D: D.float()), "call 1 turns D's parameter"),
        (broken(fill("D", math.nan)), "call 1 from"),
        (broken(fill("G", math.inf)), "call 1 from"),
        (lambda G, D, lr, gamma: None, "NoneType given back"),
    ],
)
def test_a_trainer_that_does_not_train_is_one_clear_line(trainer, said):
    with pytest.raises(ConfigError, match=said):
        conform(trainer, "nonsaturating")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"objective": "gan"}, "objective: 'gan' given; allowed: standard"),
        ({"step_size": 0.0}, "step size: 0.0 given"),
        ({"step_size": math.nan}, "step size: nan given"),
        ({"gamma": -1.0}, "gamma: -1.0 given"),
        ({"gamma": math.nan}, "gamma: nan given"),
    ],
)
def test_bad_settings_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        conform(dcgan, **{"objective": "nonsaturating", **settings})


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Runs ``vral conform`` in a folder that holds the documented example as mine.py."""
    broken_line = """
def failing(G, D, h, gamma):
    raise RuntimeError('no GPU\\nat all')

def leaving(G, D, h, gamma):
    raise SystemExit(0)

def pressed(G, D, h, gamma):
    def update(real, latent):
        raise KeyboardInterrupt
    return update

def ended(G, D, h, gamma):
    raise GeneratorExit

def signalled(G, D, h, gamma):
    import os, signal
    os.kill(os.getpid(), signal.SIGINT)
    while True:
        pass
"""
    (tmp_path / "exits.py").write_text("import sys; sys.exit(0)")
    (tmp_path / "mine.py").write_text(documented() + broken_line + "\nnumber = 3\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("mine", None)
    yield lambda *arguments: CliRunner().invoke(main, ["conform", *arguments])
    sys.modules.pop("mine", None)


def test_the_command_reports_and_compares(shell):
    result = shell("mine:trainer", "--expect", "order=D-G,d_steps=1,g_steps=1,gamma=half")
    assert result.exit_code == 0, result.output
    assert "alternating, D then G, 1 D step and 1 G step a call" in result.output
    result = shell("mine:trainer", "--expect", "order=G-D,gamma=full,faults=none")
    assert result.exit_code == 1
    assert "expected order=G-D, found D-G" in result.output
    assert "expected gamma=full, found effective γ 0.3" in result.output
    assert "faults=none" not in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mine"], "MODULE:FUNCTION: 'mine' given"),
        (["no_such_module:f"], "cannot be imported: ModuleNotFoundError"),
        (["mine:nothing"], "cannot be imported: AttributeError"),
        (["mine:number"], "mine:number is a int, not a function"),
        (["mine:failing"], "mine:failing raised RuntimeError: no GPU"),
        (["mine:leaving"], "mine:leaving raised SystemExit: 0"),
        (["mine:pressed"], "mine:pressed raised KeyboardInterrupt"),
        (["mine:ended"], "mine:ended raised GeneratorExit"),
        (["exits:trainer"], "exits:trainer cannot be imported: SystemExit: 0"),
        (["mine:trainer", "--expect", "speed=2"], "expect: 'speed=2' given"),
        (["mine:trainer", "--expect", "order=both"], "allowed for order: simultaneous, D-G, G-D"),
        (["mine:trainer", "--expect", "gamma=-1"], "allowed for gamma: none, half, full"),
        (["mine:trainer", "--gamma", "-1"], "gamma: -1.0 given"),
        (["mine:trainer", "--objective", "x"], "'x' is not one of"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(shell, arguments, said):
    result = shell(*arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_a_true_ctrl_c_is_no_error_of_the_trainer(shell):
    result = shell("mine:signalled")
    assert result.exit_code == 130
    assert "Interrupted" in result.output
