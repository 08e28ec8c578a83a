"""What a study without chance measures: numbers beside the expected ones, tables, figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan, nan
from typing import NamedTuple

import polars as pl
from matplotlib.figure import Figure

MEASURED = "measured.csv"
"""Name of the file with the rows, in the study's folder."""

SCHEMA = {
    "case": pl.String,
    "quantity": pl.String,
    "measured": pl.Float64,
    "expected": pl.Float64,
    "source": pl.String,
}
"""Columns of MEASURED. Case and quantity name a row. Where no expected value is known, ``expected``
is NaN and ``source`` is empty."""

CLOSED_FORM = "closed form"
"""Source of an expected value that was derived by hand."""
COMPUTED = "computed independently"
"""Source of an expected value that another program computed, for the specification."""


class Row(NamedTuple):
    """One line of MEASURED."""

    case: str
    quantity: str
    measured: float
    expected: float = nan
    source: str = CLOSED_FORM
    """Where ``expected`` comes from."""


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
        """The line of MEASURED that gives this quantity's value."""
        return Row(self.case, self.quantity, measured, expected, source)


@dataclass(frozen=True)
class Measured:
    """The result of a deterministic study: there are no seeds and no intervals."""

    rows: list[Row]
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """Figures by file name without its ending."""
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """Further tables by file name without its ending."""
    notes: tuple[str, ...] = ()
    """Sentences for the terminal."""

    def under(self, settings: Sequence[str]) -> "Measured":
        """The result as computed under ``settings`` that are not the experiment's own.

        They are appended to the name of every case, so that no claim is judged on these rows.
        """
        if not settings:
            return self
        text = " ".join(settings)
        rows = [row._replace(case=f"{row.case}; {text}") for row in self.rows]
        note = f"with {text}, which are not the experiment's settings: no claim is judged on this"
        return replace(self, rows=rows, notes=(*self.notes, note))

    def frame(self) -> pl.DataFrame:
        """The rows as a table with the columns of SCHEMA."""
        rows = [
            (
                row.case,
                row.quantity,
                float(row.measured),
                float(row.expected),
                "" if isnan(row.expected) else row.source,
            )
            for row in self.rows
        ]
        return pl.DataFrame(rows, schema=SCHEMA, orient="row")
