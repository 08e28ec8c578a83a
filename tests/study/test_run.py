"""A run folder: the same bits every time, whatever interrupts it."""

import itertools
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from cases import lane, tiny
from polars.testing import assert_frame_equal

from vral.diagnostics import optimality, quality
from vral.diagnostics.probe import held_out_draw
from vral.diagnostics.usefulness import USEFULNESS_METRICS, usefulness
from vral.errors import ConfigError, FolderError
from vral.penalties import input_gradient
from vral.study import build, run
from vral.study.config import resolve
from vral.study.folders import write_json
from vral.study.machine import Execution
from vral.study.methods import METHODS
from vral.study.run import execute
from vral.train import executor
from vral.train.compile import compile_program, traced
from vral.train.records import Recorder, read_parts
from vral.train.schedule import Ratio
from vral.train.state import Clock

CPU = Execution(device="cpu")


def ring(method: str = "vral-meta", **given):
    """A small run on points in the plane, whose quality needs no classifier."""
    settings = {"dataset": "ring", "rounds": 8, "ratio": "3", "record_every": 1, "probe_every": 4}
    return tiny(method, **{**settings, **given})


def content(folder) -> dict:
    """All that a run computed: tables, parameters, optimisers, random states; no times.

    Into which parts its tables are cut depends on the time between two flushes.
    """
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)
    del saved["manifest"]
    return {
        "records": read_parts(folder / "records").sort("seed", "d_updates"),
        "probes": read_parts(folder / "probes").sort("seed", "round"),
        "samples": {p.name: dict(np.load(p)) for p in sorted((folder / "samples").iterdir())},
        **saved,
    }


def assert_same(first, second) -> None:
    """Bit for bit."""
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for name in first:
            assert_same(first[name], second[name])
    elif isinstance(first, pl.DataFrame):
        assert first.schema == second.schema
        assert first.equals(second)
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    elif isinstance(first, np.ndarray):
        assert np.array_equal(first, second)
    else:
        assert first == second


def after(rounds: int):
    """A ``stop`` that becomes true after so many rounds."""
    calls = itertools.count(1)
    return lambda: next(calls) >= rounds


def listing(folder) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


# --- the same bits -------------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [(3,), (0, 1, 4)])
def test_same_seed_same_bits(tmp_path, seeds):
    for name in "ab":
        report = execute(ring(seeds=seeds), tmp_path / name, CPU)
        assert (report["status"], report["rounds_done"]) == ("finished", 8)
    assert_same(content(tmp_path / "a"), content(tmp_path / "b"))


def test_other_seeds_other_bits(tmp_path):
    for seed in (0, 1):
        execute(ring(seeds=(seed,), rounds=2), tmp_path / str(seed), CPU)
    first, second = content(tmp_path / "0"), content(tmp_path / "1")
    assert not torch.equal(
        first["profile"]["D"]["score.weight"], second["profile"]["D"]["score.weight"]
    )
    assert (first["records"]["loss_D"] != second["records"]["loss_D"]).all()


EXPERTS = {"norm_d": "spectral", "norm_g": "batch", "ema_g": 0.9}


@pytest.mark.parametrize(
    ("method", "given", "flush_seconds"),
    [
        ("vral-meta", {}, 0.0),
        ("vral-parzen", {}, 1e9),
        ("wgan-gp", {}, 0.0),
        ("r3gan", EXPERTS, 0.0),
    ],
)
def test_stopped_and_resumed_equals_uninterrupted(
    tmp_path, monkeypatch, method, given, flush_seconds
):
    monkeypatch.setattr(run, "FLUSH_SECONDS", flush_seconds)
    config = ring(method, seeds=(0, 5), ratio="66x1,1:2", rounds=6, **given)
    execute(config, tmp_path / "whole", CPU)
    for stop in (after(1), after(2), after(2)):
        report = execute(config, tmp_path / "parts", CPU, stop=stop)
        assert report["status"] == "stopped"
    assert report["rounds_done"] == 5
    assert execute(config, tmp_path / "parts", CPU)["status"] == "finished"
    assert_same(content(tmp_path / "whole"), content(tmp_path / "parts"))


