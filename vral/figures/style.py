"""What all figures have in common: type, colours, line styles, axes, words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from vral.study.methods import colour as colour_of
from vral.study.methods import label

ArmAtRatio = tuple[str, str]
"""An arm and the ratio it is played at."""

STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "figure.dpi": 150,
    "savefig.bbox": "tight",
    "pdf.fonttype": 42,
}
"""Settings of matplotlib; they must be in force while a figure is made and while it is saved."""

REAL = "#222222"
VARIANCE = "#222222"
FAINT = "#767676"
"""Colour of notes and reference lines; its contrast on white is 4.5:1."""
CLOCKS = {"g_updates": "generator updates", "d_updates": "D updates", "round": "rounds"}
MEDIANS = "median and 95 % bootstrap interval over seeds"
PER_INCH = 17
"""Characters of the small print per inch, at 6.5 points."""
FLOOR = 1e-12
"""Smaller readings have underflowed; on a log axis they are drawn at this value."""

DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
SHADES = (0.0, 0.4, -0.45, 0.6, -0.7)
"""How far an arm's colour is moved towards white (or, below 0, towards black)."""
SHADES_OF_PALE = (0.0, -0.3, -0.5, -0.65, -0.8)
PALE = 0.55
"""A colour with a larger mean of red, green and blue is only made darker: lighter lines would be
invisible."""

HUES = ("#cc6677", "#332288", "#2a9d8f", "#b8860b")
"""Colours of further arms in a figure of one method, where shades would be too similar."""


@dataclass(frozen=True)
class ArmStyle:
    """How a figure draws one of its arms."""

    colour: str | tuple[float, float, float]
    dash: str | tuple
    marker: str


def arm_styles(arms: Sequence[str]) -> dict[str, ArmStyle]:
    """Arms of one method share its hue; shade, dash and marker tell them apart.

    In a figure of one method each arm has another hue, since no other method can be confused with
    it. The method itself, or else its first arm, has the method's colour and a solid line.
    """
    families: dict[str, list[str]] = {}
    for arm in sorted(arms, key=lambda arm: "+" in arm):
        families.setdefault(arm.partition("+")[0], []).append(arm)
    styles = {}
    for k, family in enumerate(families.values()):
        for i, arm in enumerate(family):
            base = colour_of(arm)
            shades = SHADES_OF_PALE if np.mean(to_rgb(base)) > PALE else SHADES
            colours = [shade(base, amount) for amount in shades]
            if len(families) == 1:
                colours = [base, *HUES]
            marker = MARKERS[(k + 2 * i) % len(MARKERS)]
            styles[arm] = ArmStyle(colours[i % len(colours)], DASHES[i % len(DASHES)], marker)
    return {arm: styles[arm] for arm in arms}


def shade(colour: str, amount: float) -> tuple[float, float, float]:
    """``colour`` moved towards white by ``amount`` of the way, towards black if it is negative."""
    target = 1.0 if amount > 0 else 0.0
    red, green, blue = (part + abs(amount) * (target - part) for part in to_rgb(colour))
    return red, green, blue


def ratio_label(ratio: str) -> str:
    """A ratio as D:G, as in 5:1; schedules stay as they are."""
    return f"{ratio}:1" if ratio.isdigit() else ratio


def grid(
    rows: int, columns: int, width: float, height: float, **subplots: Any
) -> tuple[Figure, NDArray]:
    """A figure of ``rows`` × ``columns`` panels, each ``width`` × ``height`` inches."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **subplots)


def finish(figure: Figure, title: str, small: str, alt: str) -> Figure:
    """Add the title, the small print below (claims, statistics) and the alternative text."""
    figure.suptitle(title)
    lines = fill(small, int(PER_INCH * figure.get_figwidth()))
    figure.supxlabel(lines, fontsize=6.5, color=FAINT)
    figure.set_label(alt)
    return figure


def in_words(readings: Iterable[tuple[str, float]]) -> str:
    """Names with their readings, as in "Standard 3.2e-06, LSGAN 0.81"; NaN is left out."""
    known = [(name, value) for name, value in readings if np.isfinite(value)]
    return ", ".join(f"{name} {value:.2g}" for name, value in known) or "no readings"


def arm_label(arm: str, frame: pl.DataFrame, diverged: Mapping[str, int]) -> str:
    """An arm's name, with the number of its diverged seeds, or "no data" if it has none."""
    if diverged.get(arm):
        return f"{label(arm)} ({diverged[arm]} diverged)"
    return label(arm) if arm in frame["method"] else f"{label(arm)} (no data)"


def log_axis(ax: Axes, which: str = "y") -> None:
    """Make an axis ("x" or "y") logarithmic and let it show at least two powers of ten."""
    ax.set(**{f"{which}scale": "log"})
    axis = getattr(ax, f"{which}axis")
    axis.set_major_locator(LogLocator(numticks=6))
    axis.set_minor_formatter(NullFormatter())
    low, high = np.log10(getattr(ax, f"get_{which}lim")())
    if np.floor(high) - np.ceil(low) < 1:
        # Only powers of ten are labelled: let there be two of them.
        ax.set(**{f"{which}lim": (10 ** np.floor(low), 10 ** np.ceil(high))})
