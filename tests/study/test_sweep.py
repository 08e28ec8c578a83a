"""The missing cells of a study, planned and run side by side."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from cases import SMALL
from rich.console import Console

from vral.cli import experiments
from vral.cli.tables import show_plan
from vral.errors import FolderError
from vral.signals import ENDING
from vral.study import frames, sweep
from vral.study.config import resolve
from vral.study.machine import Execution
from vral.study.run import execute
from vral.study.sweep import estimate, plan, run_cells

TINY = {"dataset": "ring", "width": 4, "latent": 2, "batch": 8, "rounds": 3}
"""Points, whose quality needs no classifier."""

PATIENCE = 600
"""Seconds before what another process should do counts as never done: machines can be busy."""


def config(method="lsgan", **given):
    return resolve(method, {**TINY, "seeds": "0-2", **given})


def seeds_of(cells):
    return [cell.config.seeds for cell in cells]


def test_seeds_are_lanes_of_one_run_or_runs_of_their_own(tmp_path):
    assert seeds_of(plan([config()], tmp_path, lanes=True)) == [(0, 1, 2)]
    assert seeds_of(plan([config()], tmp_path, lanes=False)) == [(0,), (1,), (2,)]


def test_a_cell_stands_where_its_coordinates_say(tmp_path):
    (cell,) = plan([config(ratio="1:4", seeds="0,2")], tmp_path, lanes=True)
    assert cell.folder.relative_to(tmp_path) == Path(
        "method=lsgan/ratio=1-4/dataset=ring/seeds=0,2"
    )


def test_seeds_that_a_run_holds_stay_with_it(tmp_path):
    (cell,) = plan([config()], tmp_path, lanes=True)
    execute(cell.config, cell.folder)
    cells = plan([config(seeds="0-4")], tmp_path, lanes=True)
    assert seeds_of(cells) == [(0, 1, 2), (3, 4)]
    assert [cell.finished for cell in cells] == [True, False]
    # Fewer seeds than the run holds need no run of their own.
    assert seeds_of(plan([config(seeds="0-1")], tmp_path, lanes=True)) == [(0, 1, 2)]


def test_a_cell_with_other_settings_is_refused(tmp_path):
    (cell,) = plan([config()], tmp_path, lanes=True)
    execute(cell.config, cell.folder)
    with pytest.raises(FolderError, match=r"--lr: 0.001 → 0.1"):
        plan([config(lr=0.1)], tmp_path, lanes=True)


def test_more_rounds_prolong_a_finished_cell(tmp_path):
    (cell,) = plan([config()], tmp_path, lanes=True)
    execute(cell.config, cell.folder)
    (longer,) = plan([config(rounds=7)], tmp_path, lanes=True)
    assert not longer.finished
    assert longer.folder == cell.folder
    assert execute(longer.config, longer.folder)["rounds_done"] == 7


@pytest.mark.parametrize(
    ("ratio", "updates"), [("1", (3, 3)), ("50", (150, 3)), ("1:4", (3, 12)), ("9x2,5", (23, 3))]
)
def test_a_cell_counts_its_updates(tmp_path, ratio, updates):
    (cell,) = plan([config(ratio=ratio)], tmp_path, lanes=True)
    assert cell.updates == updates


def test_a_held_generator_makes_no_updates(tmp_path):
    """It still takes its turns: they cost time, and the records' clock counts them."""
    held = config(generator="held", ratio="2", warmup=4)
    (cell,) = plan([held], tmp_path, lanes=True)
    assert cell.updates == (6, 0)
    assert cell.turns == (6, 3)
    console = Console(record=True, width=200)
    show_plan(console, [cell], 1.0, 1)
    text = console.export_text()
    assert "1 run, 18 D updates, 0 G updates; about" in text
    assert "12 warm-up updates of G" in text
    execute(cell.config, cell.folder)
    assert set(frames.read(tmp_path, "records")["g_updates"]) == {0, 1, 2}  # Before each turn.
    done = Console(record=True, width=200)
    show_plan(done, [cell], 0.0, 1)
    assert "warm-up" not in done.export_text()


def test_the_estimate_grows_with_the_work_and_shrinks_with_the_jobs(tmp_path):
    (short,) = plan([config("vral-meta")], tmp_path, lanes=True)
    (long,) = plan([config("vral-meta", rounds=30_000)], tmp_path, lanes=True)
    assert 0 < estimate([short], Execution(), 1) < estimate([long], Execution(), 1)
    execute(short.config, short.folder)
    assert estimate([short], Execution(), 1) == 0


@pytest.mark.slow
def test_cells_side_by_side_equal_cells_run_one_by_one(tmp_path):
    configs = [config(), config("vral-meta", ratio="2")]
    cells = plan(configs, tmp_path / "pool", lanes=True)
    seen = {}
    outcome = run_cells(cells, Execution(), 2, lambda cell, rounds: seen.update({cell: rounds}))
    assert not outcome.errors
    assert outcome.ended is None
    assert set(seen.values()) == {3}
    for cell in plan(configs, tmp_path / "alone", lanes=True):
        execute(cell.config, cell.folder)
    for kind in ("records", "probes"):
        tables = [frames.read(tmp_path / name, kind) for name in ("pool", "alone")]
        assert tables[0].equals(tables[1])


