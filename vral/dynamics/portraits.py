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
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from vral.dynamics import closed_forms
from vral.dynamics.closed_forms import Complex
from vral.dynamics.systems import ALGORITHMS, System
from vral.errors import ConfigError
from vral.figures.style import STYLE, TINY, beside, drawing, finish, wrap
from vral.figures.style import grid as panel_grid
from vral.files import replace_file
from vral.study.measured import Measured, Quantity, Row
from vral.study.methods import colour
from vral.train.paths import grid, trajectories_by_schedule

VIEW = 2.2
"""Panels show the square [-VIEW, VIEW]²."""
STARTS = ((1.0, 1.0), (-1.5, 1.0), (-0.3, -0.5))
FIELD_POINTS = 21
"""Points of the drawn field along each axis."""
FRAMES = 90
"""Frames of an animation."""


def abscissa_of(label: str) -> Quantity:
    """The largest real part of the flow's two eigenvalues of (θ, ψ), by the system's label."""
    return Quantity(label, "abscissa of (θ, ψ)")


@dataclass(frozen=True)
class Portrait:
    """One panel: a system under an algorithm."""

    system: System
    algorithm: str
    field: NDArray
    """Velocities (FIELD_POINTS², 2) over the plane, row by row of θ."""
    paths: NDArray
    """Trajectories (times, start, 2)."""
    eigenvalues: Complex | None
    """Eigenvalues of a round at the equilibrium, first the pair of (θ, ψ); None without an
    equilibrium."""


def portraits(
    chosen: Sequence[System], step: float, rounds: int, starts: Sequence[tuple[float, float]]
) -> list[Portrait]:
    """One panel per system and algorithm; the starts of a panel are lanes of one program."""
    plane, places = grid(-VIEW, VIEW, FIELD_POINTS), torch.tensor(starts, dtype=torch.float64)
    panels = []
    for system in chosen:
        toy, velocity = system.toy, system.velocity(plane)
        paths = trajectories_by_schedule(
            toy.game,
            system.rule(step),
            [system.moves(algorithm) for algorithm in ALGORITHMS],
            toy.profile(system.starts(places)),
            rounds,
            toy.draw,
            toy.projections,
        )
        for algorithm, path in zip(ALGORITHMS, paths, strict=True):
            eigenvalues = None
            if system.equilibrium is not None:
                eigenvalues = split_eigenvalues(system.round_jacobian(algorithm, step))
            panels.append(Portrait(system, algorithm, velocity, path[..., :2].numpy(), eigenvalues))
    return panels


def split_eigenvalues(jacobian: NDArray) -> Complex:
    """The two eigenvalues of (θ, ψ), then those of the other coordinates.

    They may be computed block by block: at every equilibrium here D is flat, so that the other
    coordinates do not act on (θ, ψ).
    """
    pair, others = np.linalg.eigvals(jacobian[:2, :2]), np.linalg.eigvals(jacobian[2:, 2:])
    return np.concatenate([pair, others]).astype(complex)


def experiment(
    chosen: Sequence[System],
    step: float = 0.2,
    rounds: int = 500,
    starts: Sequence[tuple[float, float]] = STARTS,
) -> Measured:
    """Portraits of the chosen systems, with eigenvalues measured and in closed form."""
    panels = portraits(chosen, step, rounds, starts)
    rows, eigenvalues = [], []
    for panel in panels:
        system, name = panel.system, f"{panel.system.label}, {panel.algorithm}"
        if panel.eigenvalues is not None:
            closed = system.closed_radius(panel.algorithm, step)
            radius = float(np.abs(panel.eigenvalues[:2]).max())
            rows.append(Row(name, "ρ of (θ, ψ)", radius, closed))
            eigenvalues += [
                {"method": system.label, "algorithm": panel.algorithm, "re": z.real, "im": z.imag}
                for z in panel.eigenvalues.tolist()
            ]
        last = panel.paths[-1]
        rows.append(Row(name, "largest r at the end", float(np.linalg.norm(last, axis=1).max())))
    for system in chosen:
        if system.equilibrium is None:
            continue
        pair = split_eigenvalues(system.flow_jacobian())[:2]
        expected = float("nan")
        if system.local is not None:
            expected = float(closed_forms.flow(*system.local).real.max())
        rows.append(abscissa_of(system.label).row(pair.real.max(), expected))
    tables = {"eigenvalues": pl.DataFrame(eigenvalues)} if eigenvalues else {}
    return Measured(rows, {"portraits": figure(panels, step, rounds)}, tables)


def draw_field(ax: Axes, panel: Portrait) -> None:
    """Integral curves in grey, and a cross at (0, 0)."""
    axis = np.linspace(-VIEW, VIEW, FIELD_POINTS)
    u, v = panel.field.reshape(FIELD_POINTS, FIELD_POINTS, 2).transpose(2, 1, 0)
    ax.streamplot(axis, axis, u, v, density=0.55, linewidth=0.35, color="#b5b5b5", arrowsize=0.45)
    ax.plot(0, 0, "+", ms=5, color="black", mew=0.6)
    ax.set(xlim=(-VIEW, VIEW), ylim=(-VIEW, VIEW), xticks=[-2, 0, 2], yticks=[-2, 0, 2])
    ax.set_aspect("equal")


