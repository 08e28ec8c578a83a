"""``vral spectrum``: a run's checkpoint, against finite differences of networks written plainly."""

import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from cases import PlainDiscriminator, flat, one_line_error, plain_generator, precise
from oracles import finite_difference
from torch.nn.functional import softplus

from vral.cli import spectrum as command
from vral.diagnostics.gamma_sweep import gamma_sweep
from vral.diagnostics.linearise import Map, field_map, jacobian
from vral.diagnostics.polish import polish
from vral.diagnostics.spectrum import spectrum
from vral.dynamics.trained import open_run
from vral.study.build import build_gan
from vral.study.config import resolve
from vral.study.folders import write_json
from vral.study.machine import Execution
from vral.study.numbers import number
from vral.study.run import execute
from vral.train.state import TrainState
from vral.types import from_vector, map_tensors, to_vector

SHAPE = {"dataset": "ring", "width": 4, "latent": 2, "batch": 8, "rounds": 2}
RULES = {
    "sgd": {"rule": "sgd", "lr": 0.1, "ratio": "2", "seeds": "0-1"},
    "momentum": {"rule": "momentum:momentum=-0.3", "lr": 0.1, "ratio": "2"},
    "adam": {"rule": "adam", "lr": 0.01, "ratio": "1", "play": "simultaneous"},
    "consensus": {"rule": "consensus:gamma=2", "transform": "sgd", "lr": 0.1}
    | {"play": "simultaneous", "instance_noise": 0.3},
}
SAMPLES = 32
CPU = Execution("cpu", compile="off")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run folder of every rule."""
    root = tmp_path_factory.mktemp("runs")
    for name, settings in RULES.items():
        execute(resolve("nonsaturating", {**SHAPE, **settings}), root / name, CPU)
    return root


def maps(runs, name, seed=0):
    trained = open_run(runs / name, CPU).at(seed, SAMPLES)
    return trained, dict(trained.maps())


def plain_field(trained):
    """-(∇L_G, ∇L_D) by ``backward`` on modules of their own; order of the profile's players."""
    modules = {
        "D": PlainDiscriminator(2, 4, "none").double(),
        "G": plain_generator(2, 4, "none", (2,))[:-2].double(),
    }
    real, latent = trained.draw["real"], trained.draw["latent"]

    def v(point):
        profile = from_vector(point, trained.profile)
        for player, module in modules.items():
            values = profile[player].values()
            for own, value in zip(module.parameters(), values, strict=True):
                own.data.copy_(value)
        fake = modules["G"](latent)
        losses = {
            "D": softplus(-modules["D"](real)).mean() + softplus(modules["D"](fake)).mean(),
            "G": softplus(-modules["D"](fake)).mean(),
        }
        found = {
            player: torch.autograd.grad(
                losses[player], list(modules[player].parameters()), retain_graph=True
            )
            for player in profile
        }
        return -torch.cat([value.flatten() for some in found.values() for value in some])

    return v


def plain_differences(function, point):
    return finite_difference(function, point).T.numpy()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_field_s_jacobian_is_that_of_plain_networks(runs, seed):
    trained, found = maps(runs, "sgd", seed)
    v, point = plain_field(trained), to_vector(trained.profile)
    torch.testing.assert_close(found["field"].function(point), v(point), rtol=1e-12, atol=1e-14)
    wanted = plain_differences(v, point)
    np.testing.assert_allclose(jacobian(found["field"]), wanted, atol=1e-7)


def test_seeds_differ_and_share_the_draw(runs):
    first, second = (maps(runs, "sgd", seed)[0] for seed in (0, 1))
    assert torch.equal(first.draw["real"], second.draw["real"])
    assert not torch.equal(flat(first.profile["D"]), flat(second.profile["D"]))
    saved = torch.load(runs / "sgd" / "checkpoint.pt", weights_only=True)["profile"]
    for player in "DG":
        lane = {name: value[1].double() for name, value in saved[player].items()}
        assert torch.equal(flat(second.profile[player]), flat(lane))


