"""A study's figures: as PNG for the page, and as one PDF.

A page has room for so many bytes; ``fitted`` makes the largest pictures smaller until all fit.
"""

import heapq
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

STEPS = ((64, 1.0), (32, 0.75), (32, 0.5))
"""How a picture is made smaller: colours, and pixels per pixel of the first drawing. The last
step has one pixel per CSS pixel; less than that cannot be read."""
LAST_WITH_PHONE = 1
"""After so many steps a picture that is still too large loses the one for a phone."""

CREATOR = "vral report"


@dataclass(frozen=True)
class Picture:
    """A figure as PNG, two pixels per CSS pixel or fewer where thinned, shown in its true size."""

    png: bytes
    width: int
    """Width and height are in CSS pixels."""
    height: int
    phone: "Picture | None" = None
    """The same figure laid out for a phone; None where there is no such drawing."""
    caption: str = ""
    """The figure's title in one line; empty where it is not known."""

    @property
    def size(self) -> int:
        """Bytes of PNG, that for a phone included."""
        return len(self.png) + (self.phone.size if self.phone else 0)

    def thinned(self, step: int) -> "Picture":
        """The same picture as the step of STEPS with this number makes it; the first has 1.

        Its PNG is never larger than it was.
        """
        colours, scale = STEPS[step - 1]
        whole = Image.open(io.BytesIO(self.png)).convert("RGB")
        if scale < 1:
            size = (round(scale * whole.width), round(scale * whole.height))
            whole = whole.resize(size, Image.Resampling.LANCZOS)
        png = min(_palette_png(whole, colours, quickly=True), self.png, key=len)
        phone = self.phone.thinned(step) if self.phone and step <= LAST_WITH_PHONE else None
        return replace(self, png=png, phone=phone)


def fitted(pictures: Mapping[str, Picture], room: int) -> dict[str, Picture]:
    """``pictures`` with the largest made smaller, step by step, until all have ``room`` bytes.

    They have more where all of them after all of STEPS do not fit.
    """
    made = dict(pictures)
    left = sum(picture.size for picture in made.values()) - room
    queue = [(-picture.size, name, 0) for name, picture in made.items()]
    heapq.heapify(queue)
    while left > 0 and queue:
        _, name, step = heapq.heappop(queue)
        before = made[name].size
        made[name] = pictures[name].thinned(step + 1)
        left += made[name].size - before
        if step + 1 < len(STEPS):
            heapq.heappush(queue, (-made[name].size, name, step + 1))
    return made


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
    page, phone = (drawn(draw(width)) for width in (PAGE, PHONE))
    return replace(page, phone=phone)


def drawn(figure: Figure) -> Picture:
    """A figure in the one size that it has."""
    full = io.BytesIO()
    save(figure, full, format="png", dpi=DPI)
    return replace(_with_palette(full), caption=" ".join(figure.get_suptitle().split()))


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
    return Picture(_palette_png(whole, COLOURS), whole.width // 2, whole.height // 2)


def _palette_png(whole: Image.Image, colours: int, quickly: bool = False) -> bytes:
    """``whole`` with so many colours; ``quickly``, these are told from a quarter of its pixels."""
    method = Image.Quantize.MAXCOVERAGE
    if quickly:
        half = (-(-whole.width // 2), -(-whole.height // 2))
        sample = whole.resize(half, Image.Resampling.NEAREST)  # Each pixel keeps its colour.
        palette = sample.quantize(colours, method, kmeans=MEANS)
        image = whole.quantize(palette=palette, dither=Image.Dither.NONE)
    else:
        image = whole.quantize(colours, method, kmeans=MEANS, dither=Image.Dither.NONE)
    small = io.BytesIO()
    image.save(small, format="png", optimize=not quickly)
    return small.getvalue()


def thumbnail(picture: Picture, width: int, height: int) -> Picture:
    """``picture`` in at most ``width`` × ``height`` CSS pixels, two pixels to each."""
    whole = Image.open(io.BytesIO(picture.png)).convert("RGB")
    whole.thumbnail((2 * width, 2 * height))
    return Picture(_palette_png(whole, COLOURS), whole.width // 2, whole.height // 2)


def write_pdf(path: Path, title: str, figures: Iterable[Draw]) -> None:
    """Write the figures to ``path``, one page each; the same figures give the same bytes."""
    about = {"Title": title, "Creator": CREATOR, "CreationDate": None}
    content = io.BytesIO()
    with rc_context(STYLE), PdfPages(content, metadata=about) as pages:
        for draw in figures:
            pages.savefig(draw(PAGE))
    write_bytes(path, content.getvalue())
