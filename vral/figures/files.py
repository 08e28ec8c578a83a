"""Figures as files."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from vral.figures.style import CSS_PIXELS, PAGE, PHONE, STYLE, Draw
from vral.files import make_subfolder, write_bytes

PHONE_FOLDER = "phone"
"""Folder beside the figures with the same figures for a phone."""
DPI = 2 * CSS_PIXELS
"""Dots per inch of the PNG files: two for each CSS pixel."""


def save(figure: Figure, target: Any, **options: Any) -> None:
    """``figure.savefig`` in the project's style, which decides a PDF's fonts."""
    with rc_context(STYLE):
        figure.savefig(target, **options)


def save_figures(folder: Path, figures: Mapping[str, Draw]) -> None:
    """Write every figure into ``folder`` under its name, as PNG and as PDF, and for a phone.

    The folder PHONE_FOLDER in it holds the PNGs that are laid out for a phone.
    """
    make_subfolder(folder, parents=True)
    make_subfolder(folder / PHONE_FOLDER)
    for name, draw in figures.items():
        for path, width in (
            (folder / f"{name}.png", PAGE),
            (folder / f"{name}.pdf", PAGE),
            (folder / PHONE_FOLDER / f"{name}.png", PHONE),
        ):
            content = io.BytesIO()
            save(draw(width), content, format=path.suffix[1:], dpi=DPI)
            write_bytes(path, content.getvalue())
