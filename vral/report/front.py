"""The one picture of the page's first screen."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from vral.claims.primary import DECK
from vral.figures.front import READINGS, front
from vral.report.contents import Section, Theory, figure_anchor
from vral.report.pictures import Picture, drawn, thumbnail
from vral.study.methods import METHODS
from vral.study.numbers import how_many

COMPARED = ("deck", "ratios")
"""Experiments that the picture can show: they compare the deck's methods."""
RATIO = "50"
"""The ratio at which it shows them."""
FEWEST_METHODS = 3
"""A comparison has so many methods at least."""
LARGEST = (420, 380)
"""Width and height of a shrunk figure in CSS pixels."""


@dataclass(frozen=True)
class Front:
    """The picture with its alternative text, and the anchor of what it is taken from."""

    picture: Picture
    alt: str
    caption: str
    anchor: str


def front_of(sections: Sequence[Section], theories: Sequence[Theory]) -> Front | None:
    """Every method at 50:1, where a study compares them; else the first figure, shrunk.

    The deck on its home data set comes first, then the sections in their order. None where there is
    no figure at all.
    """
    compared = [section for section in sections if section.study.experiment in COMPARED]
    compared.sort(key=lambda section: (section.study.experiment, section.dataset) != DECK)
    for section in compared:
        summary = _summary(section)
        if summary is not None:
            return _comparison(section, summary)
    for section in sections:
        for plate in section.plates[:1]:
            caption = plate.caption or f"{plate.name}: {section.study.name}, {section.dataset}"
            return Front(thumbnail(plate.picture, *LARGEST), plate.alt, caption, plate.anchor)
    for theory in theories:
        for name, picture in list(theory.figures.items())[:1]:
            anchor = figure_anchor(theory.anchor, name)
            caption = f"{name}: {theory.experiment}"
            return Front(thumbnail(picture, *LARGEST), theory.alt(name), caption, anchor)
    return None


def _summary(section: Section) -> pl.DataFrame | None:
    """What the comparison draws of a section; None where it lacks a reading or has few methods."""
    rows = [
        {"method": arm, "ratio": ratio, "metric": metric}
        | {name: row[name] for name in ("median", "low", "high")}
        for (arm, ratio), values in section.values.items()
        for metric, row in values.items()
        if ratio == RATIO and arm in METHODS and metric in READINGS
    ]
    methods = {row["method"] for row in rows}
    complete = {row["metric"] for row in rows} == set(READINGS)
    return pl.DataFrame(rows) if complete and len(methods) >= FEWEST_METHODS else None


def _comparison(section: Section, summary: pl.DataFrame) -> Front:
    seeds = how_many(len(section.seeds), "seed")
    figure = front(summary, RATIO, f"{section.dataset}, {seeds}")
    caption = f"{section.study.name} on {section.dataset}, {seeds}"
    return Front(drawn(figure), str(figure.get_label()), caption, section.anchor)
