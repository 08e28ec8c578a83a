"""VRAL as a game of scores: closed forms against autograd on VRAL's own losses, and the map."""

import copy
import json
from dataclasses import asdict
from functools import partial
from itertools import product

import numpy as np
import polars as pl
import pytest
import torch
from cases import one_line_error
from torch.nn.functional import softplus

from vral.data.datasets import data_root, load_dataset
from vral.data.draws import rng
from vral.diagnostics.linearise import field_map, jacobian, update_map
from vral.diagnostics.scores import ks_distance
from vral.dynamics import score_game, score_map
from vral.dynamics.score_game import MODES, ONE_TURN, affine_scores
from vral.dynamics.score_map import Program, Setup
from vral.games.fused import FusedMetaGan
from vral.games.meta import MetaDiscriminator
from vral.optim import Adam, FirstOrder, Sgd
from vral.study.build import build
from vral.study.config import resolve
from vral.study.provenance import provenance
from vral.train.state import TrainState

SETTINGS = [
    (0.0, 0.3, 0.2, 1),
    (0.0, 0.1, 0.05, 7),
    (0.4, 0.2, 0.1, 3),
    (2.0, 0.05, 0.3, 1),
]
"""Penalty, steps of M and D, steps of M a round; ringing and overdamped ones."""


def in_order(values):
    """Sorted by what rounding leaves as it is."""
    return np.sort_complex(np.round(np.asarray(values).ravel(), 10))


def linearised_round(toy, moves, step_meta, step_d):
    rule = FirstOrder({"F": Sgd(step_meta), "D": Sgd(step_d)})
    opt = rule.init(toy.start)
    return np.linalg.eigvals(jacobian(update_map(toy.game, rule, moves, toy.start, opt, toy.draw)))


@pytest.mark.parametrize("minimax", [False, True])
@pytest.mark.parametrize(("penalty", "step_meta", "step_d", "steps"), SETTINGS)
def test_eigenvalues_are_those_of_vral_s_own_losses(penalty, step_meta, step_d, steps, minimax):
    """Of the flow, of n steps of F a step of D, and of simultaneous steps; at any mean."""
    toy = affine_scores(0.7, penalty, minimax)
    degrees = np.array(list(MODES.values()))
    moves = (*[("F",)] * steps, ("D",))
    got = linearised_round(toy, moves, step_meta, step_d)
    wanted = score_game.played(degrees, penalty, step_meta, step_d, steps)
    np.testing.assert_allclose(in_order(got), in_order(wanted), atol=1e-8)
    together = linearised_round(toy, [("F", "D")], step_meta, step_d)
    wanted = score_game.simultaneous(degrees, penalty, step_meta, step_d)
    np.testing.assert_allclose(in_order(together), in_order(wanted), atol=1e-8)
    flow = np.linalg.eigvals(jacobian(field_map(toy.game, toy.start, toy.draw)))
    wanted = score_game.flow(degrees, penalty, 1.0, 1.0)
    np.testing.assert_allclose(in_order(flow), in_order(wanted), atol=1e-8)


def test_the_optimum_is_at_rest():
    toy = affine_scores(-1.0, 0.3)
    assert field_map(toy.game, toy.start, toy.draw).residual < 1e-14


@pytest.mark.parametrize("k", MODES.values())
@pytest.mark.parametrize(("step_meta", "step_d"), [(0.02, 0.05), (0.001, 0.2), (0.1, 0.3)])
def test_the_critical_penalty_ends_the_ringing_and_decays_fastest(k, step_meta, step_d):
    """Just below it the eigenvalues are a pair, just above both are real; both decay slower."""
    at = score_game.critical_penalty(k, step_meta, step_d)
    assert at > 0
    below, here, above = (
        score_game.played(k, at * f, step_meta, step_d) for f in (0.99, 1.0, 1.01)
    )
    assert np.abs(below.imag).max() > 1e-4
    assert np.abs(here.imag).max() < 1e-6
    assert np.abs(above.imag).max() == 0
    assert score_game.decay(here) > max(map(score_game.decay, (below, above)))


@pytest.mark.parametrize("k", MODES.values())
@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_the_critical_number_of_steps_ends_the_ringing(k, penalty):
    step_meta, step_d = 0.01, 0.05
    at = float(score_game.critical_steps(k, penalty, step_meta, step_d))
    assert at > 2
    rings = [
        np.abs(score_game.played(k, penalty, step_meta, step_d, n).imag).max() > 0
        for n in range(1, 40)
    ]
    assert rings == [n < at for n in range(1, 40)]


