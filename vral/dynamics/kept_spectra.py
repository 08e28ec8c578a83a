"""The folder of ``vral spectrum``: what was found is kept there at once, and read again.

``spectrum.json`` says what decides the numbers. For every seed ``eigenvalues-seed0.csv`` has a row
for each eigenvalue and ``counts-seed0.csv`` one for each map; ``polished-seed0.csv`` holds the
point that a search for v = 0 found, and ``gamma-A-B-N-seed0.csv`` a sweep of R1's weight. Every
file is written whole, eigenvalues before their counts, and ``tables.json`` knows their sums, so a
command that was stopped goes on behind what is found.
"""

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from vral.diagnostics.gamma_sweep import GammaSweep
from vral.diagnostics.polish import Polished
from vral.diagnostics.spectrum import Spectrum
from vral.dynamics.trained import TrainedRun
from vral.errors import FolderError, corrupt_file
from vral.study.config import differences
from vral.study.folders import read_json, write_json
from vral.study.measured import has_table, read_table, write_tables

MARK = "spectrum.json"
"""The file by which a folder of this command is known."""


@dataclass(frozen=True)
class Settings:
    """What decides the numbers of a spectrum, besides its run."""

    round: int
    """The run's round at the checkpoint."""
    samples: int
    """Fixed samples of each kind that losses are averaged over."""
    arnoldi: int | None
    """How many eigenvalues of each kind are looked for; None: all of them."""
    polish: bool = False
    """Whether they are those of a stationary point next to the checkpoint."""


def note(folder: Path, trained: TrainedRun, settings: Settings) -> None:
    """Write what decides the folder's numbers, and the command.

    Raises FolderError where it holds the numbers of another run or of other settings.
    """
    config = trained.config.model_dump(mode="json")
    content = {"config": config, "settings": asdict(settings), "commands": []}
    path = folder / MARK
    if path.exists():
        old = read_json(path, {name: type(value) for name, value in content.items()})
        later = {entry.name: entry.default for entry in fields(Settings)[3:]}
        changed = differences(
            {**old["config"], **later, **old["settings"]}, {**config, **content["settings"]}
        )
        if changed:
            raise FolderError(
                f"--out: {folder} holds the spectrum of other settings ({'; '.join(changed)}); "
                "name another folder"
            )
        content["commands"] = old["commands"]
    content["commands"] = [*content["commands"], shlex.join(sys.argv[1:])]
    write_json(path, content)


def keep(folder: Path, seed: int, spectra: Mapping[str, Spectrum]) -> None:
    """Write the spectra of a seed's maps: eigenvalues, with ‖Jx - λx‖ of Arnoldi's, and counts."""
    schema = {"map": pl.String} | dict.fromkeys(("real", "imag", "error"), pl.Float64)
    rows = [
        pl.DataFrame(
            {
                "map": [name] * len(its.eigenvalues),
                "real": its.eigenvalues.real,
                "imag": its.eigenvalues.imag,
                "error": its.errors,
            },
            schema=schema,
        )
        for name, its in spectra.items()
    ]
    counts = [
        {"map": name, **its.readings(), "speed": its.speed, "null_in": json.dumps(its.null_in)}
        for name, its in spectra.items()
    ]
    tables = (pl.concat(rows), pl.DataFrame(counts, infer_schema_length=None))
    names = (f"eigenvalues-seed{seed}.csv", f"counts-seed{seed}.csv")
    write_tables(folder, dict(zip(names, tables, strict=True)))


def kept(folder: Path, seed: int) -> dict[str, Spectrum]:
    """The spectra of a seed that the folder holds, by the names of their maps.

    Raises FolderError where they cannot be read.
    """
    path = folder / f"counts-seed{seed}.csv"
    if not has_table(folder, path.name):
        return {}
    counts = read_table(folder, path.name)
    values = read_table(folder, f"eigenvalues-seed{seed}.csv")
    if "null_in" not in counts.columns:  # of an earlier version: to be found anew
        return {}
    spectra = {}
    try:
        for row in counts.iter_rows(named=True):
            here = values.filter(pl.col("map") == row["map"])
            errors = here["error"].cast(pl.Float64)
            parts = here.select("real", "imag").to_numpy(order="c")
            spectra[row["map"]] = Spectrum(
                parts.view(complex)[:, 0],
                row["size"],
                row["residual"],
                row["map"] == "round",
                None if errors.is_null().any() else errors.to_numpy(),
                json.loads(row["null_in"]),
                None if row["speed"] is None else float(row["speed"]),
            )
            if len(here) != row["found"]:
                raise corrupt_file(path)
    except (KeyError, TypeError, ValueError, pl.exceptions.PolarsError):
        raise corrupt_file(path) from None
    return spectra


def keep_polished(folder: Path, seed: int, found: Polished) -> None:
    """Write the point that a search for v = 0 ended at, a row for each coordinate."""
    frame = pl.DataFrame({"coordinate": found.point.numpy(force=True)})
    ends = {"residual": pl.lit(found.residual), "steps": pl.lit(found.steps)}
    write_tables(folder, {f"polished-seed{seed}.csv": frame.with_columns(**ends)})


def kept_polished(folder: Path, seed: int, start: Tensor) -> Polished | None:
    """What ``keep_polished`` wrote, on the device of the point ``start``; None if nothing.

    Raises FolderError where it cannot be read.
    """
    name = f"polished-seed{seed}.csv"
    if not has_table(folder, name):
        return None
    schema = {"coordinate": pl.Float64(), "residual": pl.Float64(), "steps": pl.Int64()}
    frame = read_table(folder, name, schema)
    if len(frame) != len(start):
        raise corrupt_file(folder / name)
    point = torch.from_numpy(frame["coordinate"].to_numpy(writable=True)).to(start)
    return Polished(point, frame["residual"][0], frame["steps"][0])


def sweep_name(gammas: np.ndarray, seed: int) -> str:
    """The name of a sweep's files."""
    return f"gamma-{gammas[0]:g}-{gammas[-1]:g}-{len(gammas)}-seed{seed}"


SWEEP = {
    "gamma": pl.Float64(),
    "abscissa": pl.Float64(),
    "damped": pl.Boolean(),
    "residual": pl.Float64(),
    "stable_from": pl.Float64(),
}
"""Columns of a sweep's table."""
EARLIER = ["gamma", "abscissa"]
"""Columns of the first version's."""


def keep_sweep(folder: Path, seed: int, sweep: GammaSweep) -> None:
    """Write a sweep, a row for each γ."""
    columns = (
        *(sweep.gammas, sweep.abscissae, sweep.damped, sweep.residuals),
        [sweep.stable_from] * len(sweep.gammas),
    )
    frame = pl.DataFrame(dict(zip(SWEEP, columns, strict=True)), schema=SWEEP)
    write_tables(folder, {f"{sweep_name(sweep.gammas, seed)}.csv": frame})


def kept_sweep(folder: Path, seed: int, gammas: np.ndarray) -> GammaSweep | None:
    """The sweep over these γ that the folder holds, or None.

    One of an earlier version is found anew. Raises FolderError where it cannot be read.
    """
    name = f"{sweep_name(gammas, seed)}.csv"
    if not has_table(folder, name):
        return None
    frame = read_table(folder, name)
    if frame.columns == EARLIER:
        return None
    frame = read_table(folder, name, SWEEP)
    if not np.array_equal(frame["gamma"].to_numpy(), gammas):
        raise corrupt_file(folder / name)
    columns = (frame[column].to_numpy() for column in list(SWEEP)[1:4])
    return GammaSweep(gammas, *columns, stable_from=frame["stable_from"][0])
