"""Eigenvalues in the complex plane, and the spectral abscissa against a penalty's weight."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import NDArray

from vral.diagnostics.gamma_sweep import GammaSweep
from vral.diagnostics.spectrum import Spectrum
from vral.figures.style import ALARM, CALM, FAINT, beside, drawing, finish, grid, wrap

NOTE = (
    "orange: Re λ > 0 of a field, |λ| > 1 of a round. Only where ‖v‖, or ‖F(x)-x‖, is 0 do "
    "eigenvalues tell of convergence."
)
PARTS = {"real": "Re", "imag": "Im"}
WIDE = 30.0
"""Where a spectrum's largest part exceeds the median one by this factor, a linear axis would
squeeze the cloud into a point."""
ROUNDING = 1e-12
"""Parts below this share of the largest are 0 but for rounding."""


def draw_eigenvalues(ax: Axes, spectrum: Spectrum) -> None:
    """Draw eigenvalues in the complex plane; those of growing directions are orange.

    The border of growth is the imaginary axis for a field and the unit circle for a round.
    """
    values, grows = spectrum.eigenvalues, spectrum.growing
    for chosen, colour in ((~grows, CALM), (grows, ALARM)):
        ax.plot(
            values[chosen].real, values[chosen].imag, "o", ms=2.5, mew=0, alpha=0.6, color=colour
        )
    if spectrum.update:
        (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
        angle = np.linspace(0, 2 * np.pi, 20_001)
        ax.plot(np.cos(angle), np.sin(angle), color=FAINT, lw=0.7, zorder=0)
        ax.set(xlim=(left, max(right, 1 + 0.05 * (1 - left))), ylim=(low, high))
    else:
        ax.axvline(0, color=FAINT, lw=0.7, zorder=0)
    ax.axhline(0, color="#cccccc", lw=0.5, zorder=0)
    ax.set_xlabel("Re λ")
    ax.set_ylabel("Im λ")


def _sizes(parts: NDArray) -> NDArray:
    """|parts| that are finite and not 0."""
    sizes = np.abs(parts[np.isfinite(parts)])
    return sizes[sizes > ROUNDING * sizes.max(initial=0.0)]


def _squeezed(spectrum: Spectrum) -> bool:
    """Whether a few large parts would squeeze the others into a point of a linear axis."""
    sizes = [_sizes(part) for part in (spectrum.eigenvalues.real, spectrum.eigenvalues.imag)]
    return any(len(part) and part.max() > WIDE * np.median(part) for part in sizes)


def _symlog(panels: Sequence[tuple[Axes, Spectrum]], wide: float, high: float) -> str:
    """Give fields the same symmetric-logarithmic axes, linear up to the median part; says so.

    A panel is ``wide`` × ``high`` inches. Ticks are at powers of ten, as many as have room.
    """
    linear = {}
    for which in PARTS:
        sizes = np.concatenate([_sizes(getattr(at.eigenvalues, which)) for _, at in panels])
        if not len(sizes):
            continue
        first, reach = np.floor(np.log10(np.median(sizes))), np.log10(2 * sizes.max())
        # Either side of 0 is as long as its powers of ten, and the linear part as 1.11 of them.
        power = (wide if which == "real" else high) / 2 / (reach - first + 1.11)
        step = np.ceil((0.5 if which == "real" else 0.25) / power)
        ticks = 10.0 ** np.arange(np.floor(reach), first, -step)[::-1]
        linear[which] = 10.0**first
        for ax, _ in panels:
            axis = "x" if which == "real" else "y"
            getattr(ax, f"set_{axis}scale")("symlog", linthresh=10.0**first)
            getattr(ax, f"{axis}axis").set_major_locator(FixedLocator([*-ticks[::-1], 0, *ticks]))
            getattr(ax, f"{axis}axis").set_minor_locator(NullLocator())
            ax.set(**{f"{axis}lim": (-2 * sizes.max(), 2 * sizes.max())})
    within = " and ".join(
        f"|{name} λ| < {linear[part]:g}" for part, name in PARTS.items() if part in linear
    )
    return f" Axes of fields: the same in all panels, linear where {within}, logarithmic beyond."


def _spectrum_title(name: str, spectrum: Spectrum) -> str:
    """The name, and in numbers what may be read from the picture."""
    numbers = [
        f"{'‖F(x)-x‖' if spectrum.update else '‖v‖'} = {spectrum.residual:.2g}",
        f"{spectrum.positive} {'outside' if spectrum.update else 'grow'}",
    ]
    if not spectrum.stationary:
        numbers.insert(1, "not stationary")
    elif spectrum.update:
        numbers.insert(1, f"ρ = {spectrum.radius:.6g}")
    else:
        numbers.insert(1, f"max Re = {spectrum.abscissa:.3g}")
    return f"{name}\n{', '.join(numbers)}"


@drawing
def eigenvalues(
    width: float, panels: Sequence[Sequence[tuple[str, Spectrum]]], title: str
) -> Figure:
    """Spectra in the complex plane, given as rows of (name, spectrum)."""
    most = max(map(len, panels))
    columns = most if beside(width, 3.0, most) == most else 1
    rows = len(panels) if columns == most else sum(map(len, panels))
    width = min(width, 4.2 * columns)
    panel = width / columns
    figure, axes = grid(width, rows, columns, 2.6)
    for ax in axes.flat:
        ax.set_axis_off()
    places = [
        (row if columns == most else sum(map(len, panels[:row])) + at, at if columns == most else 0)
        for row, spectra in enumerate(panels)
        for at in range(len(spectra))
    ]
    every = [pair for row in panels for pair in row]
    for place, (name, spectrum) in zip(places, every, strict=True):
        ax = axes[place]
        ax.set_axis_on()
        draw_eigenvalues(ax, spectrum)
        ax.set_title(wrap(_spectrum_title(name, spectrum), 9, panel - 0.5))
    fields = [
        (axes[place], spectrum)
        for place, (_, spectrum) in zip(places, every, strict=True)
        if not spectrum.update
    ]
    squeezed = any(_squeezed(spectrum) for _, spectrum in fields)
    note = NOTE + (_symlog(fields, panel - 0.7, 1.5) if squeezed else "")
    in_numbers = "; ".join(_spectrum_title(name, at).replace("\n", ", ") for name, at in every)
    return finish(figure, title, note, f"Eigenvalues. {in_numbers}")


@drawing
def damping(width: float, sweep: GammaSweep, title: str) -> Figure:
    """The spectral abscissa against γ, marked where it is least and where it becomes negative."""
    figure, axes = grid(min(width, 4.8), 1, 1, 2.4)
    ax = axes[0, 0]
    ax.plot(sweep.gammas, sweep.abscissae, "o-", ms=3, lw=1.1, color=FAINT)
    ax.axhline(0, color=FAINT, lw=0.7, zorder=0)
    key = {}
    if sweep.critical is not None:
        name = f"critical damping at γ = {sweep.critical:g} (least abscissa, on the grid)"
        key[name] = ax.axvline(sweep.critical, color="black", lw=0.9, ls=":")
    if sweep.stable_from is not None:
        name = f"stable from γ = {sweep.stable_from:.4g}"
        key[name] = ax.axvline(sweep.stable_from, color=CALM, lw=0.9, ls="--")
    elif sweep.stable_between is not None:
        low, high = sweep.stable_between
        name = f"stable from γ between {low:g} and {high:g}"
        key[name] = ax.axvspan(low, high, color=CALM, alpha=0.15, lw=0)
    ax.set_xlabel("γ of R1")
    ax.set_ylabel("max Re λ without λ = 0")
    small = f"‖v‖ is {sweep.residual:.2g} at most"
    if not sweep.stationary:
        small += ": not stationary, so neither stability nor critical damping can be read off."
    alt = "; ".join([f"{title}: {small}", *key])
    return finish(figure, title, small, alt, (list(key.values()), list(key)))