@pytest.mark.parametrize("name", ["sgd", "momentum"])
def test_the_round_s_jacobian_is_that_of_the_trainer_s_own_steps(runs, name):
    trained, found = maps(runs, name)
    config = open_run(runs / name, CPU).config.model_copy(update={"seeds": (0,)})
    training, _ = precise(config)
    one = {"profile": trained.profile, "opt": trained.opt}
    draw = map_tensors(lambda value: value[None], trained.draw)

    def one_round(point):
        tree = map_tensors(lambda value: value[None], from_vector(point, one))
        state = TrainState(tree["profile"], tree["opt"])
        for move in training.moves(0):
            state, _ = training.steps[move, False](state, draw)
        profile = {player: state.profile[player] for player in trained.profile}
        opt = {player: state.opt[player] for player in trained.opt}
        return to_vector({"profile": profile, "opt": opt}, 1)[0]

    assert training.moves(0) == [("D",), ("D",), ("G",)]
    assert torch.equal(found["round"].point, to_vector(one))
    wanted = plain_differences(one_round, to_vector(one))
    np.testing.assert_allclose(jacobian(found["round"]), wanted, atol=1e-7)


def test_an_adam_round_moves_parameters_and_means_and_holds_the_rest(runs):
    """Kingma and Ba's formulas with v and t of the checkpoint, on plain gradients."""
    trained, found = maps(runs, "adam")
    v, opt = plain_field(trained), trained.opt
    beta1, beta2, eps, lr = 0.5, 0.999, 3e-6, 0.01
    size = len(to_vector(trained.profile))
    square = to_vector({player: opt[player]["square"] for player in trained.profile})
    times = [opt[player]["count"].item() for player in trained.profile]
    assert times == [2, 2]
    root = (square / (1 - beta2**2)).sqrt() + eps

    def one_round(point):
        x, mean = point[:size], point[size:]
        mean = beta1 * mean - (1 - beta1) * v(x)
        return torch.cat([x - lr / (1 - beta1**2) * mean / root, mean])

    wanted = plain_differences(one_round, found["round"].point)
    np.testing.assert_allclose(jacobian(found["round"]), wanted, rtol=1e-6, atol=1e-6)


def test_a_simultaneous_round_is_one_plus_the_step_times_what_the_rule_follows(runs):
    trained, found = maps(runs, "consensus")
    assert list(found) == ["field", "direction", "round"]
    follows = jacobian(found["direction"])
    identity = np.eye(len(follows))
    np.testing.assert_allclose(jacobian(found["round"]), identity + 0.1 * follows, atol=1e-12)
    v = found["field"]

    def w(point):
        return v.function(point) - 2.0 * Map(v.function, point, False).transposed(v.function(point))

    np.testing.assert_allclose(follows, plain_differences(w, v.point), atol=1e-6)
    assert trained.gan.instance_noise == 0


def test_the_sweep_is_the_spectrum_with_that_penalty(runs):
    run = open_run(runs / "sgd", CPU)
    trained = run.at(0, SAMPLES)
    gammas = [0.0, 0.5, 3.0]
    sweep = gamma_sweep(trained.with_r1, trained.profile, trained.draw, gammas)
    for gamma, found in zip(gammas, sweep.abscissae, strict=True):
        config = run.config.model_copy(update={"r1": gamma})
        game = build_gan(config, (2,), "real").losses
        alone = spectrum(field_map(game, trained.profile, trained.draw))
        assert abs(found - alone.abscissa) < 1e-9
    assert sweep.residuals[-1] == alone.residual
    assert not sweep.stationary


def test_the_command_leaves_what_it_prints(vral, runs, tmp_path):
    given = ("spectrum", runs / "sgd", "--samples", SAMPLES, "--out", tmp_path / "out")
    result = vral(*given, "--seed", "1", "--gamma-sweep", "0:2:3")
    assert result.exit_code == 0, result.output
    trained, found = maps(runs, "sgd", 1)
    field = spectrum(found["field"])
    assert field.summary() in result.output
    first, second = field.summary().splitlines()[:2]
    assert first.startswith("‖v‖ = ")
    assert "say nothing about convergence" in second
    table = pl.read_csv(tmp_path / "out" / "eigenvalues-seed1.csv")
    got = table.filter(pl.col("map") == "field")
    values = got["real"].to_numpy() + 1j * got["imag"].to_numpy()
    np.testing.assert_allclose(values, field.eigenvalues, atol=1e-12)
    sweep = gamma_sweep(trained.with_r1, trained.profile, trained.draw, [0.0, 1.0, 2.0])
    saved = pl.read_csv(tmp_path / "out" / "gamma-0-2-3-seed1.csv")
    np.testing.assert_allclose(saved["abscissa"], sweep.abscissae, atol=1e-12)
    for withheld in ("critical damping at", "stable from γ", "stable up to", "stable step:"):
        assert withheld not in result.output
    assert "neither stability nor critical damping can be read off" in result.output
    for name in ("eigenvalues-seed1", "gamma-0-2-3-seed1"):
        assert (tmp_path / "out" / f"{name}.png").stat().st_size > 5000
    counts = pl.read_csv(tmp_path / "out" / "counts-seed1.csv")
    assert counts["positive"][0] == field.positive
    assert counts["largest_step"].null_count() == counts["radius"].null_count() == 2
    again = one_line_error(vral(*given[:3], SAMPLES + 1, *given[4:]))
    assert f"--samples: {SAMPLES} → {SAMPLES + 1}" in again


