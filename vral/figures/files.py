"""Figures as files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from vral.figures.style import STYLE
from vral.files import replace_file

DPI = 160
"""Dots per inch of the PNG files."""


def save(figure: Figure, target: Any, **options: Any) -> None:
    """``figure.savefig`` in the project's style, which decides the margins and a PDF's fonts."""
    with rc_context(STYLE):
        figure.savefig(target, **options)


def save_figures(folder: Path, figures: Mapping[str, Figure]) -> None:
    """Write every figure into ``folder`` under its name, as PNG and as PDF."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        for kind in ("png", "pdf"):
            with replace_file(folder / f"{name}.{kind}") as temporary:
                save(figure, temporary, format=kind, dpi=DPI)