@pytest.mark.slow
def test_one_failing_cell_does_not_stop_the_others(tmp_path):
    good, bad = plan([config(), config("wgan")], tmp_path, lanes=True)
    bad.folder.parent.mkdir(parents=True)
    bad.folder.write_text("in the way")
    outcome = run_cells([bad, good], Execution(), 1, lambda cell, rounds: None)
    assert outcome.reports[good]["status"] == "finished"
    assert "cannot write" in outcome.errors[bad]


@pytest.mark.slow
def test_a_killed_worker_costs_no_cell(tmp_path):
    """Both cells are under way when one worker is killed; both are finished all the same."""
    cells = plan([config(rounds=400), config("wgan", rounds=400)], tmp_path, lanes=True)
    killed = []

    def kill_once(cell, rounds):
        workers = workers_of(os.getpid())
        if not killed and workers:
            killed.append(workers[-1])
            os.kill(workers[-1], signal.SIGKILL)

    outcome = run_cells(cells, Execution(), 2, kill_once)
    assert killed
    assert not outcome.errors
    assert {outcome.reports[cell]["status"] for cell in cells} == {"finished"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "number", "ending"),
    [
        ("planning", signal.SIGINT, "Interrupted"),
        ("starting the workers", signal.SIGTERM, "Ended by SIGTERM"),
        ("drawing", signal.SIGHUP, "Ended by SIGHUP"),
    ],
)
def test_a_signal_is_one_line_and_its_code_and_begins_nothing_more(
    vral, tmp_path, monkeypatch, moment, number, ending
):
    places = {
        "planning": (experiments, "plan"),
        "starting the workers": (sweep._Worker, "request"),
        "drawing": (experiments, "write_figures"),
    }
    owner, name = places[moment]
    real = getattr(owner, name)

    def press_and_go_on(*arguments):
        os.kill(os.getpid(), number)
        return real(*arguments)

    if moment == "drawing":
        monkeypatch.setattr(experiments, "run_cells", lambda *_: sweep.SweepResult())
    command = ("reproduce", "ratios", "--methods", "lsgan", "--ratios", "1", "--seeds", 1)
    command += ("--dataset", "ring", "--jobs", 1, *SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, press_and_go_on)
        result = vral(*command)
    assert result.exit_code == 128 + number, result.output
    assert result.output.splitlines()[-1] == f"{ending}; the same command continues it."
    assert list(tmp_path.rglob("run.json")) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()).isdisjoint(ENDING)
    assert vral(*command, "--dry-run").exit_code == 0  # The folder can be gone on with.


def study_command(folder: Path) -> list[str]:
    command = ["reproduce", "ratios", "--methods", "lsgan,wgan", "--ratios", "1", "--seeds", "1"]
    command += ["--rounds", "400", "--out", str(folder), "--dataset", "ring"]
    return [*command, "--width", "4", "--latent", "2", "--batch", "8", "--probe-every", "1000"]


def start_study(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "vral", *study_command(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def wait_for(condition: Callable[[], Any], process: subprocess.Popen | None = None) -> Any:
    """What ``condition`` gives once it is true, which ``process`` must live to see."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "still not true"
        assert process is None or process.poll() is None, process.stdout.read().decode()
        time.sleep(0.02)
    return found


def alive(pid: int) -> bool:
    """Whether a process runs (one that ended and that nobody has waited for does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def workers_of(pid: int) -> list[int]:
    """The children that a study has spawned for its cells."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child)
        for child in children
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def workers_started(process: subprocess.Popen) -> list[int]:
    """Both workers of a study, from their first moment on."""
    workers = workers_of(process.pid)
    return workers if len(workers) == 2 else []


def statuses(folder: Path) -> set[str]:
    return {json.loads(path.read_text())["status"] for path in folder.rglob("run.json")}


def kill_study(folder: Path, status: str) -> None:
    """Start a study, kill it once a run of it has ``status``, and see its workers end too."""
    process = start_study(folder)
    workers = wait_for(lambda: workers_started(process), process)
    wait_for(lambda: status in statuses(folder), process)
    process.kill()
    process.communicate(timeout=PATIENCE)
    wait_for(lambda: not any(map(alive, workers)))


@pytest.mark.slow
def test_interrupted_and_killed_studies_continue_to_the_same_records(vral, tmp_path):
    """Signals stop at a checkpoint with exit code 128 + n; kill -9 ends the workers too."""
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    for number, begun in (
        (signal.SIGTERM, lambda: len(list(broken.rglob("probes/*.parquet"))) == 2),
        (signal.SIGHUP, lambda: "running" in statuses(broken)),
        (signal.SIGINT, lambda: "running" in statuses(broken)),
    ):
        process = start_study(broken)
        wait_for(begun, process)
        os.killpg(process.pid, number)  # its workers too, as Slurm and terminals do
        output = process.communicate(timeout=PATIENCE)[0].decode()
        assert process.returncode == 128 + number, output
        assert "continues it" in output
        assert "Traceback" not in output
        assert statuses(broken) == {"stopped"}

    kill_study(broken, "stopped")  # while its workers start
    kill_study(broken, "running")  # while one of them trains
    for folder in (broken, whole):
        result = vral(*study_command(folder), "--jobs", 1)
        assert result.exit_code == 0, result.output
    assert statuses(broken) == statuses(whole) == {"finished"}
    for kind in ("records", "probes"):
        tables = [
            frames.read(folder, kind).sort("method", "d_updates") for folder in (broken, whole)
        ]
        assert isinstance(tables[0], pl.DataFrame)
        assert tables[0].equals(tables[1])
