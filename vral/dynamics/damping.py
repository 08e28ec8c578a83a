"""Eigenvalues of the Dirac-GAN against γ and the step size.

At which γ is damping critical, which step is the largest stable one, and what do two learning rates
(TTUR, the two time-scale update rule) change?
"""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from vral.dynamics import closed_forms
from vral.dynamics.systems import ALGORITHMS, System, moves_of
from vral.figures.style import PAGE, drawing, finish, wrap
from vral.games.dirac import dirac
from vral.optim import Consensus
from vral.study.measured import Measured, Quantity, Row
from vral.study.methods import colour

OWNERS = ("G", "D")
"""The players of the coordinates θ and ψ."""
STRENGTHS = np.linspace(0.0, 4.0, 81)
STEPS = np.geomspace(0.02, 8.0, 241)
RATIOS = 2.0 ** np.arange(-6, 7)
"""Ratios of D's step size to G's."""

Family = Callable[[float], System]
"""A regulariser's strength to the regularised system."""

FAMILIES: dict[str, tuple[str, Family, float | None]] = {
    "R1": ("γ", lambda x: System("R1", "r1", dirac("nonsaturating", r1=x), (0, x, 0.5)), 1.0),
    "R1 and R2": (
        "γ",
        lambda x: System("R1 and R2", "r2", dirac("nonsaturating", r1=x, r2=x), (0, 2 * x, 0.5)),
        0.5,
    ),
    "WGAN, zero-centred": (
        "γ",
        lambda x: System(
            "WGAN-GP 0", "wgan-gp", dirac("wgan", gradient_penalty=x, centre=0.0), (0, x, 1)
        ),
        2.0,
    ),
    "instance noise": (
        "s",
        lambda x: System(
            "noise", "standard", dirac("standard", instance_noise=x), (0, x**2 / 2, 0.5)
        ),
        2**0.5,
    ),
    "consensus": (
        "γ",
        lambda x: System(
            "consensus",
            "bgan",
            dirac("standard"),
            (x / 4, x / 4, 0.5),
            Consensus({}, x).direction,
        ),
        None,
    ),
}
"""Regulariser to (symbol of its strength, family, strength of critical damping or None)."""


SIMGD_GROWTH = Quantity("SimGD, unregularised", "smallest (ρ² - 1)/(hf)² over h")
"""Growth of a simultaneous round with equal step sizes; 1 in closed form."""
TTUR_SIMGD_GROWTH = Quantity("TTUR, SimGD", "smallest (ρ² - 1)/(h_g h_d f²) over ratios")
"""Growth of a simultaneous round with two step sizes; 1 in closed form."""
TTUR_FLOW_REAL_PART = Quantity("TTUR, flow", "largest |Re λ| over ratios")
"""Damping of the flow with two rates; 0 in closed form."""
TTUR_ALTGD_OFF_CIRCLE = Quantity("TTUR, AltGD 1:1", "largest |ρ - 1| over ratios")
"""Distance of an alternating round's spectral radius from 1; 0 in closed form."""


def flow_jacobians(family: Family, strengths: Sequence[float] | NDArray) -> NDArray:
    """Jacobians (strength, 2, 2) of the flow at the equilibrium, by autograd."""
    return np.stack([family(float(x)).flow_jacobian() for x in strengths])


def largest_step(jacobian: NDArray, algorithm: str, low: float = 1e-6, high: float = 64.0) -> float:
    """The step size at which the spectral radius of a round first exceeds 1.

    Found on a fine scan from ``low`` to ``high``, then by bisection. 0 if no step is stable, ∞ if
    all are.
    """

    def unstable(step: float) -> bool:
        matrix = closed_forms.rounds_jacobian(jacobian, OWNERS, moves_of(algorithm), step)
        return bool(np.abs(np.linalg.eigvals(matrix)).max() > 1 + 1e-13)

    scan = np.geomspace(low, high, 400)
    first = next((i for i, step in enumerate(scan) if unstable(step)), None)
    if first is None or first == 0:
        return 0.0 if first == 0 else float("inf")
    low, high = scan[first - 1], scan[first]
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if unstable(middle) else (middle, high)
    return float(low)


