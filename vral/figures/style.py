"""What all figures have in common: paper, type, colours, line styles, axes, words.

A figure is laid out anew for each width of paper and shown in true size (an inch is 96 CSS pixels),
so that its letters are as large on a phone as on a page. A ``Drawing`` is a figure whose width is
still to be chosen.
"""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, Concatenate, ParamSpec

import numpy as np
import polars as pl
from matplotlib import rc_context, rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.markers import CARETDOWN, CARETLEFT
from matplotlib.textpath import text_to_path
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray

from vral.study.methods import colour as colour_of
from vral.study.methods import label

PAGE, PHONE = 10.0, 3.6
"""Widths of paper in inches: of a page, and of a phone of 360 CSS pixels less its margins."""

CSS_PIXELS = 96
"""CSS pixels per inch."""

Draw = Callable[[float], Figure]
"""Lays a figure out for paper of a width in inches."""

ArmAtRatio = tuple[str, str]
"""An arm and the ratio it is played at."""

SMALL, TINY = 8.0, 7.5
"""Sizes in points of legends and ticks, and of notes. Nothing is smaller: 7.5 points are 10 CSS
pixels."""

STYLE: dict[Any, Any] = {
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "figure.titlesize": 10.5,
    "figure.dpi": 150,
    "figure.constrained_layout.h_pad": 0.06,
    "pdf.fonttype": 42,
}
"""Settings of matplotlib; they must be in force while a figure is made and while it is saved."""

REAL = "#222222"
VARIANCE = "#222222"
FAINT = "#767676"
"""Colour of notes and reference lines; its contrast on white is 4.5:1."""
CLOCKS = {"g_updates": "generator updates", "d_updates": "D updates", "round": "rounds"}
MEDIANS = "median and interval over seeds (93.75 % with five)"
CALM, ALARM = "#0072b2", "#d55e00"
"""What goes well (arrives, shrinks) and what does not (grows): blue and vermilion, which also the
colour-blind tell apart."""
FLOOR = 1e-12
"""Smaller readings are 0 or have underflowed, and a log axis has no place for them."""
SUNK = 1e-100
"""Where the end of an interval is drawn that lies below FLOOR: out of sight, below any axis."""
ZERO = "zero"
"""``gid`` of the marks at the edge of a log axis where a reading is below FLOOR."""

DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
SHADES = (0.0, 0.4, -0.45, 0.6, -0.7)
"""How far an arm's colour is moved towards white (or, below 0, towards black)."""
SHADES_OF_PALE = (0.0, -0.3, -0.5, -0.65, -0.8)
PALE = 0.45
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


@dataclass(frozen=True)
class Drawing:
    """A figure that is still to be laid out: ``drawing(PHONE)``. A notebook shows it on a PAGE."""

    draw: Draw

    def __call__(self, width: float) -> Figure:
        """The figure on paper of ``width`` inches."""
        return self.draw(width)

    def _repr_png_(self) -> bytes:
        """The picture that a notebook shows."""
        picture = io.BytesIO()
        with rc_context(STYLE):
            self(PAGE).savefig(picture, format="png", dpi=CSS_PIXELS)
        return picture.getvalue()


P = ParamSpec("P")


def drawing(draw: Callable[Concatenate[float, P], Figure]) -> Callable[P, Drawing]:
    """Make a function of (width, data) one of the data that returns a Drawing.

    A width is laid out once, in the project's style.
    """

    @wraps(draw)
    def of_data(*args: P.args, **kwargs: P.kwargs) -> Drawing:
        @cache
        def on(width: float) -> Figure:
            with rc_context(STYLE):
                return draw(width, *args, **kwargs)

        return Drawing(on)

    return of_data


def grid(
    width: float, rows: int, columns: int, height: float, **subplots: Any
) -> tuple[Figure, NDArray]:
    """A figure ``width`` inches wide of ``rows`` × ``columns`` panels, each ``height`` inches."""
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **subplots)


def beside(width: float, least: float, most: int) -> int:
    """How many panels of at least ``least`` inches fit beside each other, 1 to ``most``."""
    return max(1, min(most, int(width / least)))


def wrap(text: str, size: float, inches: float, weight: str = "normal") -> str:
    """``text`` in lines of at most ``inches`` at ``size`` points; a longer word has its own line.

    Lines that it has already are kept.
    """
    font = FontProperties(size=size, weight=weight)

    def breadth(line: str) -> float:
        return text_to_path.get_text_width_height_descent(line, font, "$" in line)[0] / 72

    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if line and breadth(longer) > inches:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines)


MARGIN = 0.06
"""Inches around the title, the legend and the small print."""


