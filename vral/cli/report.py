"""``vral report``: studies as one HTML page, and their figures as one PDF."""

import os
import shlex
import sys
from collections.abc import Sequence
from os.path import commonpath
from pathlib import Path

import rich_click as click

from vral.claims import examine
from vral.claims.ledger import experiment_of
from vral.cli.options import NamedPath, is_study, studies_argument
from vral.cli.terminal import open_terminal
from vral.errors import ConfigError
from vral.files import make_subfolder
from vral.report.contents import holds_runs, read_runs, read_study, read_theory, sections
from vral.report.page import is_ours, render, write_page
from vral.report.pictures import write_pdf
from vral.study.experiments import EXPERIMENTS


@click.command("report")
@studies_argument(holds_runs, "a study.json or a run.json")
@click.option(
    "--out",
    type=NamedPath(path_type=Path),
    metavar="FILE",
    help="HTML file to write; the PDF stands beside it. An earlier page of vral report is "
    "replaced, any other file is refused. [dim](default: report.html in the folder that holds the "
    "studies)[/]",
)
def command(studies: Sequence[Path], out: Path | None) -> None:
    """Write the verdicts, figures, settings and curves of studies as one HTML page.

    The page needs no network and no other file. A STUDY is a folder that vral reproduce wrote, or
    one with runs of vral train, which are shown without verdicts. Figures also go into a PDF,
    except those of experiments without seeds, such as dirac.
    """
    judgeable = [root for root in studies if is_study(root)]
    computed = [root for root in judgeable if experiment_of(root) not in EXPERIMENTS]
    over_seeds = [
        (read_study if root in judgeable else read_runs)(root)
        for root in studies
        if root not in computed
    ]
    if not over_seeds:
        raise ConfigError(
            "STUDY: only studies without seeds given; allowed: these beside one with seeds, such "
            "as the folder of vral reproduce ratios, or beside a run"
        )
    out = out or Path(commonpath([root.resolve() for root in studies]), "report.html")
    pdf = _beside(out)
    console = open_terminal()
    judged, still_open = examine(judgeable) if judgeable else ([], [])
    parts = []
    for number, study in enumerate(over_seeds, 1):
        console.print(f"{study.root}: drawing", soft_wrap=True)
        parts += sections(study, number, judged)
    theories = [read_theory(root, i, judged) for i, root in enumerate(computed, 1)]
    page = render(parts, theories, still_open, shlex.join(["vral", *sys.argv[1:]]), pdf.name)
    figures = [figure for part in parts for figure in part.figures.values()]
    shown = len(figures) + sum(len(theory.figures) for theory in theories)
    if not out.parent.exists():
        make_subfolder(out.parent, parents=True)
    write_pdf(pdf, "; ".join(dict.fromkeys(part.study.row.question for part in parts)), figures)
    write_page(out, page)
    verdicts = f"{len(judged)} verdicts" if judgeable else "no study, so no verdicts"
    console.print(f"{verdicts}, {shown} figures → {out}, {pdf}", soft_wrap=True)


def _beside(out: Path) -> Path:
    """The PDF that goes with the page ``out``.

    Raises ConfigError unless both files are new, or were written by this command, and can be
    written.
    """
    if out.suffix not in (".html", ".htm"):
        raise ConfigError(f"--out: {out} given; allowed: a file that ends in .html")
    pdf = out.with_suffix(".pdf")
    nearest = next(path for path in out.parents if path.exists())
    if not nearest.is_dir():
        raise ConfigError(f"--out: {out} given, but {nearest} is a file; allowed: another folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(
            f"--out: {out} given, but {nearest} is read-only for you; allowed: another folder"
        )
    for path in (out, pdf):
        if path.exists() and not is_ours(path):
            raise ConfigError(
                f"--out: {path} exists and was not written by vral report; allowed: another name"
            )
    return pdf
