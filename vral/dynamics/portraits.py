"""Phase portraits of every method × algorithm on the Dirac-GAN, and their animation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from matplotlib import rc_context
from matplotlib.animation import FFMpegWriter, PillowWriter
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vral.diagnostics.spectrum import Spectrum
from vral.dynamics.outcome import Outcome, Row
from vral.dynamics.systems import ALGORITHMS, System
from vral.errors import ConfigError
from vral.figures import STYLE
from vral.files import replace_file
from vral.methods import colour
from vral.train.trajectory import grid, trajectories

VIEW = 2.2
"""Panels show [-2.2, 2.2]²."""
STARTS = ((1.0, 1.0), (-1.5, 1.0), (-0.3, -0.5))
FIELD_POINTS = 21
FRAMES = 90


@dataclass(frozen=True)
class Portrait:
    """One panel: a system under an algorithm."""

    system: System
    algorithm: str
    field: NDArray
    """(FIELD_POINTS², 2) velocities over the plane, row by row of θ."""
    paths: NDArray
    """(times, start, 2)."""
    spectrum: Spectrum | None


def portraits(
    chosen: Sequence[System], step: float, rounds: int, starts: Sequence[tuple[float, float]]
) -> list[Portrait]:
    """Every system under every algorithm, all starts of a panel as lanes of one program."""
    plane, places = grid(-VIEW, VIEW, FIELD_POINTS), torch.tensor(starts, dtype=torch.float64)
    panels = []
    for system in chosen:
        toy, velocity = system.toy, system.velocity(plane)
        for algorithm in ALGORITHMS:
            path = trajectories(
                toy.game,
                system.rule(step),
                system.moves(algorithm),
                toy.profile(system.starts(places)),
                rounds,
                toy.draw,
                toy.projections,
            )[..., :2]
            spectrum = system.spectrum(algorithm, step)
            panels.append(Portrait(system, algorithm, velocity, path.numpy(), spectrum))
    return panels


def experiment(
    chosen: Sequence[System],
    step: float = 0.2,
    rounds: int = 500,
    starts: Sequence[tuple[float, float]] = STARTS,
) -> Outcome:
    panels = portraits(chosen, step, rounds, starts)
    rows, eigenvalues = [], []
    for panel in panels:
        system, name = panel.system, f"{panel.system.label}, {panel.algorithm}"
        if panel.spectrum is not None:
            closed = system.closed_radius(panel.algorithm, step)
            slowest = _rotating(panel.spectrum)
            rows.append(Row(name, "ρ of (θ, ψ)", float(np.abs(slowest).max()), closed))
            eigenvalues += [
                {"method": system.label, "algorithm": panel.algorithm, "re": z.real, "im": z.imag}
                for z in panel.spectrum.eigenvalues.tolist()
            ]
        last = panel.paths[-1]
        rows.append(Row(name, "largest r at the end", float(np.linalg.norm(last, axis=1).max())))
    for system in chosen:
        if system.equilibrium is None:
            continue
        flow = system.flow_jacobian()
        # (θ, ψ) decouple from what lies behind them at every equilibrium here: D is flat.
        pair = np.linalg.eigvals(flow[:2, :2])
        expected = float("nan")
        if system.local is not None:
            k, g, f = system.local
            expected = -(k + g) / 2 + np.emath.sqrt((k - g) ** 2 / 4 - f**2).real
        rows.append(Row(system.label, "abscissa of (θ, ψ)", pair.real.max(), expected))
    tables = {"eigenvalues": pl.DataFrame(eigenvalues)} if eigenvalues else {}
    return Outcome(rows, {"portraits": figure(panels, step, rounds)}, tables)


def _rotating(spectrum: Spectrum) -> NDArray:
    """The pair that turns, or else the two eigenvalues nearest to the unit circle."""
    values = spectrum.eigenvalues
    return values[np.argsort(np.abs(np.abs(values) - 1), kind="stable")[:2]]


def draw_portrait(ax: Axes, panel: Portrait, upto: int | None = None) -> None:
    """Integral curves in grey, trajectories in the method's colour, starts as dots.

    With ``upto`` trajectories end there in a dot, for an animation.
    """
    axis = np.linspace(-VIEW, VIEW, FIELD_POINTS)
    u, v = panel.field.reshape(FIELD_POINTS, FIELD_POINTS, 2).transpose(2, 1, 0)
    ax.streamplot(axis, axis, u, v, density=0.55, linewidth=0.35, color="#b5b5b5", arrowsize=0.45)
    hue = colour(panel.system.method)
    for start in range(panel.paths.shape[1]):
        path = panel.paths[: None if upto is None else upto + 1, start]
        path = path[np.isfinite(path).all(1)]
        ax.plot(*path.T, "-", lw=0.5, color=hue, alpha=0.55)
        ax.plot(*path.T, ".", ms=1.6, color=hue, mew=0)
        ax.plot(*path[0], "o", ms=2.6, mfc="white", mec=hue, mew=0.7)
        if upto is not None:
            ax.plot(*path[-1], "o", ms=5, color=hue)
    ax.plot(0, 0, "+", ms=5, color="black", mew=0.6)
    ax.set(xlim=(-VIEW, VIEW), ylim=(-VIEW, VIEW), xticks=[-2, 0, 2], yticks=[-2, 0, 2])
    ax.set_aspect("equal")


def eigenvalue_text(spectrum: Spectrum | None) -> str:
    """The turning or slowest pair of a round, and its modulus."""
    if spectrum is None:
        return "no equilibrium"
    first, second = _rotating(spectrum)
    if abs(first.imag) > 1e-6:
        text = f"{first.real:.3f} ± {abs(first.imag):.3f}i"
    else:
        text = f"{first.real:.3f}, {second.real:.3f}"
    return f"λ = {text}\nρ = {max(abs(first), abs(second)):.4f}"


def figure(panels: Sequence[Portrait], step: float, rounds: int) -> Figure:
    """All panels on one page, two systems side by side where there are more than four."""
    algorithms = len(ALGORITHMS)
    systems = len(panels) // algorithms
    beside = 2 if systems > 4 else 1
    count = -(-systems // beside)
    with rc_context({**STYLE, "font.size": 6.5, "axes.titlesize": 6.5, "axes.labelsize": 7}):
        drawing = Figure(
            figsize=(1.45 * algorithms * beside + 0.6, 1.72 * count + 0.7), layout="constrained"
        )
        axes = drawing.subplots(count, algorithms * beside, squeeze=False)
        for ax in axes.flat:
            ax.set_axis_off()
        for i, panel in enumerate(panels):
            system, column = divmod(i, algorithms)
            ax = axes[system % count, (system // count) * algorithms + column]
            ax.set_axis_on()
            draw_portrait(ax, panel)
            ax.set_title(f"{panel.algorithm}: {eigenvalue_text(panel.spectrum)}")
            ax.tick_params(labelbottom=system % count == count - 1 or system == systems - 1)
            if column == 0:
                text, hue = panel.system.label, colour(panel.system.method)
                ax.set_ylabel(f"{text}\nψ", color=hue, weight="bold")
            else:
                ax.tick_params(labelleft=False)
            if system % count == count - 1 or system == systems - 1:
                ax.set_xlabel("θ")
        drawing.suptitle(
            f"The Dirac-GAN: integral curves of the field, {rounds} rounds at h = {step:g}, "
            "eigenvalues λ of a round at the equilibrium",
            fontsize=9,
        )
        return drawing


def writer_for(file: Path) -> PillowWriter | FFMpegWriter:
    """Pillow for a .gif, ffmpeg for an .mp4. Raises ConfigError for others or without ffmpeg."""
    if file.suffix == ".gif":
        return PillowWriter(fps=15)
    if file.suffix != ".mp4":
        raise ConfigError(f"--animate: {file} given; allowed: a file ending in .gif or .mp4")
    if not FFMpegWriter.isAvailable():
        raise ConfigError(f"--animate: {file} needs ffmpeg, which is not installed; allowed: .gif")
    return FFMpegWriter(fps=15)


def animate(panels: Sequence[Portrait], file: Path, frames: int = FRAMES) -> None:
    """A system's panels side by side, their trajectories growing, into ``file``.

    Raises ConfigError (see ``writer_for``) and FolderError where it cannot be written.
    """
    writer, times = writer_for(file), len(panels[0].paths)
    with rc_context({**STYLE, "savefig.bbox": None}), replace_file(file) as temporary:
        drawing = Figure(figsize=(2.6 * len(panels), 3.0), dpi=100, layout="constrained")
        FigureCanvasAgg(drawing)
        axes = drawing.subplots(1, len(panels), squeeze=False)[0]
        visible = temporary.with_name(f"{temporary.name}{file.suffix}")
        try:
            with writer.saving(drawing, str(visible), dpi=100):
                for at in np.unique(np.linspace(0, times - 1, frames).round().astype(int)):
                    for ax, panel in zip(axes, panels, strict=True):
                        ax.clear()
                        draw_portrait(ax, panel, int(at))
                        ax.set_title(f"{panel.algorithm}: {eigenvalue_text(panel.spectrum)}")
                    drawing.suptitle(f"{panels[0].system.label}, round {at}")
                    writer.grab_frame()
            visible.replace(temporary)
        finally:
            visible.unlink(missing_ok=True)
