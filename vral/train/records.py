"""Readings on their way from the device to parquet parts."""

import io
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from vral.errors import FolderError
from vral.files import replace_file
from vral.train.program import Record

KEY = ["seed", "d_updates"]


class Recorder:
    """Keeps the readings of every ``every``-th D update on the device until they are collected.

    They are counted back from the last D update of a round, the one that G answers; a round without
    a multiple of ``every`` is passed over.

    Readings of one D update may come from several moves (F, R, D, G); each set of names is a column
    block of its own until ``collect`` joins them.
    """

    def __init__(self, seeds: Sequence[int], every: int, batch: int):
        self.seeds = tuple(seeds)
        self.every = every
        self.batch = batch
        self._due: list[int] = []
        self._first_bad: dict[int, tuple[int, str]] = {}
        self._watched: dict[tuple[str, ...], tuple[list[int], list[Tensor]]] = {}
        self._blocks: dict[tuple[str, ...], tuple[list[tuple[int, ...]], list[Tensor]]] = {}

    def begin_round(self, first: int, last: int) -> None:
        """Settle which of the D updates ``first`` to ``last`` keep their readings."""
        passed_over = (first - 1) // self.every == last // self.every
        self._due = [] if passed_over else sorted(range(last, first - 1, -self.every))

    def due(self, update: int) -> bool:
        return update in self._due

    def next_due(self, update: int) -> int:
        """The first D update of the round from ``update`` on that is due, else ``update``."""
        return next((due for due in self._due if due >= update), update)

    def add(self, key: tuple[int, int, int], readings: Record) -> None:
        """Keep the readings of (D update, round, G updates); nothing is synchronised."""
        times, values = self._blocks.setdefault(readings.names, ([], []))
        times.append(key)
        values.append(readings.values)

    def watch(self, update: int, readings: Record) -> None:
        """Look out for a loss that is not finite at this D update, recorded or not."""
        times, values = self._watched.setdefault(readings.names, ([], []))
        times.append(update)
        values.append(readings.values)

    def first_bad_loss(self, seed: int) -> tuple[int, str] | None:
        """The earliest (D update, name) of a loss of ``seed`` that was not finite."""
        for names, (times, values) in self._watched.items():
            losses = [i for i, name in enumerate(names) if name.startswith("loss_")]
            bad = ~torch.stack(values)[:, losses].isfinite().cpu().numpy()  # (time, name, lane)
            for at, i, lane in sorted(zip(*bad.nonzero(), strict=True)):
                found = (times[at], names[losses[i]])
                self._first_bad[lane] = min(found, self._first_bad.get(lane, found))
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

    def _frame(self, names, times, values) -> pl.DataFrame:
        readings = torch.stack(values).float().cpu().numpy()  # (time, name, lane)
        update, round, g_updates = zip(*times, strict=True)
        lanes = [
            pl.DataFrame(
                {
                    "seed": pl.Series([seed] * len(times), dtype=pl.Int64),
                    "d_updates": pl.Series(update, dtype=pl.Int64),
                    "round": pl.Series(round, dtype=pl.Int64),
                    "g_updates": pl.Series(g_updates, dtype=pl.Int64),
                    "images": pl.Series([u * self.batch for u in update], dtype=pl.Int64),
                    **{name: readings[:, i, lane] for i, name in enumerate(names)},
                }
            )
            for lane, seed in enumerate(self.seeds)
        ]
        return pl.concat(lanes).unique(KEY, keep="last", maintain_order=True)


def first_divergence(frame: pl.DataFrame, seed: int) -> dict[str, object] | None:
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
    """Delete the files of a run that a checkpoint after ``rounds`` rounds knows nothing of."""
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
        raise FolderError(
            f"{path} is corrupt; restore it, or delete the run's folder to start again"
        ) from None
