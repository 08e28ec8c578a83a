"""What an experiment on the Dirac-GAN gives: measured numbers beside closed forms, and figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from typing import NamedTuple

import polars as pl
from matplotlib.figure import Figure

MEASURED = "measured.csv"
"""The file of the rows in a study's folder."""

SCHEMA = {
    "case": pl.String,
    "quantity": pl.String,
    "measured": pl.Float64,
    "closed form": pl.Float64,
}
"""A row's case and quantity name it; ``closed form`` is NaN where nobody has one."""


class Row(NamedTuple):
    case: str
    quantity: str
    measured: float
    expected: float = nan


@dataclass(frozen=True)
class Outcome:
    """Everything here is deterministic: no seeds, no intervals."""

    rows: list[Row]
    figures: Mapping[str, Figure] = field(default_factory=dict)
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """More than the rows, by file name without ending."""
    notes: tuple[str, ...] = ()

    @property
    def measured(self) -> pl.DataFrame:
        rows = [(case, quantity, float(m), float(e)) for case, quantity, m, e in self.rows]
        return pl.DataFrame(rows, schema=SCHEMA, orient="row")