def never_together(trained):
    """The directions of G's weights that reach no output on the draw, from the activations alone.

    A weight counts if its two ends are never on together, a bias if its unit is never on, and what
    leads into a unit of the first layer if it is never on together with any unit that it feeds.
    """
    weights = {name: trained.profile["G"][f"body.{name}"] for name in NAMES_OF_G}
    first = trained.draw["latent"] @ weights["0.0.weight"].T + weights["0.0.bias"] > 0
    hidden = (trained.draw["latent"] @ weights["0.0.weight"].T + weights["0.0.bias"]).relu()
    second = hidden @ weights["1.0.weight"].T + weights["1.0.bias"] > 0
    apart = (first.double().T @ second.double()) == 0
    dead, unheard = int((~second.any(0)).sum()), int(apart.all(1).sum())
    counts = {
        "0.0.weight": unheard * weights["0.0.weight"].shape[1],
        "0.0.bias": unheard,
        "1.0.weight": int(apart.sum()),
        "1.0.bias": dead,
        "2.weight": dead * len(weights["2.weight"]),
    }
    return {f"G.body.{name}": count for name, count in counts.items() if count}


NAMES_OF_G = ("0.0.weight", "0.0.bias", "1.0.weight", "1.0.bias", "2.weight")


@pytest.mark.parametrize("dead", [False, True])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_v_and_a_round_share_the_null_directions_that_the_activations_tell(runs, name, dead):
    """Adam's moments and step sizes, and D's update before G's, leave them as they are."""
    trained = open_run(runs / name, CPU).at(0, SAMPLES)
    if dead:
        bias = trained.profile["G"]["body.0.0.bias"].clone()
        bias[0] = -100
        params = {**trained.profile["G"], "body.0.0.bias": bias}
        trained = replace(trained, profile={**trained.profile, "G": params})
    wanted = never_together(trained)
    assert sum(wanted.values()) > (10 if dead else 5)
    for _, its_map in trained.maps():
        got = spectrum(its_map)
        assert got.nullity == sum(wanted.values())
        assert got.null_in == pytest.approx(wanted, abs=1e-6)


def stop_before(monkeypatch, map_number):
    """As if Ctrl-C came while the map of this number is under way; the numbers of those begun."""
    begun = []

    def spectrum_or_stop(*arguments, **options):
        begun.append(len(begun))
        if len(begun) > map_number:
            raise KeyboardInterrupt
        return spectrum(*arguments, **options)

    monkeypatch.setattr(command, "spectrum", spectrum_or_stop)
    return begun


def test_a_stopped_command_keeps_what_it_found_and_goes_on_there(vral, runs, tmp_path, monkeypatch):
    given = ("spectrum", runs / "sgd", "--samples", SAMPLES, "--out")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert vral(*given, whole).exit_code == 0
    with monkeypatch.context() as patch:
        stop_before(patch, 1)
        result = vral(*given, parts)
    assert result.exit_code == 130
    assert "the same command goes on behind what is found" in result.output
    table = pl.read_csv(parts / "eigenvalues-seed0.csv")
    assert set(table["map"]) == {"field"}
    assert len(table) == 79
    with monkeypatch.context() as patch:
        begun = stop_before(patch, 100)
        result = vral(*given, parts)
        assert result.exit_code == 0, result.output
    assert len(begun) == 3  # two seeds of two maps, less the one that was there
    tables = sorted(path.name for path in whole.glob("*.csv"))
    assert tables == [f"{it}-seed{seed}.csv" for it in ("counts", "eigenvalues") for seed in (0, 1)]
    for name in tables:
        assert (parts / name).read_bytes() == (whole / name).read_bytes()
    with monkeypatch.context() as patch:
        begun = stop_before(patch, 0)
        again = vral(*given, parts)
    assert not begun
    assert again.output == result.output


