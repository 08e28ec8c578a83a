"""Figures as files."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from vral.figures.style import STYLE
from vral.files import make_subfolder, write_bytes

DPI = 160
"""Dots per inch of the PNG files."""


def save(figure: Figure, target: Any, **options: Any) -> None:
    """``figure.savefig`` in the project's style, which decides the margins and a PDF's fonts."""
    with rc_context(STYLE):
        figure.savefig(target, **options)


def save_figures(folder: Path, figures: Mapping[str, Figure]) -> None:
    """Write every figure into ``folder`` under its name, as PNG and as PDF."""
    make_subfolder(folder, parents=True)
    for name, figure in figures.items():
        for kind in ("png", "pdf"):
            content = io.BytesIO()
            save(figure, content, format=kind, dpi=DPI)
            write_bytes(folder / f"{name}.{kind}", content.getvalue())