def test_to_first_order_n_steps_are_one_step_n_times_as_long():
    small = 1e-5
    degrees = np.array([1, 2])
    apart = score_game.played(degrees, 0.2, small, small, 8)
    long = 1 + score_game.flow(degrees, 0.2, 8 * small, small)
    np.testing.assert_allclose((apart - 1) / small, (long - 1) / small, rtol=1e-3)
    n = score_game.critical_steps(degrees, 0.0, small, 8 * small)
    np.testing.assert_allclose(n, 4 * degrees * 8, rtol=1e-3)


@pytest.mark.parametrize("k", MODES.values())
def test_at_the_line_a_swing_falls_by_e_each_turn(k):
    """Followed turn by turn, for small steps; and ζ is 1 from critical damping on."""
    step_meta, step_d = 1e-4, 6e-3
    penalty = float(score_game.penalty_for(ONE_TURN, k, step_meta, step_d))
    assert penalty > 0
    leading = score_game.played(k, penalty, step_meta, step_d)[0]
    turn = 2 * np.pi / abs(np.angle(leading))
    assert abs(leading) ** turn == pytest.approx(1 / np.e, rel=0.01)
    few = float(score_game.steps_for(ONE_TURN, k, 0.0, 1e-5, 1e-5 / ONE_TURN**2))
    got = score_game.damping_ratio(score_game.played(k, 0.0, 1e-5, 1e-5 / ONE_TURN**2, round(few)))
    assert got == pytest.approx(ONE_TURN, rel=1e-3)
    over = score_game.critical_penalty(k, step_meta, step_d) * 1.5
    assert score_game.damping_ratio(score_game.played(k, over, step_meta, step_d)) == 1
    undamped = np.exp(1j * np.array([0.3, -0.3]))
    assert score_game.damping_ratio(undamped) == pytest.approx(0, abs=1e-12)


def test_alternating_rounds_are_stable_where_simultaneous_steps_grow():
    """At w > a; to forget nothing is to stay on the unit circle, as the Dirac-GAN does."""
    step_meta, step_d, penalty = 0.2, 2.4, 0.0
    together = score_game.simultaneous(1, penalty, step_meta, step_d)
    apart = score_game.played(1, penalty, step_meta, step_d)
    assert np.abs(together).max() > 1 > np.abs(apart).max()
    np.testing.assert_allclose(np.abs(apart) ** 2, 1 - step_meta / 2)
    assert score_game.decay(apart) == pytest.approx(-np.log(1 - step_meta / 2) / 2)


# ---- the map -----------------------------------------------------------------------------------

TINY = Setup(points=4, most_steps=2, updates=3, warmup=1, seeds=2, width=4)


def test_adam_s_gain_is_the_step_it_makes_of_a_number():
    """To first order a step of Adam against c's own slope lowers c by lr times the gain."""
    lr, slope = 1e-6, {"w": torch.tensor([0.3, -2.0], dtype=torch.float64)}
    square, mean = {"w": torch.tensor([0.04, 9.0], dtype=torch.float64)}, slope
    count = torch.tensor(1e9, dtype=torch.float64)  # no bias is left to correct
    adam = Adam(lr, beta1=0.0, eps=1e-8)
    start = {"w": torch.tensor([1.0, 1.0], dtype=torch.float64)}
    state = {"count": count, "mean": mean, "square": square}
    after, _ = adam.frozen(slope, state, start)
    fall = (slope["w"] * (start["w"] - after["w"])).sum()
    assert fall == pytest.approx(lr * score_game.adam_gain(slope, square, 1e-8).item(), rel=1e-6)


def test_distances_of_lanes_are_those_of_scipy():
    scores = torch.randn(3, 40, generator=torch.Generator().manual_seed(0)) * 1.3 + 0.2
    wanted = [ks_distance(row.numpy(), 1.0) for row in scores]
    np.testing.assert_allclose(score_map.ks_distances(scores, 1.0), wanted, atol=1e-7)


def test_c3_holds_within_all_its_tolerances_and_nowhere_else():
    """Two probes; a lane each that meets everything, misses one number once, is NaN once."""
    inside = {"mean_fake": 0.2, "mean_real": 0.8, "deviation_fake": 0.81, "deviation_real": 1.19}
    inside |= {"ks_fake": 0.1, "ks_real": 0.1}
    out = {"mean_fake": 0.21, "mean_real": 1.21, "deviation_fake": 0.79, "deviation_real": 1.21}
    out |= {"ks_fake": 0.11, "ks_real": 0.11}
    for name in inside:
        probes = {key: np.full((2, 3), value) for key, value in inside.items()}
        probes[name][1, 1:] = out[name], np.nan
        np.testing.assert_array_equal(score_map.read_cells(probes)["c3"], [1.0, 0.5, 0.5])


