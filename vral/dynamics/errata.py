"""Three published mistakes, each computed both ways."""

import numpy as np
import polars as pl
import torch
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from vral.diagnostics.linearise import Map, field_map, jacobian
from vral.dynamics import closed_forms, descent
from vral.dynamics.basins import notebook_consensus
from vral.dynamics.systems import System, moves_of
from vral.figures.style import CALM, FAINT, beside, drawing, finish
from vral.figures.style import grid as panel_grid
from vral.games.dirac import dirac, two_numbers
from vral.games.planar import mixture
from vral.games.toy import Toy
from vral.study.measured import COMPUTED, Measured, Quantity, Row
from vral.train.paths import grid
from vral.types import leaves

PAPER_SIGN = torch.tensor([1.0, -1.0], dtype=torch.float64)
"""Factors that turn (θ, ψ) into the sources' convention, in which D is high on fakes."""

CONSENSUS = "NUM17's consensus, as in the Dirac-GAN notebook"
R3GAN = "R3GAN, equation 12"
JACOBIAN = "NUM17's eigenvalue notebook"
"""Cases: the published mistakes."""
SQUARE = "a Jacobian is square"
"""Source of expected counts of rows and eigenvalues."""

CONSENSUS_GRADIENT_ERROR = Quantity(CONSENSUS, "largest error of its gradient")
EXACT_CONSENSUS_RADIUS = Quantity(CONSENSUS, "r at round 500, exact")
R3GAN_EIGENVALUE_ERROR = Quantity(R3GAN, "error of the printed Im λ")
JACOBIAN_ROWS_KEPT = Quantity(JACOBIAN, "rows kept / parameters")


def consensus_paths(rounds: int = 500) -> dict[str, NDArray]:
    """Paths (times, 2) of the exact and of the notebook's consensus, in the paper's convention.

    AltGD 1:5 with γ = 1 and h = 0.2 from (1, 1), as in a published panel.
    """
    one = torch.ones(1, dtype=torch.float64)
    settings = {"consensus": one, "step": 0.2 * one}
    start = PAPER_SIGN[None]
    return {
        name: (
            descent.paths(
                two_numbers(), moves_of("AltGD 1:5"), start, settings, rounds, direction=direction
            )[:, 0]
            * PAPER_SIGN
        ).numpy()
        for name, direction in (("exact", descent.consensus), ("notebook", notebook_consensus))
    }


def consensus_gap() -> float:
    """The largest difference of the exact and the notebook's field, on 5 × 5 points of [-2, 2]²."""
    toy, one = two_numbers(), torch.ones((), dtype=torch.float64)

    def gap(point: torch.Tensor) -> torch.Tensor:
        profile = toy.profile(point)
        both = [
            toy.coordinates(d(toy.game, ("G", "D"), profile, {"consensus": one})[0])
            for d in (descent.consensus, notebook_consensus)
        ]
        return (both[0] - both[1]).abs().max()

    return max(gap(point).item() for point in grid(-2.0, 2.0, 5))


def r3gan_imaginary(gamma: float, printed: bool) -> float:
    """Im of -γ/2 ± √(γ²/4 - f'(0)²) at f'(0) = ½; ``printed``: with f'(0) in place of f'(0)²."""
    under = gamma**2 / 4 - (0.5 if printed else 0.25)
    return float(np.emath.sqrt(under).imag)


def released_rows(field: Map, sizes: list[int]) -> NDArray:
    """The Jacobian's rows that the notebook's loop keeps.

    The loop runs over the entries of every parameter tensor, ``sizes`` of them. It computes a row
    for each entry, but appends only behind the inner loop: the last row of every tensor.
    """
    rows, entry = [], 0
    row = torch.empty(0)
    for size in sizes:
        for _ in range(size):
            cotangent = torch.zeros_like(field.point)
            cotangent[entry] = 1
            row = field.transposed(cotangent)
            entry += 1
        rows.append(row)
    return torch.stack(rows).numpy(force=True)