@pytest.mark.slow
def test_a_compiled_run_resumes_to_the_same_bits_and_in_the_same_mode(tmp_path, monkeypatch):
    """On graphs as they reach the compiler; machine code is test_compile's subject."""
    monkeypatch.setattr(
        executor,
        "compile_program",
        lambda program, state, draws: compile_program(program, state, draws, traced),
    )
    config = ring("lsgan", ratio="2", rounds=6)
    on = Execution("cpu", compile="on")
    execute(config, tmp_path / "whole", on)
    assert execute(config, tmp_path / "parts", on, stop=after(3))["status"] == "stopped"
    report = execute(config, tmp_path / "parts", CPU)
    assert report["status"] == "finished"
    assert report["mode"] == {"compiled": True, "failure": None}
    assert_same(content(tmp_path / "whole"), content(tmp_path / "parts"))


def test_more_rounds_continue_a_finished_run(tmp_path):
    """The last round is always probed, so only probes in every round agree."""
    execute(ring(rounds=8, probe_every=1), tmp_path / "whole", CPU)
    report = execute(ring(rounds=4, probe_every=1), tmp_path / "raised", CPU)
    assert (report["status"], report["rounds_done"]) == ("finished", 4)
    report = execute(ring(rounds=8, probe_every=1), tmp_path / "raised", CPU)
    assert (report["status"], report["rounds_done"]) == ("finished", 8)
    assert_same(content(tmp_path / "whole"), content(tmp_path / "raised"))


def test_an_averaged_generator_is_shown_and_not_played(tmp_path):
    """Training, records and what D says are as without; samples and quality are the average's."""
    for name, decay in (("plain", 0.0), ("averaged", 0.9)):
        execute(ring("lsgan", seeds=(0, 5), ema_g=decay, lr=0.01), tmp_path / name, CPU)
    plain, averaged = content(tmp_path / "plain"), content(tmp_path / "averaged")
    for part in ("profile", "opt", "records", "stream"):
        assert_same(plain[part], averaged[part])
    of_d = ["seed", "round", "auc", "median_signal_fake", "held_out_var_fake", "scores_fake"]
    assert plain["probes"].select(of_d).equals(averaged["probes"].select(of_d))
    last = -1  # before the first update of G both are G's start
    assert plain["probes"]["reverse_kl"][0] == averaged["probes"]["reverse_kl"][0]
    assert plain["probes"]["reverse_kl"][last] != averaged["probes"]["reverse_kl"][last]
    config = ring("lsgan", seeds=(0, 5), ema_g=0.9, lr=0.01)
    parts = build.build(config, run.HERE.load("ring"))
    before = parts.initial.averages["G"]
    assert plain["averages"] == {}
    for name, value in averaged["averages"]["G"].items():
        moved = averaged["profile"]["G"][name] - before[name]
        gap = value - before[name]  # it follows, and lags behind
        assert 0 < torch.linalg.vector_norm(gap) < 0.8 * torch.linalg.vector_norm(moved)


def test_an_average_begins_at_the_warmed_up_generator(tmp_path):
    config = ring("lsgan", ema_g=0.5, warmup=3)
    data = run.HERE.load("ring")
    warm = build.warmed_up(config, build.build(config, data), data).initial
    assert_same(dict(warm.profile["G"]), dict(warm.averages["G"]))
    assert warm.averages["G"] is not warm.profile["G"]


def test_a_finished_run_is_not_trained_again(tmp_path):
    config = ring(rounds=2)
    execute(config, tmp_path, CPU)
    before, rounds = listing(tmp_path), []
    assert execute(config, tmp_path, CPU, progress=rounds.append)["status"] == "finished"
    assert listing(tmp_path) == before
    assert rounds == []


