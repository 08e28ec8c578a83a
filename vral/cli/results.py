"""What a command leaves of a study: tables in the terminal, CSV files and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from rich.console import Console

from vral.cli.tables import ends_of, show_batch_norm, show_not_compiled, show_summary
from vral.study import frames
from vral.study.config import RunConfig
from vral.study.legacy import legacy_scales
from vral.tables import write_csv

if TYPE_CHECKING:  # matplotlib is imported when a figure is drawn
    from vral.figures.experiments import Selection

LEGACY_METRICS = {
    "legacy_fake_summed": "‖∇D‖²/B",
    "legacy_fake_averaged": "‖∇D‖²/B²",
}
"""‖∇D‖² on the two scales of the original code; B is the batch size."""
OPTIMALITY_METRICS = {
    "optimality_loss_gap": "D's loss: gain by training on",
    "optimality_auc_before": "held-out AUC",
    "optimality_auc_after": "AUC trained on",
    "optimality_updates": "D updates",
    "optimality_converged": "share converged",
}
"""Readings of ``--probe optimality``."""
USEFULNESS_METRICS = {
    "usefulness_cosine": "cosine of G's signal with optimal transport",
    "usefulness_cosine_permuted": "signal permuted",
    "usefulness_cosine_random_sd": "sd of random directions",
    "usefulness_w2_drop": "fall of W₂² per unit step",
    "usefulness_w1_drop": "fall of W₁ per unit step",
}
"""Readings of ``--probe usefulness``."""


def write_summaries(root: Path, batch: int) -> pl.DataFrame:
    """Write final.csv and summary.csv of the study in ``root``; returns the former's rows.

    Nothing is written where no readings were kept.
    """
    final = frames.final(root)
    if not final.is_empty():
        final = legacy_scales(final, batch)
        for name, frame in {"final.csv": final, "summary.csv": frames.summary(final)}.items():
            write_csv(root / name, frame)
    return final


def summarise(
    console: Console,
    root: Path,
    batch: int,
    tables: Sequence[Mapping[str, str]],
    select: Callable[[pl.DataFrame], pl.DataFrame] = lambda frame: frame,
) -> None:
    """Write the metrics of the study in ``root`` beside its records, and print some of them.

    ``final.csv`` has a row per seed, ``summary.csv`` medians and intervals. Each of ``tables``,
    metric to heading, is printed for the rows that ``select`` keeps.
    """
    show_not_compiled(console, root)
    show_batch_norm(console, root)
    final = write_summaries(root, batch)
    if final.is_empty():
        console.print("No readings were kept, so there is nothing to tabulate.")
        return
    shown = frames.summary(select(final))
    if "optimality_loss_gap" in final.columns:
        tables = [*tables, OPTIMALITY_METRICS]
    if "usefulness_cosine" in final.columns:
        tables = [*tables, USEFULNESS_METRICS]
    ends = ends_of(root, select)
    for headings in tables:
        show_summary(console, shown, headings, ends)


def selection_of(root: Path, configs: Sequence[RunConfig]) -> Selection:
    """The part of the study in ``root`` that ``configs`` cover, all on one data set."""
    from vral.figures.experiments import Selection

    return Selection.covering(root, [config.model_dump(mode="json") for config in configs])


def write_figures(console: Console, experiment: str, selection: Selection) -> None:
    """Write every figure of the experiment on the selection's data set, as PNG and PDF."""
    from vral.figures import save_figures
    from vral.figures.experiments import FIGURES

    folder = selection.root / "figures" / selection.dataset
    save_figures(folder, FIGURES[experiment](selection))
    console.print(f"figures → {folder}", soft_wrap=True)
