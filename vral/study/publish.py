"""A small copy of a study, for git or a colleague: what its verdicts, tables and page need.

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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from vral.errors import FolderError
from vral.files import make_subfolder, read_file, write_bytes
from vral.study import frames
from vral.study.folders import (
    ENDED,
    make_folder,
    read_json,
    read_marker,
    refuse_foreign,
    refuse_other_study,
    write_json,
    write_marker,
)
from vral.study.measured import LISTED, read_table
from vral.study.provenance import PROVENANCE
from vral.train.records import FINAL, SAMPLES, Manifest, read_parts, verify, write_part
from vral.train.records import write_bytes as write_sample

POINTS = 100
"""Recorded updates of a seed that are kept for curves."""


@dataclass(frozen=True)
class Copying:
    """What a study has on one data set and what is to become of it in ``target``; checked."""

    root: Path
    target: Path
    experiment: str
    commands: tuple[str, ...]
    ended: tuple[tuple[Path, Mapping[str, Any]], ...]
    """Runs (folder, run.json) that are published; the others have not ended."""


def plan(root: Path, target: Path, dataset: str, others: Iterable[Copying] = ()) -> Copying:
    """What the study in ``root`` has on ``dataset``, to be put into ``target``; writes nothing.

    ``others`` will be written before. Raises FolderError where ``target`` and the study lie in each
    other, where ``target`` holds, or will hold, another study or another run of the same name,
    where there is nothing to publish, and where a file is corrupt.
    """
    _refuse_nested(root, target)
    experiment, commands = read_marker(root)
    refuse_foreign(target, "study.json", option="--to")
    refuse_other_study(target, experiment, option="--to")
    ended = [
        (folder, report)
        for folder, report in frames.runs(root)
        if report["config"]["dataset"] == dataset and report["status"] in ENDED
    ]
    if not ended:
        raise FolderError(f"STUDY: {root} holds no run on {dataset} that has ended")
    present = list(frames.runs(target))
    for other in others:
        if other.target == target:
            present += [(target / run.relative_to(other.root), said) for run, said in other.ended]
    for folder, report in present:
        if folder.exists():
            verify(folder, report.get("manifest", {}))
    for folder, report in ended:
        verify(folder, report.get("manifest", {}))
        _refuse_another(present, target / folder.relative_to(root), report)
    return Copying(root, target, experiment, tuple(commands), tuple(ended))


def publish(copying: Copying) -> None:
    """Write the runs of ``copying`` into its target, beside what is there.

    A run that the target has is not written again. Raises FolderError where it cannot be written.
    """
    present = {folder for folder, _ in frames.runs(copying.target)}
    _mark(copying.target, copying.experiment, copying.commands)
    for folder, report in copying.ended:
        copy = copying.target / folder.relative_to(copying.root)
        if copy not in present:
            _copy_run(folder, report, copy)


def publish_measured(root: Path, target: Path) -> None:
    """Copy the tables of a study without runs into ``target``.

    Raises FolderError as ``plan_measured`` does.
    """
    content = plan_measured(root, target)
    _mark(target, *read_marker(root))
    for name, data in content.items():
        write_bytes(target / name, data)
    starts = {folder: _starts(folder) for folder in (target, root)}
    if any(starts.values()):
        joined = starts[target] + [said for said in starts[root] if said not in starts[target]]
        write_json(target / PROVENANCE, {"provenance": joined})


def _starts(folder: Path) -> list[Any]:
    """The starts that provenance.json of a study without runs names; none where it is missing."""
    path = folder / PROVENANCE
    return read_json(path, {"provenance": list})["provenance"] if path.exists() else []


def plan_measured(root: Path, target: Path) -> dict[str, bytes]:
    """The files, by name, that ``target`` gets of a study without runs; writes nothing.

    What ``target`` says of where its numbers are from is kept, and joined by what ``root`` says.
    Raises FolderError as ``plan`` does, where a table is missing or corrupt, and where ``target``
    holds other numbers.
    """
    _refuse_nested(root, target)
    refuse_foreign(target, "study.json", option="--to")
    refuse_other_study(target, read_marker(root)[0], option="--to")
    tables = list(read_json(root / LISTED, {"tables": dict})["tables"])
    for name in tables:
        read_table(root, name)
    content = {name: read_file(root / name) for name in (LISTED, *tables)}
    for name in content:
        if (target / name).exists() and read_file(target / name) != content[name]:
            raise FolderError(
                f"--to: {target} holds another {name} than {root}; allowed: another folder, or "
                "move it aside"
            )
    return content


def _refuse_nested(root: Path, target: Path) -> None:
    """Raise FolderError where the study and its copy would lie in each other."""
    here, there = root.resolve(), target.resolve()
    if here in there.parents or there in here.parents:
        raise FolderError(
            f"--to: {target} and the study {root} lie in each other; allowed: a folder beside it"
        )


def _mark(target: Path, experiment: str, commands: Sequence[str]) -> None:
    """Make ``target`` the folder of the study, whose commands are added to those it has."""
    make_folder(target, "study.json", option="--to")
    refuse_other_study(target, experiment, option="--to")
    present = read_marker(target)[1] if (target / "study.json").exists() else []
    write_marker(target, experiment, list(dict.fromkeys([*present, *commands])))


def _refuse_another(
    present: Sequence[tuple[Path, Mapping[str, Any]]], copy: Path, report: Mapping[str, Any]
) -> None:
    """Raise FolderError where the run of ``report``, to be ``copy``, does not fit to ``present``.

    They hold another run of that name, one that is no run of other seeds of the same cell, or one
    that was judged by another measure.
    """
    for folder, known in present:
        if folder == copy:
            if not frames.same_run(known, report):
                raise FolderError(
                    f"--to: {folder} holds, or gets of another STUDY, another run of that name; "
                    "allowed: another folder, or move it aside"
                )
        elif why := (
            frames.misfit(known["config"], report["config"])
            or frames.other_measure(known["quality"], report["quality"])
        ):
            raise FolderError(
                f"--to: {folder} and the run to be published do not fit ({why}); allowed: another "
                "folder, or move it aside"
            )


def _copy_run(folder: Path, report: Mapping[str, Any], target: Path) -> None:
    manifest, parts = report.get("manifest"), Manifest()
    rounds = report["rounds_done"]

    def copy(kind: str, frame: pl.DataFrame | None) -> None:
        if frame is not None and not frame.is_empty():
            parts.update(write_part(frame, target / kind, rounds))

    make_subfolder(target, parents=True)
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
    """``records`` (a row per "seed" and "d_updates") with at most POINTS updates of every seed.

    The last one is among them.
    """
    if records is None:
        return None
    number, count = pl.int_range(pl.len()).over("seed"), pl.len().over("seed")
    step = (count + POINTS - 1) // POINTS
    return records.sort("seed", "d_updates").filter((count - 1 - number) % step == 0)


def without_scores(probes: pl.DataFrame | None) -> pl.DataFrame | None:
    """``probes`` (a row per "seed" and "round"), with lists of scores in each seed's last alone."""
    if probes is None:
        return None
    last = pl.col("round") == pl.col("round").max().over("seed")
    lists = [name for name, dtype in probes.schema.items() if dtype.is_nested()]
    return probes.with_columns(
        pl.when(last).then(pl.col(name).cast(pl.List(pl.Float32))).alias(name) for name in lists
    )