KILLER = """
import os, random, signal, sys, time
from pathlib import Path
import scipy.stats, sklearn.metrics, torch
torch.set_num_threads(1)
import vral.study.run as run
from vral.study.config import RunConfig
from vral.study.machine import Execution

run.FLUSH_SECONDS = 0.01
config, folder = RunConfig.model_validate_json(sys.argv[1]), Path(sys.argv[2])


def start(folder):
    child = os.fork()
    if child == 0:
        run.execute(config, folder, Execution(device="cpu"))
        os._exit(0)
    return child


assert os.waitpid(start(folder / "whole"), 0)[1] == 0
for kills in range(5):
    child = start(folder / "killed")
    checkpoint = folder / "killed" / "checkpoint.pt"
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
        time.sleep(0.001)
        if os.waitpid(child, os.WNOHANG)[0]:
            sys.exit(f"the run ended after {kills} kills")
    time.sleep(random.uniform(0.0, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


@pytest.mark.slow
def test_killed_at_any_moment_and_resumed_equals_uninterrupted(tmp_path):
    """Five times, each at a random moment after the first checkpoint of that life."""
    config = ring(seeds=(0, 1), rounds=50, ratio="2", probe_every=10)
    killer = subprocess.run(
        [sys.executable, "-c", KILLER, config.model_dump_json(), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert killer.returncode == 0, killer.stderr
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    assert run.read_run(killed)["status"] == "running"
    report = execute(config, killed, CPU)
    assert (report["status"], report["rounds_done"]) == ("finished", 50)
    assert_same(content(whole), content(killed))
    assert [p.name for p in killed.rglob(".*") if p.name != ".lock"] == []


@pytest.mark.parametrize("number", [1, 5, 8])
def test_cut_off_right_after_a_round_it_finishes_later(tmp_path, monkeypatch, number):
    """The cut falls after a checkpoint and before the status is settled."""
    monkeypatch.setattr(run, "FLUSH_SECONDS", 0.0)

    def cut(rounds: int) -> None:
        if rounds == number:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(ring(), tmp_path / "cut", CPU, progress=cut)
    report = execute(ring(), tmp_path / "cut", CPU)
    assert (report["status"], report["rounds_done"]) == ("finished", 8)
    execute(ring(), tmp_path / "whole", CPU)
    assert_same(content(tmp_path / "whole"), content(tmp_path / "cut"))


def test_cut_off_between_records_and_checkpoint_nothing_counts_twice(tmp_path, monkeypatch):
    save = run.checkpoint.save

    def cut(path, identity, state, stream, clock, *noted):
        if clock.round == 6:
            raise KeyboardInterrupt
        save(path, identity, state, stream, clock, *noted)

    with monkeypatch.context() as patch:
        patch.setattr(run, "FLUSH_SECONDS", 0.0)
        patch.setattr(run.checkpoint, "save", cut)
        with pytest.raises(KeyboardInterrupt):
            execute(ring(), tmp_path / "cut", CPU)
    execute(ring(), tmp_path / "cut", CPU)
    execute(ring(), tmp_path / "whole", CPU)
    assert_same(content(tmp_path / "whole"), content(tmp_path / "cut"))


# --- whose folder --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.002}, "--lr: 0.001 → 0.002"),
        ({"rounds": 3}, "--rounds: 4 → 3"),
        ({"seeds": (1,)}, "--seed: [0] → [1]"),
        ({"ratio": "4"}, "--ratio: 3 → 4"),
        ({"record_every": 2}, "--record-every: 1 → 2"),
    ],
)
def test_another_configuration_is_refused_and_nothing_is_lost(tmp_path, change, message):
    execute(ring(rounds=4), tmp_path, CPU)
    before = listing(tmp_path)
    with pytest.raises(FolderError) as raised:
        execute(ring(**{"rounds": 4, **change}), tmp_path, CPU)
    assert message in str(raised.value)
    assert listing(tmp_path) == before


def test_a_run_from_before_a_setting_existed_goes_on_with_its_default(tmp_path):
    whole, old = tmp_path / "whole", tmp_path / "old"
    execute(ring(rounds=6), whole, CPU)
    execute(ring(rounds=3), old, CPU)
    report = json.loads((old / "run.json").read_text())
    for newer in ("precision", "variant", "generator", "play", "transform"):
        del report["config"][newer]
    del report["mode"]
    write_json(old / "run.json", report)
    execute(ring(rounds=6), old, CPU)
    assert_frame_equal(content(old)["records"], content(whole)["records"])
    with pytest.raises(FolderError, match="--precision: float32 → bf16"):
        execute(ring(rounds=6, precision="bf16"), old, CPU)


def test_a_run_begun_on_a_cpu_goes_on_there_beside_a_gpu_bit_for_bit(tmp_path, monkeypatch):
    execute(ring(rounds=6), tmp_path / "whole", CPU)
    execute(ring(rounds=6), tmp_path / "parts", CPU, stop=after(3))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    before = listing(tmp_path / "parts")
    with pytest.raises(ConfigError, match=r"--device: cuda given.*begun on cpu.*auto, cpu"):
        execute(ring(rounds=6), tmp_path / "parts", Execution("cuda"))
    assert listing(tmp_path / "parts") == before
    assert execute(ring(rounds=6), tmp_path / "parts", Execution("auto"))["status"] == "finished"
    assert_same(content(tmp_path / "whole"), content(tmp_path / "parts"))


def as_if_on_a_gpu(folder) -> None:
    """The state of a generator on a GPU is a seed and an offset: 16 bytes."""
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)
    saved["stream"] = {name: torch.zeros(16, dtype=torch.uint8) for name in saved["stream"]}
    torch.save(saved, folder / "checkpoint.pt")
    report = json.loads((folder / "run.json").read_text())
    report["machine"]["device"] = "NVIDIA H100 80GB HBM3"
    write_json(folder / "run.json", report)


@pytest.mark.parametrize(
    ("device", "allowed"), [("auto", "a machine with a GPU"), ("cpu", "auto, cuda")]
)
def test_a_run_begun_on_a_gpu_is_not_continued_on_a_cpu(tmp_path, monkeypatch, device, allowed):
    execute(ring(rounds=2), tmp_path, CPU)
    as_if_on_a_gpu(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = listing(tmp_path)
    with pytest.raises(ConfigError, match=rf"--device: {device} given.*begun on cuda.*{allowed}"):
        execute(ring(rounds=4), tmp_path, Execution(device))
    assert listing(tmp_path) == before
    assert execute(ring(rounds=2), tmp_path, Execution(device))["status"] == "finished"


@pytest.mark.parametrize(
    "other", [{"method": "nonsaturating"}, {"lr": 0.002}, {"seeds": (1,)}, {"probe_every": 2}]
)
def test_a_checkpoint_of_another_run_is_refused_and_nothing_is_lost(tmp_path, other):
    """All tensors have the same shapes."""
    mine, foreign = tmp_path / "mine", tmp_path / "foreign"
    execute(ring("lsgan", rounds=3), mine, CPU)
    execute(ring(**{"method": "lsgan", "rounds": 3, **other}), foreign, CPU)
    shutil.copy(foreign / "checkpoint.pt", mine)
    (mine / ".run.json.1.tmp").write_text("")  # as a kill leaves it
    before = listing(mine)
    with pytest.raises(FolderError, match=r"mine/checkpoint.pt belongs to another run"):
        execute(ring("lsgan", rounds=4), mine, CPU)
    assert listing(mine) == before


def test_a_checkpoint_without_an_identity_is_refused(tmp_path):
    execute(ring(rounds=1), tmp_path, CPU)
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del saved["identity"]
    torch.save(saved, tmp_path / "checkpoint.pt")
    with pytest.raises(FolderError, match="is corrupt or of an earlier version"):
        execute(ring(rounds=2), tmp_path, CPU)


def test_every_difference_is_listed(tmp_path):
    execute(ring(rounds=1), tmp_path, CPU)
    with pytest.raises(FolderError, match=r"--batch: 16 → 8.*--lr: 0.001 → 0.1"):
        execute(ring(rounds=1, batch=8, lr=0.1), tmp_path, CPU)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("final")
    with pytest.raises(FolderError, match="--out"):
        execute(ring(), tmp_path, CPU)
    assert listing(tmp_path) == {"thesis.txt": b"final"}


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(FolderError, match="--out"):
        execute(ring(), tmp_path / "file", CPU)


def test_two_writers_are_one_too_many(tmp_path):
    execute(ring(rounds=2), tmp_path, CPU)
    before = listing(tmp_path)
    with run.locked(tmp_path), pytest.raises(FolderError, match="another process"):
        execute(ring(rounds=4), tmp_path, CPU)
    assert listing(tmp_path) == before
    assert execute(ring(rounds=4), tmp_path, CPU)["status"] == "finished"


def test_a_second_writer_is_refused_while_the_first_trains(tmp_path):
    def second(rounds: int) -> None:
        with pytest.raises(FolderError, match="another process"):
            execute(ring(), tmp_path, CPU)

    assert execute(ring(), tmp_path, CPU, progress=second)["rounds_done"] == 8


# --- divergence ----------------------------------------------------------------------------------


@pytest.mark.parametrize("lr", [1e6, 1e3])
def test_divergence_is_recorded_with_update_and_reading(tmp_path, lr):
    config = ring("wgan", clip=0.0, rule="sgd", lr=lr, rounds=40, probe_every=1)
    report = execute(config, tmp_path, CPU)
    assert report["status"] == "diverged"
    (found,) = report["diverged"]
    assert found["seed"] == 0
    assert not np.isfinite(float(found["value"]))
    records = read_parts(tmp_path / "records").sort("d_updates")
    assert records["d_updates"].to_list() == list(range(1, found["d_update"] + 1))
    values = records.select(pl.selectors.float())
    bad = values.select(pl.all().is_finite().fill_null(True).all())  # per reading
    assert not bad[found["reading"]][0]
    earlier = values.head(len(values) - 1)
    assert earlier.select(pl.all_horizontal(pl.all().is_finite().fill_null(True)).all()).item()
    on_disk = json.loads((tmp_path / "run.json").read_text())
    assert (on_disk["status"], on_disk["diverged"]) == ("diverged", [found])
    assert execute(config, tmp_path, CPU)["status"] == "diverged"


@pytest.mark.parametrize("sickness", [float("nan"), 1e10, 1e25])
@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value encountered")
def test_a_diverging_lane_leaves_the_others_alone(tmp_path, monkeypatch, sickness):
    """Parameters that are no numbers, and finite ones whose losses or scores are not."""
    healthy = build.start

    def sick(networks, seeds, device):
        profile = healthy(networks, seeds, device)
        if 1 in seeds:
            for value in profile["D"].values():
                value[seeds.index(1)] *= sickness
        return profile

    monkeypatch.setattr(build, "start", sick)
    config = ring("lsgan", rounds=8)
    report = execute(config.model_copy(update={"seeds": (0, 1, 2)}), tmp_path / "three", CPU)
    assert report["status"] == "finished"
    assert [(entry["seed"], entry["d_update"]) for entry in report["diverged"]] == [(1, 1)]
    execute(config.model_copy(update={"seeds": (0, 2)}), tmp_path / "two", CPU)
    three, two = content(tmp_path / "three"), content(tmp_path / "two")
    for i, j in ((0, 0), (2, 1)):
        assert_same(lane(three["profile"], i), lane(two["profile"], j))
    others = pl.col("seed") != 1
    # Where a lane lies in memory may round a sigmoid differently, so readings agree to rounding.
    assert_frame_equal(three["records"].filter(others), two["records"], rel_tol=1e-6)
    assert three["records"].filter(~others)["d_updates"].to_list() == [1]
    assert_same(three["probes"].filter(others), two["probes"])


# --- what is kept --------------------------------------------------------------------------------


@pytest.mark.parametrize("rounds", [401, 1000, 5000, 12_345, 50_000])
def test_fifty_to_one_keeps_about_10_000_readings(rounds):
    config = resolve("nonsaturating", {"ratio": "50:1", "rounds": rounds})
    assert 5_000 <= 50 * rounds // config.recorded_every <= 10_000


@pytest.mark.parametrize("rounds", [1, 200])
def test_short_runs_keep_everything(rounds):
    assert resolve("nonsaturating", {"ratio": "50", "rounds": rounds}).recorded_every == 1


@pytest.mark.parametrize("ratio", ["1", "5", "7", "50", "1:4", "100x25,5", "7x3,5", "3x10,50"])
def test_thinned_records_keep_gs_readings(ratio):
    """A reading of G belongs to the D update before it, so that one must be among the kept."""
    rounds = 30_000
    config = resolve("nonsaturating", {"ratio": ratio, "rounds": rounds})
    parsed, recorder = Ratio.parse(ratio), Recorder((0,), config.recorded_every, 64)
    kept = 0
    for number in range(1000, 2000):
        (first, _), (last, _) = parsed.totals(number), parsed.totals(number + 1)
        recorder.begin_round(Clock(d_updates=first), [("D",)] * (last - first))
        kept += recorder.stamp(("D",), Clock(d_updates=last)).due
    assert kept >= 50


def test_thinning_keeps_the_same_readings_as_none(tmp_path):
    for every in (1, 3):
        execute(ring(record_every=every), tmp_path / str(every), CPU)
    every = read_parts(tmp_path / "1" / "records").sort("d_updates")
    thinned = read_parts(tmp_path / "3" / "records").sort("d_updates")
    kept = pl.col("d_updates").is_in(thinned["d_updates"].to_list())
    assert_same(every.filter(kept), thinned.select(every.columns))
    assert 0 < len(thinned) < len(every)


def test_clocks_agree(tmp_path):
    execute(ring(rounds=4, ratio="5x2,1:3", seeds=(0, 1)), tmp_path, CPU)
    records = read_parts(tmp_path / "records")
    assert (records["images"] == 16 * records["d_updates"]).all()
    one = records.filter(pl.col("seed") == 0).sort("d_updates")
    assert one["round"].to_list() == [0] * 5 + [1] * 5 + [2, 3]
    assert one["g_updates"].to_list() == [0] * 5 + [1] * 5 + [2, 5]
    has_g = one["loss_G"].is_not_null().to_list()
    assert has_g == ([False] * 4 + [True]) * 2 + [True, True]
    assert one["loss_F"].is_not_null().all()
    probes = read_parts(tmp_path / "probes").filter(pl.col("seed") == 0).sort("round")
    assert probes.select("round", "d_updates", "g_updates").rows() == [(0, 5, 0), (3, 12, 5)]


def test_optimality_probe_adds_columns_and_changes_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(optimality, "WINDOW", 10)
    for probe in ("none", "optimality"):
        config = ring("nonsaturating", rounds=2, ratio="1", seeds=(0, 1), probe=probe)
        execute(config, tmp_path / probe, CPU)
    without, with_probe = (content(tmp_path / probe) for probe in ("none", "optimality"))
    added = set(with_probe["probes"].columns) - set(without["probes"].columns)
    assert added == {
        "optimality_loss_gap",
        "optimality_auc_before",
        "optimality_auc_after",
        "optimality_updates",
        "optimality_converged",
    }
    last = with_probe["probes"].filter(pl.col("round") == 1)
    assert len(last) == 2
    assert (last["optimality_loss_gap"] > 0).all()
    assert (last["optimality_auc_after"] > last["optimality_auc_before"]).all()
    with_probe["probes"] = with_probe["probes"].drop(added)
    assert with_probe.pop("identity") != without.pop("identity")
    assert_same(without, with_probe)


@pytest.mark.parametrize(
    "given",
    [
        {"meta_input": "batch"},
        {"instance_noise": 0.1, "hidden_noise": 0.1},
        {"norm_d": "batch", "seeds": (0, 1)},
    ],
)
def test_optimality_probe_takes_every_game(tmp_path, monkeypatch, given):
    monkeypatch.setattr(optimality, "WINDOW", 3)
    execute(ring("vral-meta", rounds=1, probe="optimality", **given), tmp_path, CPU)
    last = read_parts(tmp_path / "probes")
    assert last["optimality_updates"].is_finite().all()


def test_usefulness_probe_adds_columns_to_every_probe_and_changes_nothing_else(tmp_path):
    for probe in ("none", "usefulness"):
        config = ring(rounds=5, seeds=(0, 1), probe=probe)
        execute(config, tmp_path / probe, FewSamples("cpu"))
    without, with_probe = (content(tmp_path / probe) for probe in ("none", "usefulness"))
    added = set(with_probe["probes"].columns) - set(without["probes"].columns)
    assert added == USEFULNESS_METRICS.keys()
    assert with_probe["probes"].select("seed", "round").rows() == [(0, 0), (0, 4), (1, 0), (1, 4)]
    assert not any(with_probe["probes"][name].has_nulls() for name in added)
    with_probe["probes"] = with_probe["probes"].drop(added)
    assert with_probe.pop("identity") != without.pop("identity")
    assert_same(without, with_probe)


def test_usefulness_is_that_of_each_lane_s_own_g_and_d(tmp_path):
    """WGAN's G follows D itself, and a held G is at the end where the last probe saw it."""
    config = ring("wgan", rounds=5, seeds=(0, 1), probe="usefulness", generator="held")
    execute(config, tmp_path, FewSamples("cpu"))
    data = FewSamples("cpu").load("ring")
    gan = build.build(config, data).gan
    latent = held_out_draw(gan, data)["latent"]
    found = content(tmp_path)
    for i, seed in enumerate(config.seeds):
        profile = lane(found["profile"], i)
        fakes = gan.generate(profile["G"], latent)
        signal = input_gradient(gan.critic(profile["D"]), fakes)
        wanted = usefulness(fakes.numpy(), data.held_out[:100].numpy(), signal.numpy())
        last = (pl.col("seed") == seed) & (pl.col("round") == 4)
        row = found["probes"].row(by_predicate=last, named=True)
        assert {name: row[name] for name in wanted} == pytest.approx(wanted, rel=1e-4, abs=1e-6)
    first, second = (
        found["probes"].filter(pl.col("seed") == seed)["usefulness_cosine"][-1] for seed in (0, 1)
    )
    assert first != second


