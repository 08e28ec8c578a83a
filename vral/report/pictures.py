"""A study's figures: as PNG for the page, and as one PDF."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from PIL import Image

from vral.errors import FolderError
from vral.figures import PAGE, PHONE, STYLE, Drawing, save
from vral.figures.experiments import FIGURES, Selection
from vral.figures.files import DPI, PHONE_FOLDER
from vral.figures.style import Draw
from vral.files import read_file, write_bytes
from vral.study.frames import ratio_key
from vral.study.methods import arm_order

MOST_PIXELS = int(PAGE * DPI)
"""Width of the largest picture. A wider one in a file is shrunk."""
COLOURS = 256
"""Size of a picture's palette, which takes a third of the bytes of full colour."""
MEANS = 3
"""Rounds of k-means that refine the palette. Without them the large grey areas of a figure take up
the palette, and its thin lines lose their hues."""

CREATOR = "vral report"


@dataclass(frozen=True)
class Picture:
    """A figure as PNG with two pixels per CSS pixel, shown in its true size."""

    png: bytes
    width: int
    height: int
    phone: "Picture | None" = None
    """The same figure laid out for a phone; None where there is no such drawing."""


def figures_of(
    experiment: str, root: Path, configs: Sequence[Mapping[str, Any]]
) -> dict[str, Drawing]:
    """Every figure of an experiment on one data set, over everything its runs in ``root`` cover.

    ``configs`` are the settings in the run.json of these runs.
    """
    selection = Selection.covering(root, configs)
    arms = sorted(selection.arms, key=arm_order)
    ratios = sorted(selection.ratios, key=ratio_key)
    return FIGURES[experiment](replace(selection, arms=arms, ratios=ratios))


def picture(draw: Draw) -> Picture:
    """A figure for the page and for a phone, each a PNG with a palette."""
    page, phone = (_drawn(draw(width)) for width in (PAGE, PHONE))
    return replace(page, phone=phone)


def _drawn(figure: Figure) -> Picture:
    full = io.BytesIO()
    save(figure, full, format="png", dpi=DPI)
    return _with_palette(full)


def saved_picture(file: Path) -> Picture:
    """The picture in ``file``, and beside it that for a phone where one was drawn, with palettes.

    Raises FolderError where a file is no picture.
    """
    phone = file.parent / PHONE_FOLDER / file.name
    return replace(_with_palette(file), phone=_with_palette(phone) if phone.exists() else None)


def _with_palette(file: Path | io.BytesIO) -> Picture:
    try:
        content = io.BytesIO(read_file(file)) if isinstance(file, Path) else file
        whole = Image.open(content).convert("RGB")
    except (OSError, SyntaxError, ValueError):  # as Pillow has it
        raise FolderError(f"{file} is corrupt; its study's command draws it again") from None
    whole.thumbnail((MOST_PIXELS, whole.height))
    method = Image.Quantize.MAXCOVERAGE
    image = whole.quantize(COLOURS, method, kmeans=MEANS, dither=Image.Dither.NONE)
    small = io.BytesIO()
    image.save(small, format="png", optimize=True)
    return Picture(small.getvalue(), image.width // 2, image.height // 2)


def write_pdf(path: Path, title: str, figures: Iterable[Draw]) -> None:
    """Write the figures to ``path``, one page each; the same figures give the same bytes."""
    about = {"Title": title, "Creator": CREATOR, "CreationDate": None}
    content = io.BytesIO()
    with rc_context(STYLE), PdfPages(content, metadata=about) as pages:
        for draw in figures:
            pages.savefig(draw(PAGE))
    write_bytes(path, content.getvalue())
