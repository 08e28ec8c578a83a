"""Eigenvalues in the complex plane, and the spectral abscissa against a penalty's weight."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vral.diagnostics.gamma_sweep import GammaSweep
from vral.diagnostics.spectrum import Spectrum
from vral.figures.style import FAINT, STYLE, finish, grid

FIELD, ROUND = "#0072b2", "#d55e00"
UNSTABLE = "#e41a1c"
SMALL = (
    "red: Re λ > 0 of a field, |λ| > 1 of a round. Only where ‖v‖, or ‖F(x)-x‖, is 0 do "
    "eigenvalues tell of convergence."
)


def draw_eigenvalues(ax: Axes, spectrum: Spectrum) -> None:
    """Draw eigenvalues in the complex plane; those of growing directions are red.

    The border of growth is the imaginary axis for a field and the unit circle for a round.
    """
    values, grows = spectrum.eigenvalues, spectrum.growing
    for chosen, colour in ((~grows, ROUND if spectrum.update else FIELD), (grows, UNSTABLE)):
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


def _spectrum_title(name: str, spectrum: Spectrum) -> str:
    if spectrum.update:
        return (
            f"{name}\n‖F(x)-x‖ = {spectrum.residual:.2g}, ρ = {spectrum.radius:.6g}, "
            f"{spectrum.positive} outside"
        )
    return (
        f"{name}\n‖v‖ = {spectrum.residual:.2g}, max Re = {spectrum.abscissa:.3g}, "
        f"{spectrum.positive} grow"
    )


def eigenvalues(panels: Sequence[Sequence[tuple[str, Spectrum]]], title: str) -> Figure:
    """Spectra in the complex plane, given as rows of (name, spectrum)."""
    with rc_context(STYLE):
        figure, axes = grid(len(panels), max(map(len, panels)), 3.7, 2.7)
        for row, spectra in zip(axes, panels, strict=True):
            for ax, (name, spectrum) in zip(row, spectra, strict=False):
                draw_eigenvalues(ax, spectrum)
                ax.set_title(_spectrum_title(name, spectrum))
            for ax in row[len(spectra) :]:
                ax.set_axis_off()
        spectra_by_name = [(name, spectrum) for row in panels for name, spectrum in row]
        in_numbers = "; ".join(
            _spectrum_title(name, at).replace("\n", ", ") for name, at in spectra_by_name
        )
        return finish(figure, title, SMALL, f"Eigenvalues. {in_numbers}")


def damping(sweep: GammaSweep, title: str) -> Figure:
    """The spectral abscissa against γ, marked where it is least and where it becomes negative."""
    with rc_context(STYLE):
        figure = Figure(figsize=(4.2, 2.8), layout="constrained")
        ax = figure.subplots()
        ax.plot(sweep.gammas, sweep.abscissae, "o-", ms=3, lw=1.1, color=FIELD)
        ax.axhline(0, color=FAINT, lw=0.7, zorder=0)
        critical = f"critical damping at γ = {sweep.critical:g}\n(least abscissa, on the grid)"
        ax.axvline(sweep.critical, color=FIELD, lw=0.7, ls=":", label=critical)
        if sweep.stable_from is not None:
            name = f"stable from γ = {sweep.stable_from:.4g}"
            ax.axvline(sweep.stable_from, color=UNSTABLE, lw=0.7, ls="--", label=name)
        elif sweep.stable_between is not None:
            low, high = sweep.stable_between
            name = f"stable from γ between {low:g} and {high:g}"
            ax.axvspan(low, high, color=UNSTABLE, alpha=0.15, lw=0, label=name)
        ax.set_xlabel("γ of R1")
        ax.set_ylabel("max Re λ without λ = 0")
        ax.legend()
        small = f"‖v‖ = {sweep.residual:.2g} at γ = {sweep.gammas[-1]:g}"
        return finish(figure, title, small, f"{title}: {critical}; {small}")