@pytest.fixture(scope="module")
def held():
    return score_map.Held.of(TINY, load_dataset("digits", data_root()))


def plain_cell(held, seed, steps, ratio, penalty):
    """Three updates of D in one cell, as anyone would write them; held-out mean and deviation."""
    lane = held.seeds.index(seed)
    gan = held.gan
    nets = {"D": gan.discriminator, "R": MetaDiscriminator(), "F": MetaDiscriminator()}
    for player, net in nets.items():
        nets[player] = net = copy.deepcopy(net)
        net.load_state_dict({k: v[lane] for k, v in held.start[player].items()})
    lrs = {"D": 1e-3 / ratio**0.5, "R": 1e-3 * ratio**0.5, "F": 1e-3 * ratio**0.5}
    adams = {
        p: torch.optim.Adam(nets[p].parameters(), lr=lrs[p], betas=(0.5, 0.999), eps=1e-8)
        for p in nets
    }
    random = rng(torch.device("cpu"), seed, "score-game", "draws")

    def samples():
        pools = (held.train, held.fakes[lane])
        return [x[torch.randint(len(x), (held.batch,), generator=random)] for x in pools]

    for _ in range(TINY.updates):
        for _ in range(steps):
            batches = samples()[::-1]
            for player, mean, x in zip("FR", (0.0, 1.0), batches, strict=True):
                net, y = nets[player], nets["D"](x).detach().requires_grad_()
                v = (mean + torch.randn(held.batch, generator=random)).requires_grad_()
                logit_v, logit_y = net(v), net(y)
                loss = softplus(-logit_v).mean() + softplus(logit_y).mean()
                for logit, at in ((logit_v, v), (logit_y, y)):
                    slope = torch.autograd.grad(logit.sum(), at, create_graph=True)[0]
                    loss = loss + penalty / 2 * (slope**2).mean()
                adams[player].zero_grad()
                loss.backward()
                adams[player].step()
        real, fake = samples()
        adams["D"].zero_grad()
        loss = softplus(-nets["R"](nets["D"](real))).mean()
        (loss + softplus(-nets["F"](nets["D"](fake))).mean()).backward()
        adams["D"].step()
    with torch.no_grad():
        scores = nets["D"](held.held_out), nets["D"](held.held_out_fakes[lane])
    return [float(f(s)) for s in scores for f in (torch.mean, lambda s: s.std(correction=0))]