def test_a_changed_table_is_not_taken_for_what_was_found(vral, runs, tmp_path):
    given = ("spectrum", runs / "sgd", "--samples", SAMPLES, "--seed", "0", "--out", tmp_path / "o")
    assert vral(*given).exit_code == 0
    path = tmp_path / "o" / "eigenvalues-seed0.csv"
    text = path.read_text()
    path.write_text(text.replace("field,0.", "field,1.", 1))
    assert path.read_text() != text
    assert "eigenvalues-seed0.csv" in one_line_error(vral(*given))


def test_polishing_goes_to_a_point_at_rest_and_says_how_far_and_of_what_kind(
    vral, runs, tmp_path, monkeypatch
):
    given = ("spectrum", runs / "adam", "--samples", SAMPLES, "--polish", "--out", tmp_path / "out")
    result = vral(*given)
    assert result.exit_code == 0, result.output
    start, found = maps(runs, "adam")
    point = pl.read_csv(tmp_path / "out/polished-seed0.csv")["coordinate"].to_torch()
    there = found["field"]._replace(point=point)
    assert there.residual < 1e-6 < found["field"].residual
    moved = {
        player: flat(from_vector(point, start.profile)[player]) - flat(start.profile[player])
        for player in "GD"
    }
    for player, way in moved.items():
        share = (way.norm() / flat(start.profile[player]).norm()).item()
        assert f"{player} by {share:.2%}" in result.output
    assert (
        f"‖v‖ from {number(found['field'].residual)} to {number(there.residual)}" in result.output
    )
    # D is constant there: log 2 for G, twice that for D, and no signal
    assert "loss of D" in result.output
    assert "→ 1.39" in result.output
    assert "D tells G nothing there" in result.output
    assert "stationary, so the eigenvalues count" in result.output
    assert "kind of point: " in result.output
    counts = pl.read_csv(tmp_path / "out" / "counts-seed0.csv")
    assert counts["stationary"].all()
    assert counts.filter(pl.col("map") == "field")["largest_step"].null_count() == 0
    monkeypatch.setattr(command, "polish", None)  # it is not searched for again
    assert vral(*given).output == result.output
    other = one_line_error(vral(*given[:4], "--out", tmp_path / "out"))
    assert "--polish: True → False" in other


def test_where_no_stationary_point_is_found_nothing_is_read_off(vral, runs, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "polish", lambda field, progress: polish(field, 1))
    given = ("--samples", SAMPLES, "--seed", "0", "--polish", "--out", tmp_path / "out")
    result = vral("spectrum", runs / "sgd", *given)
    assert result.exit_code == 0, result.output
    assert "in 1 steps, and no further: not below 1e-06, so no stationary point" in result.output
    assert "kind of point" not in result.output
    assert "stable step:" not in result.output
    counts = pl.read_csv(tmp_path / "out" / "counts-seed0.csv")
    assert not counts["stationary"].any()


def test_seeds_are_written_as_for_training(vral, runs, tmp_path):
    given = ("--samples", SAMPLES, "--seed", "0-1", "--out", tmp_path / "out")
    result = vral("spectrum", runs / "sgd", *given)
    assert result.exit_code == 0, result.output
    assert [line for line in result.output.splitlines() if line in ("seed 0", "seed 1")] == [
        "seed 0",
        "seed 1",
    ]


def test_arnoldi_finds_the_rightmost_of_all(vral, runs, tmp_path):
    given = ("--seed", "0", "--samples", SAMPLES, "--arnoldi", "3", "--out", tmp_path / "out")
    result = vral("spectrum", runs / "sgd", *given)
    assert result.exit_code == 0, result.output
    table = pl.read_csv(tmp_path / "out" / "eigenvalues-seed0.csv")
    _, found = maps(runs, "sgd")
    for name, linearised in found.items():
        here = table.filter(pl.col("map") == name)
        assert abs(here["real"].max() - spectrum(linearised).eigenvalues.real.max()) < 1e-8
        assert here["error"].max() < 1e-8


@pytest.fixture
def broken(runs, tmp_path):
    """A copy of a run folder, to be damaged."""
    return shutil.copytree(runs / "sgd", tmp_path / "broken")


def without_checkpoint(folder, runs):
    (folder / "checkpoint.pt").unlink()


def corrupt(folder, runs):
    path = folder / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:500])


