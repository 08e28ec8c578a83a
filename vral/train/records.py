"""Readings on their way from the device to parquet parts, and what a run knows of its parts.

A part is a file that is written once: a table of readings, or a probe's grid of samples. The run's
manifest, kept in its checkpoint and in its run.json, holds the size and the checksum of each, so
that a file that is missing or was changed is noticed by whoever reads it.
"""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import polars as pl
import torch
from torch import Tensor

from vral import files
from vral.errors import FolderError, corrupt_file
from vral.files import make_subfolder
from vral.tables import from_parquet, to_parquet
from vral.train.plan import Record
from vral.train.state import Clock
from vral.types import Move

KEY = ["seed", "d_updates"]


class Stamp(NamedTuple):
    """When an update took place, and the D update under which its readings are kept."""

    d_update: int
    """D's readings belong to their own update; G's to the round's last D update before it; those of
    other players, and of a G who moves first, to the next D update that is due."""
    round: int
    g_updates: int
    watched: int
    """The D update, this one or the next, at which a loss that is not finite is noted."""
    due: bool
    """Whether the readings are kept."""


class Recorder:
    """Keeps the readings of every ``every``-th D update on the device until they are collected.

    D updates are counted back from the last one of a round, the one that G answers. A round that
    contains no multiple of ``every`` keeps none.

    Readings of one D update may come from several moves (F, R, D, G); each set of names is a block
    of columns of its own until ``collect`` joins them.
    """

    def __init__(self, seeds: Sequence[int], every: int, batch: int):
        self.seeds = tuple(seeds)
        self.every = every
        self.batch = batch
        self._first = 1
        self._due: list[int] = []
        self._first_bad: dict[int, tuple[int, str]] = {}
        self._watched: dict[tuple[str, ...], tuple[list[int], list[Tensor]]] = {}
        self._blocks: dict[tuple[str, ...], tuple[list[Stamp], list[Tensor]]] = {}

    def begin_round(self, clock: Clock, moves: Sequence[Move]) -> None:
        """Settle which D updates of the round that plays ``moves`` keep their readings."""
        self._first = clock.d_updates + 1
        last = clock.d_updates + sum("D" in move for move in moves)
        none_due = clock.d_updates // self.every == last // self.every
        self._due = [] if none_due else sorted(range(last, clock.d_updates, -self.every))

    def stamp(self, move: Move, clock: Clock) -> Stamp:
        """The stamp of the update that ``clock`` has just counted."""
        answers = move == ("G",) and clock.d_updates >= self._first
        settled = answers or "D" in move
        watched = clock.d_updates if settled else clock.d_updates + 1
        d_update = watched if settled else self._next_due(watched)
        return Stamp(d_update, clock.round, clock.g_updates, watched, d_update in self._due)

    def _next_due(self, d_update: int) -> int:
        """The first D update of the round from ``d_update`` on that is due, else ``d_update``."""
        return next((due for due in self._due if due >= d_update), d_update)

    def add(self, stamp: Stamp, record: Record) -> None:
        """Watch an update's losses, and keep its readings where they are due.

        Nothing is synchronised with the device.
        """
        updates, values = self._watched.setdefault(record.names, ([], []))
        updates.append(stamp.watched)
        values.append(record.values)
        if stamp.due:
            stamps, values = self._blocks.setdefault(record.names, ([], []))
            stamps.append(stamp)
            values.append(record.values)

    def first_bad_loss(self, seed: int) -> tuple[int, str] | None:
        """The earliest (D update, name) of a loss of ``seed`` that was not finite."""
        for names, (updates, values) in self._watched.items():
            losses = [i for i, name in enumerate(names) if name.startswith("loss_")]
            bad = ~torch.stack(values)[:, losses].isfinite().cpu().numpy()  # (time, name, lane)
            for time, i, lane in sorted(zip(*bad.nonzero(), strict=True)):
                first = (updates[time], names[losses[i]])
                self._first_bad[lane] = min(first, self._first_bad.get(lane, first))
        self._watched.clear()
        return self._first_bad.get(self.seeds.index(seed))

    def collect(self) -> pl.DataFrame | None:
        """All readings since the last call: one row per seed and D update, absent ones null."""
        frames = [self._frame(names, *block) for names, block in self._blocks.items()]
        self._blocks.clear()
        frames.sort(key=lambda frame: "loss_D" not in frame.columns)
        if not frames or "loss_D" not in frames[0].columns:
            return None
        joined = frames[0]
        for frame in frames[1:]:
            joined = joined.join(
                frame.drop("round", "g_updates", "images"), on=KEY, how="left", coalesce=True
            )
        return joined.sort(KEY)

    def _frame(
        self, names: tuple[str, ...], stamps: list[Stamp], values: list[Tensor]
    ) -> pl.DataFrame:
        readings = torch.stack(values).float().cpu().numpy()  # (time, name, lane)
        columns = {
            "d_updates": [stamp.d_update for stamp in stamps],
            "round": [stamp.round for stamp in stamps],
            "g_updates": [stamp.g_updates for stamp in stamps],
            "images": [stamp.d_update * self.batch for stamp in stamps],
        }
        lanes = [
            pl.DataFrame(
                {
                    name: pl.Series(column, dtype=pl.Int64)
                    for name, column in {"seed": [seed] * len(stamps), **columns}.items()
                }
                | {name: readings[:, i, lane] for i, name in enumerate(names)}
            )
            for lane, seed in enumerate(self.seeds)
        ]
        return pl.concat(lanes).unique(KEY, keep="last", maintain_order=True)