def experiment(width: int = 4) -> Measured:
    """The three mistakes; the released loop runs on a mixture GAN of ``width`` (published: 16)."""
    paths = consensus_paths()
    rows = [
        CONSENSUS_GRADIENT_ERROR.row(consensus_gap(), 0.0),
        EXACT_CONSENSUS_RADIUS.row(float(np.linalg.norm(paths["exact"][-1])), 10.9687, COMPUTED),
        Row(CONSENSUS, "r at round 500, as released", float(np.linalg.norm(paths["notebook"][-1]))),
    ]
    gammas = np.sort(np.append(np.linspace(0, 2, 81), 2**0.5))
    imaginary = [
        np.abs(np.linalg.eigvals(_r1(float(g)).flow_jacobian()).imag).max() for g in gammas
    ]
    at = np.abs(np.linalg.eigvals(_r1(0.3).flow_jacobian()).imag).max()
    rows += [
        Row(R3GAN, "Im λ at γ = 0.3, by autograd", at, r3gan_imaginary(0.3, printed=False)),
        Row(R3GAN, "Im λ at γ = 0.3, as printed", r3gan_imaginary(0.3, printed=True)),
        R3GAN_EIGENVALUE_ERROR.row(abs(at - r3gan_imaginary(0.3, printed=True)), 0.0),
    ]
    gan = mixture("nonsaturating", width=width, latent=width)
    field_at = field_map(gan.game, gan.start, gan.draw)
    sizes, parameters = _sizes(gan), len(field_at.point)
    kept, whole = released_rows(field_at, sizes), jacobian(field_at)
    eigenvalues = np.linalg.eigvals(whole).astype(complex)
    speed = float(torch.linalg.vector_norm(field_at.function(field_at.point)))
    case, full_sizes = JACOBIAN, _sizes(mixture("nonsaturating"))
    rows += [
        Row(case, "rows kept", len(kept), parameters, SQUARE),
        JACOBIAN_ROWS_KEPT.row(len(kept) / parameters, 1.0, SQUARE),
        Row(case, "largest error of the rows kept", _distance_to_rows(kept, whole), 0.0),
        Row(
            case, "eigenvalues it can compute", len(_eigenvalues_or_none(kept)), parameters, SQUARE
        ),
        Row(f"the whole Jacobian, width {width}", "eigenvalues", len(eigenvalues), parameters),
        Row(
            f"{JACOBIAN}, published width 16",
            "parameter tensors",
            len(full_sizes),
            sum(full_sizes),
            SQUARE,
        ),
    ]
    curve = pl.DataFrame(
        {
            "gamma": gammas,
            "autograd": imaginary,
            "printed": [r3gan_imaginary(float(g), printed=True) for g in gammas],
        }
    )
    drawn = figure(paths, curve, eigenvalues, speed, kept.shape, width)
    return Measured(rows, {"errata": drawn}, {"r3gan": curve})


def _r1(gamma: float) -> System:
    """The Dirac-GAN under R1."""
    return System("", "r1", dirac("nonsaturating", r1=gamma), (0.0, gamma, 0.5))


def _sizes(gan: Toy) -> list[int]:
    """Sizes of the parameter tensors, in the Jacobian's order."""
    return [leaf.numel() for leaf in leaves(gan.start)]


def _distance_to_rows(kept: NDArray, whole: NDArray) -> float:
    """The largest distance of a kept row from the nearest row of the whole Jacobian."""
    return float(np.abs(kept[:, None] - whole[None]).max(2).min(1).max())


def _eigenvalues_or_none(matrix: NDArray) -> NDArray:
    """The eigenvalues of a square matrix; an empty array for any other, where NumPy raises."""
    try:
        return np.linalg.eigvals(matrix)
    except np.linalg.LinAlgError:
        return np.empty(0)


@drawing
def figure(
    width: float,
    paths: dict[str, NDArray],
    curve: pl.DataFrame,
    eigenvalues: closed_forms.Complex,
    speed: float,
    kept: tuple[int, int],
    size: int,
) -> Figure:
    """One panel per mistake; the published result is grey, the right one blue.

    ``size`` is the number of units a layer of the GAN whose ``eigenvalues`` are shown.
    """
    columns = beside(width, 3.0, 3)
    paper, axes = panel_grid(width, 3 // columns, columns, 2.7)
    first, second, third = axes.flat
    for name, hue in (("exact", CALM), ("notebook", FAINT)):
        first.plot(*paths[name].T, ".-", ms=2, lw=0.6, color=hue)
    first.plot(1, 1, "o", mfc="white", mec="black", ms=4)
    first.plot(0, 0, "+", color="black", ms=6)
    first.set(
        xlabel="θ",
        ylabel="ψ (high on fakes)",
        title="Consensus: a ½ too many in the notebook\nAltGD 1:5, γ = 1, h = .2, 500 rounds",
    )
    second.plot(curve["gamma"], curve["autograd"], color=CALM)
    second.plot(curve["gamma"], curve["printed"], color=FAINT)
    second.set(
        xlabel="γ",
        ylabel="Im λ",
        title="R1's eigenvalues: f'(0) printed for f'(0)²\nat the equilibrium, f'(0) = ½",
    )
    third.plot(eigenvalues.real, eigenvalues.imag, ".", ms=4, color=CALM)
    third.axvline(0, color="black", lw=0.6)
    third.set(
        xlabel="Re λ",
        ylabel="Im λ",
        title=f"As released: {kept[0]} of {kept[1]} rows\nshown: the whole, not stationary",
    )
    key: list[Artist] = [Line2D([], [], color=hue, lw=1.6) for hue in (CALM, FAINT)]
    small = (
        "Consensus: ring, the start; cross, the equilibrium. The released loop keeps one row "
        "per parameter tensor, so that there are no eigenvalues to draw; shown are those of "
        f"the whole Jacobian of the same GAN with {size} units a layer at its "
        f"initialisation, which is not stationary (‖v‖ = {speed:.2g}): these eigenvalues say "
        "nothing about convergence."
    )
    ends = {name: float(np.linalg.norm(path[-1])) for name, path in paths.items()}
    alt = (
        f"Consensus from (1, 1) ends at r = {ends['exact']:.3g} exactly and at "
        f"{ends['notebook']:.2g} as released; R3GAN's printed Im λ lies above that of "
        f"autograd; of {kept[1]} rows of a Jacobian {kept[0]} are kept"
    )
    title = "Three published mistakes, computed both ways"
    return finish(paper, title, small, alt, (key, ["exact, or by autograd", "as published"]))
