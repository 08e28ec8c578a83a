"""A small copy of a study, for git or a colleague: all that its verdicts, tables and page need.

The copy is a study's folder like any other, so that ``vral claims``, ``vral report`` and
``vral reproduce`` read it as they read the original. Of each run it keeps ``run.json`` and

* ``final/``: the final values, exactly;
* ``probes/`` and ``interpolation/``: every reading, and D's single scores of the last probe alone;
* ``records/``: the readings of POINTS updates a seed, spread evenly over the run;
* ``samples/``: the last grid of the first seed.

There is no checkpoint, so that a published run can be read and not prolonged. Cells that the copy
lacks can be trained in the original or in the copy itself.
"""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from vral.errors import FolderError
from vral.files import read_file, write_bytes
from vral.study import frames
from vral.study.config import differences, with_defaults
from vral.study.folders import STUDY, make_folder, read_json, read_marker, write_json
from vral.study.measured import LISTED
from vral.study.provenance import PROVENANCE
from vral.train.records import FINAL, SAMPLES, Manifest, read_parts, verify, write_part
from vral.train.records import write_bytes as write_sample

POINTS = 100
"""Recorded updates of a seed that are kept for curves."""
ENDED = ("finished", "diverged")
"""The statuses of runs that can be published."""


def publish(root: Path, target: Path, dataset: str) -> list[Path]:
    """Copy what the study in ``root`` has on ``dataset`` into ``target``, beside what is there.

    Returns the folders of runs that have not ended, which are left out. Raises FolderError where
    ``target`` holds another study or another run of the same name, where there is nothing to
    publish, and where a file is corrupt.
    """
    experiment, commands = read_marker(root)
    every = [
        (folder, report)
        for folder, report in frames.runs(root)
        if report["config"]["dataset"] == dataset
    ]
    ended = [(folder, report) for folder, report in every if report["status"] in ENDED]
    if not ended:
        raise FolderError(f"STUDY: {root} holds no run on {dataset} that has ended")
    present = [report for _, report in frames.runs(target)] if target.is_dir() else []
    for folder, report in ended:
        verify(folder, report.get("manifest", {}))
        _refuse_another(target / folder.relative_to(root), report)
        _refuse_mixed(target, present, report["config"])
    _mark(target, experiment, commands)
    for folder, report in ended:
        _copy_run(folder, report, target / folder.relative_to(root))
    return [folder for folder, report in every if report["status"] not in ENDED]


def publish_measured(root: Path, target: Path) -> None:
    """Copy the tables of a study without runs into ``target``.

    Raises FolderError as ``publish`` does, and where the target holds other numbers.
    """
    experiment, commands = read_marker(root)
    names = [LISTED, PROVENANCE, *read_json(root / LISTED, {"tables": dict})["tables"]]
    content = {name: read_file(root / name) for name in names if (root / name).exists()}
    for name in content.keys() - {PROVENANCE}:
        if (target / name).exists() and read_file(target / name) != content[name]:
            raise FolderError(
                f"--to: {target} holds another {name}; allowed: another folder, or move it aside"
            )
    _mark(target, experiment, commands)
    for name, data in content.items():
        write_bytes(target / name, data)


def _mark(target: Path, experiment: str, commands: list[str]) -> None:
    """Make ``target`` the folder of the study, whose commands are added to those it has."""
    make_folder(target, "study.json", option="--to")
    present: list[str] = []
    if (target / "study.json").exists():
        name, present = read_marker(target)
        if name != experiment:
            raise FolderError(
                f"--to: {target} holds the experiment {name}; allowed: another folder"
            )
    both = list(dict.fromkeys([*present, *commands]))
    write_json(target / "study.json", dict(zip(STUDY, (experiment, both), strict=True)))


SAME = ("config", "status", "rounds_done", "provenance", "machine", "seconds")
"""What tells a run from another of the same name."""


def _refuse_another(target: Path, report: Mapping[str, Any]) -> None:
    """Raise FolderError where ``target`` holds another run than the one of ``report``."""
    if not (target / "run.json").exists():
        return
    present = read_json(target / "run.json", {"config": dict})
    if any(present.get(name) != report.get(name) for name in SAME):
        raise FolderError(
            f"--to: {target} holds another run of that name; allowed: another folder, or move it "
            "aside"
        )


PACE = ("seeds", "rounds", "record_every", "probe_every")
"""Settings in which runs of one cell may differ."""


def _refuse_mixed(
    target: Path, present: Iterable[Mapping[str, Any]], config: Mapping[str, Any]
) -> None:
    """Raise FolderError where a run in ``target`` is of the cell of ``config`` and does not fit it.

    It has other settings, or some of the same seeds in a run of another name.
    """
    place, here = frames.coordinates(config), with_defaults(config)
    for report in present:
        other = with_defaults(report["config"])
        if frames.coordinates(report["config"]) != place:
            continue
        same = {name: here.get(name) for name in PACE}
        changed = differences({**other, **same}, here)
        common = set(other["seeds"]) & set(here["seeds"])
        if changed or (common and list(other["seeds"]) != list(here["seeds"])):
            what = "; ".join(changed) or f"seeds {', '.join(map(str, sorted(common)))} already"
            raise FolderError(
                f"--to: {target} holds {' at '.join(list(place.values())[:2])} with {what}; "
                "allowed: another folder, or move it aside"
            )


def _copy_run(folder: Path, report: Mapping[str, Any], target: Path) -> None:
    manifest, parts = report.get("manifest"), Manifest()
    rounds = report["rounds_done"]

    def copy(kind: str, frame: pl.DataFrame | None) -> None:
        if frame is not None and not frame.is_empty():
            parts.update(write_part(frame, target / kind, rounds))

    make_folder(target, "run.json", option="--to")
    final = frames.final(folder).drop(*frames.COORDINATES, "diverged")
    copy(FINAL, final)
    copy("records", thinned(read_parts(folder / "records", manifest)))
    copy("probes", without_scores(read_parts(folder / "probes", manifest)))
    copy("interpolation", read_parts(folder / "interpolation", manifest))
    grid = frames.last_grid(folder, report)
    if grid is not None:
        content = io.BytesIO()
        np.savez_compressed(content, grid)
        parts |= write_sample(target / SAMPLES / f"round-{rounds:08d}.npz", content.getvalue())
    write_json(target / "run.json", {**report, "manifest": parts})


def thinned(records: pl.DataFrame | None) -> pl.DataFrame | None:
    """``records`` with at most POINTS updates of every seed, the last one among them."""
    if records is None:
        return None
    number, count = pl.int_range(pl.len()).over("seed"), pl.len().over("seed")
    step = (count + POINTS - 1) // POINTS
    return records.sort("seed", "d_updates").filter((count - 1 - number) % step == 0)


def without_scores(probes: pl.DataFrame | None) -> pl.DataFrame | None:
    """``probes``, with lists of single scores in the last one of every seed alone."""
    if probes is None:
        return None
    last = pl.col("round") == pl.col("round").max().over("seed")
    lists = [name for name, dtype in probes.schema.items() if dtype.is_nested()]
    return probes.with_columns(
        pl.when(last).then(pl.col(name).cast(pl.List(pl.Float32))).alias(name) for name in lists
    )