def foreign(folder, runs):
    torch.save({"weights": torch.ones(3)}, folder / "checkpoint.pt")


def of_another_rule(folder, runs):
    shutil.copy(runs / "momentum" / "checkpoint.pt", folder / "checkpoint.pt")


def of_another(**settings):
    """The checkpoint of a run whose tensors have the same shapes."""

    def damage(folder, runs):
        other = resolve("nonsaturating", {**SHAPE, **RULES["sgd"], **settings})
        execute(other, folder.parent / "other", CPU)
        shutil.copy(folder.parent / "other" / "checkpoint.pt", folder)

    return damage


def of_other_networks(folder, runs):
    """As a version whose networks differ would leave it."""
    content = torch.load(folder / "checkpoint.pt", weights_only=True)
    weights = content["profile"]["G"]
    weights["body.0.0.weight"] = weights["body.0.0.weight"][:, :3].clone()
    torch.save(content, folder / "checkpoint.pt")


def of_other_inputs(folder, runs):
    content = torch.load(folder / "checkpoint.pt", weights_only=True)
    content["stream"].popitem()
    torch.save(content, folder / "checkpoint.pt")


def unknown_setting(folder, runs):
    report = json.loads((folder / "run.json").read_text())
    report["config"]["objective"] = "hinted"
    write_json(folder / "run.json", report)


def everything_clipped(folder, runs):
    report = json.loads((folder / "run.json").read_text())
    report["config"] |= {"clip": 0.1, "clip_scope": "everything"}
    write_json(folder / "run.json", report)


def spectrally_normal(folder, runs):
    report = json.loads((folder / "run.json").read_text())
    report["config"] |= {"norm_d": "spectral"}
    write_json(folder / "run.json", report)


def not_a_number(folder, runs):
    content = torch.load(folder / "checkpoint.pt", weights_only=True)
    content["profile"]["D"]["score.weight"][1] = torch.nan
    torch.save(content, folder / "checkpoint.pt")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (without_checkpoint, "has no checkpoint.pt"),
        (corrupt, "is corrupt"),
        (foreign, "is corrupt"),
        (of_another_rule, "checkpoint.pt belongs to another run"),
        (of_another(objective="lsgan"), "checkpoint.pt belongs to another run"),
        (of_another(lr=0.2), "checkpoint.pt belongs to another run"),
        (of_another(seeds="2-3"), "checkpoint.pt belongs to another run"),
        (of_other_networks, "G.body.0.0.weight is 2×3×2 there, 2×4×2 by run.json"),
        (of_other_inputs, "they draw different inputs"),
        (unknown_setting, "is not of this version: --objective: 'hinted'"),
        (everything_clipped, "--clip-scope everything"),
        (spectrally_normal, "trained with --norm-d spectral"),
        (not_a_number, "D's parameters are not finite at seed 1"),
    ],
)
def test_a_damaged_run_is_refused_in_one_line(vral, broken, runs, damage, said):
    damage(broken, runs)
    before = {path: path.read_bytes() for path in broken.rglob("*") if path.is_file()}
    assert said in one_line_error(vral("spectrum", broken))
    assert before == {path: path.read_bytes() for path in broken.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--gamma-sweep", "-1:2:5"], "--gamma-sweep: '-1:2:5' given; allowed: A:B:N"),
        (["--gamma-sweep", "0:nan:5"], "--gamma-sweep"),
        (["--gamma-sweep", "1:2"], "--gamma-sweep"),
        (["--seed", "7"], "--seed: 7 given; allowed: 0, 1"),
        (["--seed", "0-2"], "--seed: 2 given; allowed: 0, 1"),
        (["--seed", "1,1"], "--seed: '1,1' given; allowed: a seed"),
        (["--seed", "x"], "--seed: 'x' given"),
        (["--samples", "0"], "--samples"),
        (["--arnoldi", "1000"], "--arnoldi: 1000 given; allowed: 1 to"),
    ],
)
def test_bad_options_are_one_line_and_leave_no_trace(vral, runs, arguments, said):
    assert said in one_line_error(vral("spectrum", runs / "sgd", *arguments))
    assert not (runs / "sgd" / "spectrum").exists()


def test_a_folder_that_is_no_run_is_refused(vral, tmp_path):
    (tmp_path / "study").mkdir()
    assert "holds no run.json" in one_line_error(vral("spectrum", "study"))
    assert "holds no run.json" in one_line_error(vral("spectrum", "nowhere"))