@pytest.mark.slow
@pytest.mark.parametrize("program", [Program("steps", 2, 1.0), Program("map", 1, 100.0)])
def test_a_lane_is_a_cell_written_as_a_plain_loop(held, program):
    rows = list(held.train_cells(TINY, program))
    assert [row["seed"] for row in rows] == [0, 1] * (len(rows) // 2)
    for row in rows[::3]:
        wanted = plain_cell(held, row["seed"], program.steps, program.tau, row["penalty"])
        names = ("mean_real", "deviation_real", "mean_fake", "deviation_fake")
        np.testing.assert_allclose([row[name] for name in names], wanted, rtol=2e-4, atol=2e-5)


@pytest.fixture(scope="module")
def small():
    """A held G made up of noise, and D, R and F as they start, in two lanes."""
    config = resolve("vral-meta", {"dataset": "digits", "seeds": (0, 1), "width": 8})
    data = load_dataset("digits", data_root())
    setup = build(config, data)
    profile = setup.initial.profile
    assert isinstance(setup.gan, FusedMetaGan)
    noise = torch.rand(2, 64, *data.train.shape[1:], generator=torch.Generator().manual_seed(0))
    start = {player: profile[player] for player in "DRF"}
    pools = data.train, data.held_out[:64], noise, noise
    return score_map.Held(setup.gan, start, (0, 1), 64, *pools, coverage=(0.0, 0.0))


def coefficient(network, k, mean):
    """c of M = c·ψ_k(s - m) + …: E M(m + e)ψ_k(e) by sums over a fine grid."""
    e = torch.linspace(-9, 9, 20001, dtype=torch.float64)
    weight = torch.exp(-(e**2) / 2)
    hermite = e if k == 1 else (e**2 - 1) / 2**0.5
    return (weight * hermite * network(mean + e)).sum() / weight.sum()


def test_the_gains_of_a_lane_are_those_of_steps_that_its_adam_would_make(small):
    """By differences: ±η·g/(√v̂ + ε) on D, R and F, and c and δ read before and after.

    v̂ has Adam's bias correction, which is 250-fold after four updates. The quadrature under test
    errs where ReLUs bend M, so c is compared less sharply than δ.
    """
    updates, lane, eta = 4, 1, 1e-9
    players = {"D": small.gan.discriminator, "R": MetaDiscriminator(), "F": MetaDiscriminator()}
    random = torch.Generator().manual_seed(1)
    noise = [
        {
            player: {
                name: 10 ** torch.randn(value.shape, generator=random) * 1e-3
                for name, value in params.items()
            }
            for player, params in small.start.items()
        }
        for _ in range(updates)
    ]
    adams = {player: Adam(1.0, eps=1e-8) for player in players}
    opt = {}
    for player, params in small.start.items():
        opt[player] = {"transform": adams[player].init(params)}
        for drawn in noise:
            moved = adams[player].update(drawn[player], opt[player]["transform"], params)
            opt[player] = {"transform": moved[1]}
    got = small._gains(TrainState(small.start, opt), lambda by_seed: by_seed)

    def gain(player, read):
        network = copy.deepcopy(players[player])
        network.load_state_dict({k: v[lane] for k, v in small.start[player].items()})
        network = network.double()
        here = {name: value.detach().clone() for name, value in network.named_parameters()}
        slope = torch.autograd.grad(read(network), list(network.parameters()))
        ends = []
        for sign in (1, -1):
            for (name, weight), g in zip(network.named_parameters(), slope, strict=True):
                v = sum(0.999 ** (updates - 1 - i) * noise[i][player][name][lane].double() ** 2
                        for i in range(updates)) * 0.001  # fmt: skip
                root = (v / (1 - 0.999**updates)).sqrt()
                weight.data = here[name] + sign * eta * g / (root + 1e-8)
            ends.append(read(network).item())
        return (ends[0] - ends[1]) / (2 * eta)

    def displacement(network, k, samples):
        scores = network(samples)
        return scores.mean() if k == 1 else ((scores - scores.mean()) ** 2).mean().sqrt()

    samples = small.held_out_fakes[lane].double(), small.held_out.double()
    for mode, k in MODES.items():
        meta = [gain(p, partial(coefficient, k=k, mean=m)) for p, m in (("F", 0.0), ("R", 1.0))]
        d = [gain("D", partial(displacement, k=k, samples=x)) for x in samples]
        assert got[f"meta_{mode}"][lane] == pytest.approx(np.mean(meta), rel=0.02)
        assert got[f"d_{mode}"][lane] == pytest.approx(np.mean(d), rel=1e-5)


def made_cells(setup):
    """Cells in which C3 holds where theory wants it, and KS falls with their damping."""
    gains = {"meta_mean": 70.0, "meta_deviation": 20.0, "d_mean": 2000.0, "d_deviation": 500.0}
    softness = np.array([70.0 / 2000.0, 20.0 / (2 * 500.0)])  # K/kκ of mean and deviation
    rows = []
    for program, penalties in setup.programs.items():
        for penalty, seed in product(penalties, range(setup.seeds)):
            a = 0.5 + 2 * penalty * np.array([1, 2])
            zeta = a * np.sqrt(program.tau * program.steps * softness)
            held = (zeta > ONE_TURN).all()
            values = {"c3": float(held), "ks": 1.0, "coverage": 0.6}
            rows.append(program._asdict() | {"penalty": penalty, "seed": seed} | values | gains)
    cells = pl.DataFrame(rows)
    return cells.with_columns(ks=1 - score_map.own_damping(cells, setup.lr))


def test_measured_rows_of_cells_that_follow_theory():
    """With steps so short that theory's first order is all of it."""
    setup = Setup(seeds=3, lr=1e-6)
    cells = made_cells(setup)
    rows = {(r.case, r.quantity): r.measured for r in score_map.rows_of(cells, setup, [0.6] * 3)}
    for seed in range(3):
        of = {name: value for (case, name), value in rows.items() if case == f"seed {seed}"}
        assert of[score_map.ONE_STEP] == 0
        assert of[score_map.TEN_STEPS] == 1
        assert of[score_map.DAMPED_SIDE] == 1
        assert of[score_map.DAMPED_CELLS] == 1
        assert of[score_map.RANK] == pytest.approx(-1)
        assert 1 <= of[score_map.STEPS_NEEDED] < 1 + 1 / 4
        assert of[score_map.COVERAGE] == 0.6


def test_what_theory_has_to_beat_stands_beside_it():
    """τ alone where KS falls with τ alone; and n* and λ* by critical damping, in closed form."""
    setup = Setup(seeds=1, lr=1e-6)
    cells = made_cells(setup).with_columns(ks=1 / pl.col("tau"))
    rows = {(r.case, r.quantity): r.measured for r in score_map.rows_of(cells, setup, [0.6])}
    assert rows["seed 0", score_map.RIVAL] == pytest.approx(-1)
    assert -0.95 < rows["seed 0", score_map.RANK] < 0
    for mode, k, step_meta, step_d in (("mean", 1, 70.0, 2000.0), ("deviation", 2, 20.0, 500.0)):
        of = {name: v for (_, name), v in rows.items() if name.endswith(f", {mode}")}
        n = score_game.critical_steps(k, 0.0, setup.lr * step_meta, setup.lr * step_d)
        assert of[f"n* by ζ = 1 at τ = 1, λ = 0, {mode}"] == pytest.approx(float(n), rel=1e-3)
        few = of[f"n* by ζ = 0.157 at τ = 1, λ = 0, {mode}"]
        assert few == pytest.approx(float(n) / (1 + 4 * np.pi**2), rel=1e-3)
        for tau in (0.1, 1):
            rates = setup.lr * step_meta * tau**0.5, setup.lr * step_d / tau**0.5
            penalty = float(score_game.critical_penalty(k, *rates))
            got = of[f"λ* by ζ = 1 at τ = {tau:g}, n = 1, {mode}"]
            assert got == pytest.approx(penalty, rel=1e-3)
            less = of[f"λ* by ζ = 0.157 at τ = {tau:g}, n = 1, {mode}"]
            damped = score_game.played(k, less, *rates)
            assert score_game.damping_ratio(damped) == pytest.approx(ONE_TURN, rel=1e-2)


@pytest.mark.parametrize("reached", [True, False])
def test_the_line_of_critical_damping_is_drawn_and_named_where_it_lies_in_the_map(reached):
    setup = Setup(seeds=1)
    much = 1.0 if reached else 1e6
    cells = made_cells(setup).with_columns(d_mean=2000.0 * much, d_deviation=500.0 * much)
    drawn = score_map.figure(setup, cells)(9.0)
    dotted = [line for line in drawn.axes[0].lines if line.get_linestyle() == ":"]
    names = [text.get_text() for legend in drawn.legends for text in legend.get_texts()]
    assert (len(dotted), score_map.EARLIER in names) == (reached, reached)
    for line in dotted:
        assert line.get_ydata().max() <= setup.points - 0.5


@pytest.mark.slow
def test_a_stopped_command_goes_on_and_then_draws(vral, tmp_path, monkeypatch):
    tiny = {name: value for name, value in asdict(TINY).items() if value != getattr(Setup(), name)}
    monkeypatch.setattr(score_map, "QUICK", tiny)
    train, trained = score_map.Held.train_cells, []

    def stops(self, setup, program):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(program)
        return train(self, setup, program)

    monkeypatch.setattr(score_map.Held, "train_cells", stops)
    assert vral("reproduce", "score-game", "--quick").exit_code == 130
    root = tmp_path / "runs" / "score-game-quick"
    assert pl.read_csv(root / "cells.csv").select(Program._fields).unique().height == 2
    monkeypatch.setattr(score_map.Held, "train_cells", train)
    result = vral("reproduce", "score-game", "--quick")
    assert result.exit_code == 0, result.output
    (start,) = json.loads((root / "provenance.json").read_text())["provenance"]
    assert start == dict(provenance())  # both commands ran the same code: one start to prove
    cells = pl.read_csv(root / "cells.csv")
    assert cells.height == 2 * (2 + 4 * 4)
    assert (root / "figures" / "score-game.png").stat().st_size > 5000
    monkeypatch.setattr(score_map.Held, "of", None)  # nothing is left to train
    assert vral("reproduce", "score-game", "--quick").exit_code == 0
    assert pl.read_csv(root / "cells.csv").equals(cells)
    other = vral("reproduce", "score-game", "--quick", "--updates", "20")
    assert "--updates: 3 → 20" in one_line_error(other)
