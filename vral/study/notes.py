"""What the readings of a seed that has not diverged say of its end: exploded, G gets no gradient.

Both are statements of fact and no errors: such a run is finished, and its numbers are kept. Only
recorded updates are looked at, so with ``--record-every`` 20 a note may come 20 D updates late.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vral.study import frames
from vral.study.numbers import number
from vral.train.records import read_parts

EXPLODED = "exploded"
NO_GRADIENT = "G gets no gradient"

LIMIT = 1e6
"""A seed has exploded where the size of one of SIZES was ever above this.

Objectives and VRAL's targets work with differences of scores of order one. Near 10⁶ float32 spaces
its numbers by 1/16, and data span about two units, so that a slope of D above 10⁶ takes scores
there. The largest of any published run, averaged over its last fifth, is 1.1·10⁴, -log D's ‖∇D‖ at
50:1 (a test reads them).
"""
SIZES = (
    *("grad_norm_real", "grad_norm_fake", "score_mean_real", "score_mean_fake"),
    *("loss_F", "loss_R"),
)
"""Readings that are linear in what D, F or R put out. Other losses, and so G's signal, may square
it: they pass the limit where D is only a thousand away from its targets."""

ZERO = 1e-15
"""G gets no gradient where the root mean square of its gradient is at most this at every recorded
update of the last ``frames.FINAL_SHARE`` of the rounds.

A step of Adam with its usual settings (learning rate 10⁻³, ε = 10⁻⁸) is then 10⁻¹⁰, less than half
the spacing of float32 near 0.01, so that no such weight moves. Standard, whose gradient vanishes by
degrees, ends at 3·10⁻¹¹ on digits, and on MNIST in three of five seeds below 10⁻¹⁶; a saturated or
dead unit gives 0 exactly.
"""


def notes(records: pl.DataFrame | None, left_out: Collection[int] = ()) -> list[dict[str, Any]]:
    """What there is to note of every seed of one run, from its ``records``.

    ``left_out`` are seeds that diverged, which says more. An entry holds "seed", "what" (EXPLODED
    or NO_GRADIENT), and the "reading" that shows it. Of an explosion "d_update" is the first
    recorded D update above LIMIT, and "value" the reading's largest value of the run; of a missing
    gradient they are the first D update since which all are at most ZERO, and the largest of these.
    """
    if records is None:
        return []
    return [
        {"seed": seed, **note}
        for (seed,), rows in records.sort("seed", "d_updates").group_by("seed", maintain_order=True)
        if seed not in left_out
        for note in (*_explosion(rows), *_missing_gradient(rows))
    ]


def of_study(root: Path) -> list[dict[str, Any]]:
    """The notes on every run under ``root``, each with the run's COORDINATES.

    Those of a run.json that has none, of a version before or of a run under way, are made from the
    run's records. Raises FolderError where a file is corrupt.
    """
    found = []
    for folder, report in frames.runs(root):
        entries = report.get("notes")
        if entries is None:
            diverged = {entry["seed"] for entry in report.get("diverged", [])}
            entries = notes(read_parts(folder / "records", report.get("manifest")), diverged)
        every = {"record_every": report["config"].get("record_every") or 1}
        found += [frames.coordinates(report["config"]) | every | entry for entry in entries]
    return found


def ends(root: Path) -> list[dict[str, Any]]:
    """Every seed under ``root`` that diverged, exploded or whose G gets no gradient.

    An entry holds the run's COORDINATES, "seed", "what" and, in words, "how".
    """
    diverged = [
        {
            **entry,
            "what": "diverged",
            "how": f"{entry['reading']} = {entry['value']} at D update {entry['d_update']:,}",
        }
        for entry in frames.diverged(root)
    ]
    noted = [{**note, "how": in_words(note)} for note in of_study(root)]
    names = (*frames.COORDINATES, "seed", "what", "how")
    return [{name: entry[name] for name in names} for entry in (*diverged, *noted)]


def in_words(note: Mapping[str, Any]) -> str:
    """What a note of ``of_study`` says: reading, number and D update."""
    reading, value, update = note["reading"], number(note["value"], 2), f"{note['d_update']:,}"
    every = note["record_every"]
    thinned = f" (1 of {every:,} is recorded)" if every > 1 else ""
    if note["what"] == EXPLODED:
        return f"{reading} passes {number(LIMIT, 1)} at D update {update}{thinned}, reaches {value}"
    size = f"at most {value}" if note["value"] else "0"
    return f"{reading} is {size} from D update {update} on{thinned}"


def _explosion(rows: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """The note on an explosion, if there was one, in the ``rows`` of one seed in order."""
    sizes = {name: _numbers(rows, name) for name in SIZES if name in rows.columns}
    largest = {name: np.nan_to_num(np.abs(values)) for name, values in sizes.items()}
    above = np.flatnonzero(np.max([*largest.values()], axis=0, initial=0.0) > LIMIT)
    if len(above):
        first = above[0]
        reading = max(largest, key=lambda name: largest[name][first])
        value = sizes[reading][largest[reading].argmax()]
        yield _note(EXPLODED, reading, value, rows["d_updates"][int(first)])


def _missing_gradient(rows: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """The note on a G without gradient, if it has none, as ``_explosion``."""
    if "g_grad_rms" not in rows.columns:
        return
    rows = rows.filter(pl.col("g_grad_rms").is_not_null())
    late = rows.filter(frames.late(pl.col("round")))
    if late.is_empty() or (_numbers(late, "g_grad_rms") > ZERO).any():
        return
    gradient = _numbers(rows, "g_grad_rms")
    since = np.flatnonzero(gradient > ZERO).max(initial=-1) + 1
    yield _note(NO_GRADIENT, "g_grad_rms", gradient[since:].max(), rows["d_updates"][int(since)])


def _numbers(rows: pl.DataFrame, reading: str) -> NDArray[np.float64]:
    return rows[reading].cast(pl.Float64).to_numpy()


def _note(what: str, reading: str, value: float, d_update: int) -> dict[str, Any]:
    return {"what": what, "reading": reading, "value": float(value), "d_update": d_update}
