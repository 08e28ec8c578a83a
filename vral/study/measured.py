"""What an experiment on a game gives: measured numbers beside expected ones, and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan, nan
from typing import NamedTuple

import polars as pl
from matplotlib.figure import Figure

MEASURED = "measured.csv"
"""The file of the rows in a study's folder."""

SCHEMA = {
    "case": pl.String,
    "quantity": pl.String,
    "measured": pl.Float64,
    "expected": pl.Float64,
    "source": pl.String,
}
"""A row's case and quantity name it; ``expected`` is NaN, and its source empty, where nobody has
one."""

CLOSED_FORM = "closed form"
COMPUTED = "computed independently"
"""Sources: worked out by hand; or by another program, for the specification."""


class Row(NamedTuple):
    """One line of ``measured.csv``."""

    case: str
    quantity: str
    measured: float
    expected: float = nan
    source: str = CLOSED_FORM
    """Of ``expected``."""

    @property
    def told_source(self) -> str:
        return "" if isnan(self.expected) else self.source


class Quantity(NamedTuple):
    """The name of a measured number: the case, and what is measured in it.

    The modules of ``vral.dynamics`` export one for every number that a claim judges, and claims
    import it from there: a quantity that is renamed or removed fails at import.
    """

    case: str
    quantity: str

    def row(
        self, measured: float | int, expected: float | int = nan, source: str = CLOSED_FORM
    ) -> Row:
        return Row(self.case, self.quantity, measured, expected, source)


@dataclass(frozen=True)
class Measured:
    """Everything here is deterministic: no seeds, no intervals."""

    rows: list[Row]
    figures: Mapping[str, Figure] = field(default_factory=dict)
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """More than the rows, by file name without ending."""
    notes: tuple[str, ...] = ()

    def under(self, settings: Sequence[str]) -> "Measured":
        """The same with ``settings`` in every case's name, so that no claim is judged on rows that
        were computed with others than the experiment's."""
        if not settings:
            return self
        told = " ".join(settings)
        rows = [row._replace(case=f"{row.case}; {told}") for row in self.rows]
        note = f"with {told}, which are not the experiment's settings: no claim is judged on this"
        return replace(self, rows=rows, notes=(*self.notes, note))

    @property
    def measured(self) -> pl.DataFrame:
        rows = [
            (*row[:2], float(row.measured), float(row.expected), row.told_source)
            for row in self.rows
        ]
        return pl.DataFrame(rows, schema=SCHEMA, orient="row")