def first_divergence(frame: pl.DataFrame, seed: int) -> dict[str, Any] | None:
    """The first D update of ``seed`` with a non-finite reading, and which reading it was."""
    rows = frame.filter(pl.col("seed") == seed).sort("d_updates")
    for row in rows.filter(
        pl.any_horizontal(
            pl.col(name).is_not_null() & ~pl.col(name).is_finite()
            for name, dtype in rows.schema.items()
            if dtype.is_float()
        )
    ).iter_rows(named=True):
        reading = next(
            name for name, value in row.items() if isinstance(value, float) and value - value != 0
        )
        return {"d_update": row["d_updates"], "reading": reading, "value": str(row[reading])}
    return None


FINAL = "final"
"""Folder of the final values of a published run, whose records are thinned."""
TABLES = ("records", "probes", "interpolation", FINAL)
"""Folders of parquet parts."""
SAMPLES = "samples"
"""Folder of the grids of samples."""

NAME = re.compile(r"round-([0-9]{8,})\.(parquet|npz)")
"""A part's file, named by the rounds that are done when it is complete."""


CHANGED = "is corrupt (changed since it was written: its SHA-256 is another)"
"""What is wrong with a file that is not the one its checksum was taken of."""


class Part(TypedDict):
    """What a run knows of a file that it has written."""

    rows: int | None
    """None where it is no table."""
    bytes: int
    sha256: str


Manifest = dict[str, Part]
"""A run's parts in the order of writing, by their paths in its folder, records/round-….parquet."""


def is_part(value: Any) -> bool:
    """Whether ``value``, which a file held, is what is known of a file."""
    return isinstance(value, dict) and value.keys() == Part.__annotations__.keys()


def is_manifest(value: Any) -> bool:
    """Whether ``value``, which a file held, is a manifest."""
    return isinstance(value, dict) and all(
        isinstance(name, str)
        and name.partition("/")[0] in (*TABLES, SAMPLES)
        and NAME.fullmatch(name.partition("/")[2])
        and is_part(part)
        for name, part in value.items()
    )