# --- everything runs -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quick_classifier(tmp_path_factory):
    """A classifier of few updates in a cache of its own: its quality is not the matter here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "UPDATES", 20)
        patch.setenv("VRAL_CACHE", str(tmp_path_factory.mktemp("quick")))
        yield


def assert_all_finite(folder) -> None:
    for name in ("records", "probes"):
        frame = read_parts(folder / name)
        floats = frame.select(pl.selectors.float())
        assert len(frame) > 0
        assert floats.width > 0
        for column in floats.iter_columns():
            assert column.drop_nulls().is_finite().all(), column.name


class FewSamples(Execution):
    """Probes of 100 samples: what a probe costs is not a matter of the method."""

    def load(self, dataset):
        return replace(super().load(dataset), probe_size=100)


def assert_runs(method: str, dataset: str, folder, execution: Execution) -> None:
    given = {"dataset": dataset, "ratio": "2", "seeds": (0, 1), "probe": "usefulness"}
    report = execute(tiny(method, **given), folder, execution)
    assert (report["status"], report["diverged"]) == ("finished", [])
    assert_all_finite(folder)
    records = read_parts(folder / "records")
    assert len(records) == 2 * 4
    assert records["loss_G"].null_count() == 4
    assert ("loss_F" in records.columns) == (METHODS[method].settings["objective"] == "meta")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_with_probes(tmp_path, method):
    assert_runs(method, "ring", tmp_path, FewSamples("cpu"))


def test_images_run_with_probes(tmp_path, quick_classifier):
    assert_runs("vral-meta", "digits", tmp_path, CPU)


@pytest.mark.parametrize("dataset", ["ring", "grid", "segments"])
def test_points_in_the_plane_run(tmp_path, dataset):
    config = resolve("vral-meta", {"dataset": dataset, "rounds": 2, "batch": 16, "width": 8})
    assert execute(config, tmp_path, CPU)["status"] == "finished"
    assert_all_finite(tmp_path)
    samples = np.load(tmp_path / "samples" / "round-00000002.npz")["seed0"]
    assert samples.shape[1:] == (2,)
    assert np.isfinite(samples).all()


def test_segments_start_apart_and_g_is_one_number(tmp_path):
    config = resolve("nonsaturating", {"dataset": "segments", "rounds": 1, "batch": 16})
    execute(config, tmp_path, CPU)
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert sum(value.numel() for value in saved["profile"]["G"].values()) == 1
    start = np.load(tmp_path / "samples" / "round-00000001.npz")["seed0"]  # G has not moved yet
    assert (start[:, 0] == -1).all()


def test_thinned_records_still_name_the_round_that_diverged(tmp_path):
    """A reading every 1000 updates sees nothing of this run; the watch on losses does."""
    noted = {}
    for every in (1, 1000):
        given = {"rule": "sgd", "lr": 50.0, "rounds": 60, "ratio": "5", "seeds": (0,)}
        given |= {"width": 8, "latent": 4, "batch": 16, "record_every": every}
        report = execute(resolve("lsgan", given), tmp_path / str(every), CPU)
        assert report["status"] == "diverged"
        (noted[every],) = report["diverged"]
    full = read_parts(tmp_path / "1" / "records")
    assert noted[1]["d_update"] == full["d_updates"].max()
    assert noted[1]["d_update"] <= noted[1000]["d_update"] <= noted[1]["d_update"] + 5
    assert noted[1000]["reading"].startswith("loss_")
    assert noted[1000]["round"] == (noted[1000]["d_update"] - 1) // 5