def draw_paths(ax: Axes, panel: Portrait, upto: int | None = None) -> list[Line2D]:
    """Draw trajectories in the method's colour, their starts as rings.

    For an animation they end at round ``upto`` in a dot. Returns the lines, to be removed.
    """
    hue, lines = colour(panel.system.method), []
    for start in range(panel.paths.shape[1]):
        path = panel.paths[: None if upto is None else upto + 1, start]
        path = path[np.isfinite(path).all(1)]
        lines += ax.plot(*path.T, "-", lw=0.5, color=hue, alpha=0.55)
        lines += ax.plot(*path.T, ".", ms=1.6, color=hue, mew=0)
        lines += ax.plot(*path[0], "o", ms=2.6, mfc="white", mec=hue, mew=0.7)
        if upto is not None:
            lines += ax.plot(*path[-1], "o", ms=4, color=hue)
    return lines


def eigenvalue_text(eigenvalues: Complex | None) -> str:
    """The pair of (θ, ψ), its modulus, and the modulus of the others where that is above 1."""
    if eigenvalues is None:
        return "no equilibrium"
    first, second = eigenvalues[:2]
    if abs(first.imag) > 1e-6:
        text = f"{first.real:.3f} ± {abs(first.imag):.3f}i"
    else:
        text = f"{first.real:.3f}, {second.real:.3f}"
    largest = np.abs(eigenvalues[2:]).max(initial=0.0)
    others = f"\nothers {largest:.3g}" if largest > 1 + 1e-9 else ""
    return f"λ {text}\nρ {max(abs(first), abs(second)):.4f}{others}"


@drawing
def figure(width: float, panels: Sequence[Portrait], step: float, rounds: int) -> Figure:
    """All panels on one page; two systems beside each other where they fit and are many."""
    algorithms = len(ALGORITHMS)
    systems = len(panels) // algorithms
    side_by_side = beside(width, 4.5, 2 if systems > 4 else 1)
    count = -(-systems // side_by_side)
    columns = algorithms * side_by_side
    width = min(width, 1.7 * columns)
    paper, axes = panel_grid(width, count, columns, (width - 0.6 * side_by_side) / columns + 0.55)
    for ax in axes.flat:
        ax.set_axis_off()
    for i, panel in enumerate(panels):
        system, column = divmod(i, algorithms)
        ax = axes[system % count, (system // count) * algorithms + column]
        ax.set_axis_on()
        draw_field(ax, panel)
        draw_paths(ax, panel)
        text = f"{panel.algorithm}\n{eigenvalue_text(panel.eigenvalues)}"
        ax.set_title(wrap(text, TINY, width / columns - 0.15), fontsize=TINY, linespacing=1.1)
        last = system % count == count - 1 or system == systems - 1
        ax.tick_params(labelbottom=last, labelleft=column == 0)
        if last:
            ax.set_xlabel("θ")
        if column == 0:
            name = wrap(panel.system.label, TINY, width / columns + 0.2, "bold")
            ax.set_ylabel(f"{name}\nψ", weight="bold", fontsize=TINY)
    title = f"The Dirac-GAN: {rounds} rounds at h = {step:g}"
    small = (
        "Grey: integral curves. Dots: rounds, from the ring on. λ: the two eigenvalues of "
        "(θ,\u00a0ψ) under a round at the equilibrium; ρ: the larger |λ|; others: the largest "
        "|λ| of further coordinates, where above 1. AltGD n:m: n updates of G, then m of D."
    )
    eigenvalues_in_words = "; ".join(
        f"{panel.system.label}, {panel.algorithm}, "
        + eigenvalue_text(panel.eigenvalues).replace("\n", ", ")
        for panel in panels
    )
    return finish(paper, title, small, f"Phase portraits of the Dirac-GAN. {eigenvalues_in_words}")


def writer_for(file: Path) -> PillowWriter | FFMpegWriter:
    """The writer for a .gif (Pillow) or an .mp4 (ffmpeg).

    Raises ConfigError for any other ending, and where ffmpeg is not installed.
    """
    if file.suffix == ".gif":
        return PillowWriter(fps=15)
    if file.suffix != ".mp4":
        raise ConfigError(f"--animate: {file} given; allowed: a file ending in .gif or .mp4")
    if not FFMpegWriter.isAvailable():
        raise ConfigError(f"--animate: {file} needs ffmpeg, which is not installed; allowed: .gif")
    return FFMpegWriter(fps=15)


def animate(panels: Sequence[Portrait], file: Path, frames: int = FRAMES) -> None:
    """Write an animation of growing trajectories, a system's panels side by side, to ``file``.

    Raises ConfigError (see ``writer_for``), and FolderError where the file cannot be written.
    """
    writer, times = writer_for(file), len(panels[0].paths)
    with rc_context(STYLE), replace_file(file) as temporary:
        drawing = Figure(figsize=(2.6 * len(panels), 3.0), dpi=100, layout="constrained")
        FigureCanvasAgg(drawing)
        axes = drawing.subplots(1, len(panels), squeeze=False)[0]
        for ax, panel in zip(axes, panels, strict=True):
            draw_field(ax, panel)
            ax.set(xlabel="θ", title=f"{panel.algorithm}\n{eigenvalue_text(panel.eigenvalues)}")
        axes[0].set_ylabel("ψ")
        # ffmpeg reads a path that begins with - as an option, and a: as a protocol.
        visible = temporary.with_name(f"{temporary.name}{file.suffix}").absolute()
        try:
            with writer.saving(drawing, str(visible), dpi=100):
                for at in np.unique(np.linspace(0, times - 1, frames).round().astype(int)):
                    drawn = [
                        line
                        for ax, panel in zip(axes, panels, strict=True)
                        for line in draw_paths(ax, panel, int(at))
                    ]
                    drawing.suptitle(f"{panels[0].system.label}, round {at}")
                    writer.grab_frame()
                    for line in drawn:
                        line.remove()
            visible.replace(temporary)
        finally:
            visible.unlink(missing_ok=True)
