"""Readings on their way from the device to parquet parts."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import torch
from torch import Tensor

from vral.errors import corrupt_file
from vral.files import replace_file
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


def write_part(frame: pl.DataFrame, folder: Path, rounds: int) -> None:
    """Write a parquet part named by the rounds that are done when it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    with replace_file(folder / f"round-{rounds:08d}.parquet") as temporary:
        temporary.write_bytes(buffer.getvalue())


def drop_after(folder: Path, rounds: int) -> None:
    """Delete the parts of a run that were written after its checkpoint of ``rounds`` rounds."""
    for path in folder.glob("round-*"):
        if int(path.stem.removeprefix("round-")) > rounds:
            path.unlink()


def read_parts(folder: Path) -> pl.DataFrame | None:
    """All parts of a folder as one frame, None where there are none."""
    parts = sorted(folder.glob("round-*.parquet"))
    if not parts:
        return None
    return pl.concat([_read_part(part) for part in parts], how="diagonal_relaxed")


def _read_part(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError):
        raise corrupt_file(path) from None