def critical_strength(family: Family) -> float:
    """The strength with the least abscissa: there the eigenvalues meet and the rotation ends."""
    minimum = minimize_scalar(
        lambda x: np.linalg.eigvals(family(x).flow_jacobian()).real.max(),
        bounds=(STRENGTHS[0], STRENGTHS[-1]),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(minimum.x)


def experiment(
    strengths: Sequence[float] | NDArray = STRENGTHS, steps: Sequence[float] | NDArray = STEPS
) -> Measured:
    """Critical strengths, largest steps and descent at two rates, measured and in closed form."""
    strengths, steps = np.asarray(strengths, float), np.asarray(steps, float)
    jacobians = {name: flow_jacobians(row[1], strengths) for name, row in FAMILIES.items()}
    rows, curves = [], []
    for name, (letter, family, critical) in FAMILIES.items():
        eigenvalues = np.linalg.eigvals(jacobians[name])
        local = np.array([family(float(x)).local for x in strengths]).T
        gap = np.abs(np.sort_complex(eigenvalues) - np.sort_complex(closed_forms.flow(*local)))
        # At critical damping the matrix is defective, so that eigenvalues err by √ε; their square
        # is of the order of the error of the characteristic polynomial.
        error = float((gap**2).max())
        rows.append(Row(name, "largest error of λ²-trace·λ+det", error, 0.0))
        abscissa = eigenvalues.real.max(1)
        turning = np.abs(eigenvalues.imag).max(1)
        if critical is not None:
            rows.append(Row(name, f"critical {letter}", critical_strength(family), critical))
        else:
            rows.append(Row(name, "smallest |Im λ|", turning.min(), 0.5))
        curves += [
            {"regulariser": name, "strength": x, "abscissa": a, "imaginary": t}
            for x, a, t in zip(strengths.tolist(), abscissa, turning, strict=True)
        ]
    for weight in (0.1, 0.3, 0.5, 1.0, 2.0):
        jacobian = flow_jacobians(FAMILIES["R1"][1], [weight])[0]
        limits = {
            "SimGD": closed_forms.simultaneous_limit(0.0, weight, 0.5),
            "AltGD 1:1": closed_forms.alternating_limit(weight, 0.5),
        }
        for algorithm, limit in limits.items():
            step = largest_step(jacobian, algorithm)
            rows.append(Row(f"R1 {weight:g}, {algorithm}", "largest stable h", step, float(limit)))
    for weight in (0.1, 0.3, 1.0, 4.0):
        jacobian = flow_jacobians(FAMILIES["consensus"][1], [weight])[0]
        limit = closed_forms.simultaneous_limit(weight / 4, weight / 4, 0.5)
        step = largest_step(jacobian, "SimGD")
        rows.append(Row(f"consensus {weight:g}, SimGD", "largest stable h", step, float(limit)))
    rows += _unregularised(steps)
    rates = _rates(jacobians["R1"], strengths, steps)
    return Measured(
        rows,
        {"damping": figure(pl.DataFrame(curves), rates, strengths, steps)},
        {"damping": pl.DataFrame(curves)},
    )


def _unregularised(steps: NDArray) -> list[Row]:
    """Rows of the game without a penalty, which grows under SimGD at every step and ratio."""
    jacobian = System("", "standard", dirac("standard"), (0, 0, 0.5)).flow_jacobian()
    growth = []
    for step in steps:
        equal = closed_forms.rounds_jacobian(jacobian, OWNERS, moves_of("SimGD"), float(step))
        growth.append((np.abs(np.linalg.eigvals(equal)).max() ** 2 - 1) / (step / 2) ** 2)
    two_rates, flows, circle = [], [], []
    for ratio in RATIOS:
        rates = np.array([1 / np.sqrt(ratio), np.sqrt(ratio)])
        scaled = rates[:, None] * jacobian
        flows.append(np.abs(np.linalg.eigvals(scaled).real).max())
        for step in (0.05, 0.2, 0.8):
            together = closed_forms.rounds_jacobian(scaled, OWNERS, moves_of("SimGD"), step)
            two_rates.append((np.abs(np.linalg.eigvals(together)).max() ** 2 - 1) / (step / 2) ** 2)
            apart = closed_forms.rounds_jacobian(scaled, OWNERS, moves_of("AltGD 1:1"), step)
            circle.append(np.abs(np.abs(np.linalg.eigvals(apart)) - 1).max())
    return [
        SIMGD_GROWTH.row(min(growth), 1.0),
        TTUR_SIMGD_GROWTH.row(min(two_rates), 1.0),
        TTUR_FLOW_REAL_PART.row(max(flows), 0.0),
        TTUR_ALTGD_OFF_CIRCLE.row(max(circle), 0.0),
    ]


def _rates(jacobians: NDArray, strengths: NDArray, steps: NDArray) -> dict[str, NDArray]:
    """Spectral radii of a round, (step, strength), by algorithm."""
    return {
        algorithm: np.stack(
            [
                np.abs(
                    np.linalg.eigvals(
                        closed_forms.rounds_jacobian(
                            jacobians, OWNERS, moves_of(algorithm), float(h)
                        )
                    )
                ).max(1)
                for h in steps
            ]
        )
        for algorithm in ALGORITHMS
    }


@drawing
def figure(
    width: float,
    curves: pl.DataFrame,
    rates: dict[str, NDArray],
    strengths: NDArray,
    steps: NDArray,
) -> Figure:
    """First λ of the flow against the strength; then a round's rate under R1 over (γ, h)."""
    wide = width >= PAGE / 2
    heights = (2.4, 2.6) if wide else (2.0, 2.0, 3.2)
    paper = Figure(figsize=(min(width, 9.4), sum(heights)), layout="constrained")
    outer = paper.add_gridspec(len(heights), 1, height_ratios=heights)
    if wide:
        above = outer[0].subgridspec(1, 2)
        flows = [paper.add_subplot(above[0, i]) for i in range(2)]
    else:
        flows = [paper.add_subplot(outer[i]) for i in range(2)]
    key: dict[str, Artist] = {}
    for name, (_, family, critical) in FAMILIES.items():
        curve = curves.filter(pl.col("regulariser") == name)
        hue = colour(family(1.0).method)
        key[name] = Line2D([], [], color=hue)
        for ax, column in zip(flows, ("abscissa", "imaginary"), strict=True):
            ax.plot(curve["strength"], curve[column], color=hue)
            if critical is not None:
                ax.axvline(critical, color=hue, lw=0.6, ls=":")
    key["critical strength"] = Line2D([], [], color="black", lw=0.6, ls=":")
    for ax, name in zip(flows, ("max Re λ", "max |Im λ|"), strict=True):
        ax.set(ylabel=f"{name} of the flow", xlabel="strength: γ, or the noise's deviation s")
    below = outer[-1].subgridspec(1, len(rates))
    first = paper.add_subplot(below[0])
    panels = [first, *(paper.add_subplot(below[i], sharey=first) for i in range(1, len(rates)))]
    for ax, (algorithm, radii) in zip(panels, rates.items(), strict=True):
        levels = np.linspace(0, 1, 11)
        # Where steps are too long ρ leaves the range, and the panel stays white.
        filled = ax.contourf(strengths, steps, radii, levels=levels, cmap="viridis_r")
        ax.contour(strengths, steps, radii, levels=[1.0], colors="black", linewidths=0.9)
        ax.set(yscale="log", title=wrap(f"R1, {algorithm}", 9, width / 3 - 0.3), xlabel="γ")
        ax.tick_params(labelleft=ax is first)
    first.set_ylabel("step h")
    paper.colorbar(
        filled, ax=panels, label="ρ, rate per round", location="right" if wide else "bottom"
    )
    small = (
        "R1, R2, noise and consensus on the log-loss. Eigenvalues at the equilibrium. Maps: rate "
        "of a round under R1; white diverges, the line is ρ = 1."
    )
    critical_in_words = ", ".join(
        f"{name} {'never' if critical is None else f'at {critical:.3g}'}"
        for name, (_, _, critical) in FAMILIES.items()
    )
    alt = f"Damping of the Dirac-GAN. The rotation stops: {critical_in_words}"
    title = "Damping at the equilibrium of the Dirac-GAN"
    return finish(paper, title, small, alt, (list(key.values()), list(key)))