def finish(
    figure: Figure,
    title: str,
    small: str,
    alt: str,
    key: tuple[Sequence[Artist], Sequence[str]] = ((), ()),
) -> Figure:
    """Add title and legend above the panels, small print below, and the alternative text.

    The figure grows by what they need. ``key`` holds the legend's (handles, names); ``small`` names
    claims and statistics.
    """
    width, panels = map(float, figure.get_size_inches())
    room = width - 2 * MARGIN
    if any(artist.get_gid() == ZERO for ax in figure.axes for artist in ax.lines):
        small += f" · triangles at an edge: 0, or below {FLOOR:g}"
    size = rcParams["figure.titlesize"]
    above = figure.suptitle(wrap(title, size, room), va="top")
    below = figure.supxlabel(wrap(small, TINY, room), fontsize=TINY, color=FAINT, va="bottom")
    renderer = FigureCanvasAgg(figure).get_renderer()

    def tall(artist: Any) -> float:
        return artist.get_window_extent(renderer).height / figure.dpi + 2 * MARGIN

    top, bottom = tall(above), tall(below)
    legend = _legend(figure, renderer, *key, room) if key[0] else None
    head = top + (tall(legend) if legend else 0.0)
    total = head + panels + bottom
    figure.set_size_inches(width, total)
    above.set_position((0.5, 1 - MARGIN / total))
    below.set_position((0.5, MARGIN / total))
    if legend:
        legend.set_bbox_to_anchor((0.5, 1 - (top + MARGIN) / total))
    for artist in filter(None, (above, below, legend)):
        artist.set_in_layout(False)
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(rect=(0, bottom / total, 1, panels / total))
    figure.set_label(alt)
    return figure


def _legend(
    figure: Figure, renderer: Any, handles: Sequence[Artist], names: Sequence[str], room: float
) -> Any:
    """The legend in as few rows as fit into ``room`` inches, of nearly equal length."""
    names = [wrap(name, SMALL, room - 0.6) for name in names]
    for columns in dict.fromkeys(-(-len(names) // rows) for rows in range(1, len(names) + 1)):
        legend = figure.legend(
            handles, names, ncols=columns, loc="upper center", borderaxespad=0, borderpad=0
        )
        if columns == 1 or legend.get_window_extent(renderer).width <= room * figure.dpi:
            return legend
        legend.remove()
    return None


def in_words(readings: Iterable[tuple[str, float]]) -> str:
    """Names with their readings, as in "Standard 3.2e-06, LSGAN 0.81"; NaN is left out."""
    known = [(name, value) for name, value in readings if np.isfinite(value)]
    return ", ".join(f"{name} {value:.2g}" for name, value in known) or "no readings"


def arm_label(arm: str, frame: pl.DataFrame, diverged: Mapping[str, int]) -> str:
    """An arm's name, with the number of its diverged seeds, or "no data" if it has none."""
    if diverged.get(arm):
        return f"{label(arm)} ({diverged[arm]} diverged)"
    return label(arm) if arm in frame["method"] else f"{label(arm)} (no data)"


def on_log(values: ArrayLike) -> NDArray:
    """``values`` with NaN where they are below FLOOR: a log axis has a gap there."""
    values = np.asarray(values, float)
    return np.where(values >= FLOOR, values, np.nan)


def end_on_log(values: ArrayLike) -> NDArray:
    """Ends of intervals, with SUNK where they are below FLOOR: drawn to the edge of a log axis."""
    values = np.asarray(values, float)
    return np.where(values < FLOOR, SUNK, values)


def mark_zeros(ax: Axes, places: ArrayLike, colour: Any, which: str = "y") -> None:
    """Triangles at the edge of the log axis ``which``, at ``places`` along the other axis."""
    places = np.atleast_1d(np.asarray(places, float))
    if not len(places):
        return
    edge = np.zeros_like(places)
    look = {"ls": "", "ms": 5, "mew": 0, "color": colour, "clip_on": False, "gid": ZERO}
    if which == "y":
        ax.plot(
            places, edge, marker=CARETDOWN, transform=ax.get_xaxis_transform(), zorder=4, **look
        )
    else:
        ax.plot(
            edge, places, marker=CARETLEFT, transform=ax.get_yaxis_transform(), zorder=4, **look
        )


def log_axis(ax: Axes, which: str = "y") -> None:
    """Make an axis ("x" or "y") logarithmic and fit it to what is drawn from FLOOR upwards.

    It shows at least two powers of ten.
    """
    ax.set(**{f"{which}scale": "log"})
    axis = getattr(ax, f"{which}axis")
    axis.set_major_locator(LogLocator(numticks=6))
    axis.set_minor_formatter(NullFormatter())
    shown = _drawn(ax, which)
    if not len(shown):
        ax.set(**{f"{which}lim": (0.1, 1.0)})
        return
    low, high = np.log10([shown.min(), shown.max()])
    margin = 0.05 * (high - low)
    low, high = low - margin, high + margin
    if np.floor(high) - np.ceil(low) < 1:
        # Only powers of ten are labelled: let there be two of them.
        low, high = np.floor(low), np.ceil(high) + (np.ceil(high) == np.floor(low))
    ax.set(**{f"{which}lim": (10**low, 10**high)})


def _drawn(ax: Axes, which: str) -> NDArray:
    """All coordinates along an axis from FLOOR upwards of the lines and areas drawn in its data."""
    i = "xy".index(which)
    found: list[NDArray] = []
    for artist in (*ax.lines, *ax.collections):
        if not artist.get_transform().contains_branch_seperately(ax.transData)[i]:
            continue
        if isinstance(artist, Line2D):
            found.append(np.asarray(artist.get_xydata(), float)[:, i])
        elif isinstance(artist, Collection):
            found += [np.asarray(path.vertices, float)[:, i] for path in artist.get_paths()]
    values = np.concatenate([np.empty(0), *found])
    return values[np.isfinite(values) & (values >= FLOOR)]
