"""What a study without chance measures: numbers beside the expected ones, tables, figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan, nan
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from matplotlib.figure import Figure

from vral.errors import corrupt_file
from vral.study.folders import read_json, write_json
from vral.tables import from_csv, write_csv
from vral.train.records import Part, is_part, part_of, read_bytes

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
    figures: Mapping[str, Callable[[float], Figure]] = field(default_factory=dict)
    """Figures by file name without its ending; each is laid out for a width of paper in inches."""
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


# ---- on disk -----------------------------------------------------------------------------------

LISTED = "tables.json"
"""Name of the file that knows the study's tables, as a run's manifest knows its parts."""


def write_tables(root: Path, tables: Mapping[str, pl.DataFrame]) -> None:
    """Write ``tables`` by their file names, and what is to be known of each.

    At any moment a table in the folder is either the listed one or not listed.
    """
    others = {name: part for name, part in _listed(root).items() if name not in tables}
    write_json(root / LISTED, {"tables": others})
    for name, frame in tables.items():
        others[name] = part_of(write_csv(root / name, frame), len(frame))
    write_json(root / LISTED, {"tables": others})


def has_table(root: Path, name: str) -> bool:
    """Whether the study wrote such a table, be it that it is missing now."""
    return name in _listed(root) or (root / name).exists()


def read_table(root: Path, name: str, schema: Mapping[str, Any] | None = None) -> pl.DataFrame:
    """A table of the study, with the columns of ``schema`` where one is given.

    Raises FolderError where it is missing, has other columns, or is not what was written; of an
    earlier version's table that is not known.
    """
    path = root / name
    return from_csv(read_bytes(path, _listed(root).get(name)), path, schema)


def _listed(root: Path) -> dict[str, Part]:
    path = root / LISTED
    if not path.exists():
        return {}
    tables = read_json(path, {"tables": dict})["tables"]
    if not all(map(is_part, tables.values())):
        raise corrupt_file(path)
    return tables
