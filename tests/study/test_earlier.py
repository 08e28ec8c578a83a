"""A run written by the version before: opened, continued, and equal to that version's own end."""

import json
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from cases import AVX2, computes_as
from polars.testing import assert_frame_equal

from vral import study
from vral.study.config import resolve
from vral.study.folders import read_run
from vral.study.machine import Execution, machine
from vral.study.run import execute
from vral.train.records import read_parts

HERE = Path(__file__).parent
ARCHIVE = HERE.parent / "data_earlier" / "vral-meta.tar.xz"

SETTINGS = {
    "dataset": "ring",
    "width": 4,
    "batch": 8,
    "seeds": (0, 1),
    "ratio": "2",
    "probe_every": 4,
    "rule": "adam:beta1=0.4",
    "rule_meta": "same:lr=0.01",
}
"""The run's settings, as they are written today."""


class FewSamples(Execution):
    """Probes of 20 samples, as in the archive."""

    def load(self, dataset):
        return replace(super().load(dataset), probe_size=20)


@pytest.fixture
def earlier(tmp_path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def test_its_records_are_read(earlier):
    records = study.read(earlier / "stopped", "records")
    assert sorted(records["d_updates"].unique()) == list(range(1, 7))
    assert sorted(records["seed"].unique()) == [0, 1]
    assert records["loss_F"].is_not_null().all()
    probes = study.read(earlier / "stopped", "probes")
    assert len(probes) == 2


def go_on(folder: Path, rounds: int) -> None:
    """Continue the run in ``folder`` up to ``rounds``."""
    config = resolve("vral-meta", {**SETTINGS, "rounds": rounds})
    execute(config, folder, FewSamples("cpu", compile="off"))


def test_it_continues_to_what_the_version_before_computed(earlier):
    """Bit for bit with the processor and torch that wrote it, elsewhere to float32's rounding."""
    stopped = earlier / "stopped"
    written_on = read_run(stopped)["machine"]
    call = f"import test_earlier as t; t.go_on(t.Path({str(stopped)!r}), 6)"
    paths = os.pathsep.join([*map(str, (HERE, HERE.parent)), *filter(None, sys.path)])
    environment = os.environ | AVX2 | {"PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", call], env=environment, check=True)
    report = read_run(stopped)
    assert (report["status"], report["rounds_done"]) == ("finished", 6)
    by = ["seed", "d_updates"]
    ours = read_parts(stopped / "records").filter(pl.col("round") >= 3).sort(by)
    theirs = read_parts(earlier / "continued").sort(by)
    profile = torch.load(stopped / "checkpoint.pt", weights_only=True)["profile"]
    expected = json.loads((earlier / "profile.json").read_text())
    same = computes_as(written_on, machine(Execution())) is None
    assert_frame_equal(ours, theirs, check_exact=same, rel_tol=1e-3, abs_tol=1e-5)
    assert profile.keys() == expected.keys()
    for player, params in expected.items():
        for name, values in params.items():
            tolerance = {"rtol": 0.0, "atol": 0.0} if same else {"rtol": 1e-3, "atol": 1e-5}
            torch.testing.assert_close(profile[player][name], torch.tensor(values), **tolerance)


def test_more_rounds_are_added_to_it(earlier):
    stopped = earlier / "stopped"
    go_on(stopped, 8)
    report = read_run(stopped)
    assert (report["status"], report["rounds_done"]) == ("finished", 8)
    assert len(read_parts(stopped / "records")) == 2 * 2 * 8
