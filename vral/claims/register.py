"""The register: what each claim asks for, since when, and why.

``register.csv`` is the only place that names a claim's threshold and its exact quantity. To change
either, add a line; the earlier lines stay as they are, and the last line of a claim is in force.
The thresholds are those of the project's specification where it names one.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from vral.claims.verdict import Claim, Registered, Threshold


class Line(NamedTuple):
    """One line of the register."""

    quantity: str
    entry: Registered


def parse(lines: Iterable[str]) -> Iterable[dict[str, str]]:
    """The rows of a register, from its ``lines`` with the heading; a row is one line."""
    return csv.DictReader(lines)


@cache
def register() -> dict[str, tuple[Line, ...]]:
    """The lines of every claim, by its id, in the order of the file."""
    lines = defaultdict(list)
    text = (files("vral.claims") / "register.csv").read_text(encoding="utf-8")
    for row in parse(text.splitlines()):
        entry = Registered(row["since"], row["threshold"], row["note"])
        lines[row["id"]].append(Line(row["quantity"], entry))
    return {name: tuple(of_claim) for name, of_claim in lines.items()}


def registered(name: str, **fields: Any) -> Claim:
    """The claim ``name`` with its threshold, quantity and history from the register.

    ``fields`` are the other fields of Claim. Raises KeyError where the register lacks the claim.
    """
    lines = register()[name]
    return Claim(
        id=name,
        quantity=lines[-1].quantity,
        threshold=Threshold.parse(lines[-1].entry.threshold),
        history=tuple(line.entry for line in lines),
        **fields,
    )