def write_part(frame: pl.DataFrame, folder: Path, rounds: int) -> Manifest:
    """Write a table of the folder's kind; returns what the run's manifest gains."""
    path = folder / f"round-{rounds:08d}.parquet"
    return write_bytes(path, to_parquet(frame), len(frame))


def write_bytes(path: Path, content: bytes, rows: int | None = None) -> Manifest:
    """Write a part, in a folder that may be new; returns what the run's manifest gains.

    Raises FolderError where it cannot be written, as where the run's own folder is gone.
    """
    make_subfolder(path.parent)
    files.write_bytes(path, content)
    return {f"{path.parent.name}/{path.name}": part_of(content, rows)}


def part_of(content: bytes, rows: int | None) -> Part:
    """What is known of a file with this content."""
    return {
        "rows": rows,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def read_bytes(path: Path, part: Part | None) -> bytes:
    """The content of a part.

    Raises FolderError where it is missing, and where it is not what was written: without ``part``,
    as in a run from before there were manifests, that is not seen.
    """
    content = files.read_file(path)
    if part is not None and len(content) != part["bytes"]:
        raise _wrong_size(path, len(content), part)
    if part is not None and hashlib.sha256(content).hexdigest() != part["sha256"]:
        raise corrupt_file(path, CHANGED)
    return content


def _wrong_size(path: Path, size: int, part: Part) -> FolderError:
    return corrupt_file(path, f"is corrupt ({size} bytes, {part['bytes']} were written)")


def read_parts(folder: Path, manifest: Manifest | None = None) -> pl.DataFrame | None:
    """All tables of a kind as one frame, None where there are none.

    They are those of the run's ``manifest``; without one, whatever the folder holds. Raises
    FolderError for a part that is missing or not what was written.
    """
    parts = parts_of(folder, manifest)
    if not parts:
        return None
    frames = [from_parquet(read_bytes(path, part), path) for path, part in parts.items()]
    return pl.concat(frames, how="diagonal_relaxed")


def parts_of(folder: Path, manifest: Manifest | None) -> Mapping[Path, Part | None]:
    """The parts of a kind in the order of writing, as ``read_parts`` finds them."""
    if manifest is None:
        paths = folder.iterdir() if folder.is_dir() else ()
        return dict.fromkeys(sorted(path for path in paths if NAME.fullmatch(path.name)))
    kind = f"{folder.name}/"
    return {
        folder / name.removeprefix(kind): part
        for name, part in manifest.items()
        if name.startswith(kind)
    }


def take_stock(folder: Path, rounds: int) -> Manifest:
    """The manifest of a run that kept none: its parts up to ``rounds`` rounds, as they are now.

    Raises FolderError for a table that is corrupt.
    """
    manifest: Manifest = {}
    for kind in (*TABLES, SAMPLES):
        for path in parts_of(folder / kind, None):
            if _rounds(path) > rounds:
                continue
            content = read_bytes(path, None)
            rows = len(from_parquet(content, path)) if kind in TABLES else None
            manifest[f"{kind}/{path.name}"] = part_of(content, rows)
    return manifest


def check_sizes(folder: Path, manifest: Manifest) -> None:
    """Raise FolderError where a part is missing or has another size; reads none of them."""
    for name, part in manifest.items():
        try:
            size = os.stat(folder / name).st_size
        except OSError:
            raise corrupt_file(folder / name, "is missing") from None
        if size != part["bytes"]:
            raise _wrong_size(folder / name, size, part)


def verify(folder: Path, manifest: Manifest) -> None:
    """Raise FolderError where a part of the run is missing or is not what was written."""
    for name, part in manifest.items():
        read_bytes(folder / name, part)


def drop_after(folder: Path, rounds: int) -> None:
    """Delete the parts of a run that were written after its checkpoint of ``rounds`` rounds."""
    for path in parts_of(folder, None):
        if _rounds(path) > rounds:
            path.unlink()


def _rounds(part: Path) -> int:
    return int(part.stem.removeprefix("round-"))
