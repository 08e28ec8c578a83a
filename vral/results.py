"""What a run or a study leaves beside its records: tables on the terminal, CSV files, figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console

from vral import study
from vral.config import RunConfig
from vral.experiments import FIGURES, Selection
from vral.figures import save
from vral.files import replace_file
from vral.terminal import show_diverged, show_not_compiled, show_summary
from vral.train.records import legacy_scales

LEGACY_METRICS = {
    "legacy_fake_summed": "‖∇D‖²/B",
    "legacy_fake_averaged": "‖∇D‖²/B²",
}
OPTIMALITY_METRICS = {
    "optimality_loss_gap": "D's loss: gain by training on",
    "optimality_auc_before": "held-out AUC",
    "optimality_auc_after": "AUC trained on",
    "optimality_updates": "D updates",
    "optimality_converged": "share converged",
}


def selection_of(root: Path, configs: Sequence[RunConfig]) -> Selection:
    """What ``configs`` cover of the study in ``root``."""
    return Selection.covering(root, [config.model_dump(mode="json") for config in configs])


def summarise(console: Console, selection: Selection, tables: Sequence[Mapping[str, str]]) -> None:
    """Print the selection's tables; write every metric of the whole study beside the records.

    ``final.csv`` has every seed, ``summary.csv`` medians and intervals.
    """
    root = selection.root
    records, probes = study.read(root, "records"), study.read(root, "probes")
    show_diverged(console, root)
    show_not_compiled(console, root)
    if records.is_empty() or probes.is_empty():
        console.print("No readings were kept, so there is nothing to tabulate.")
        return
    legacy = legacy_scales(records, selection.batch)
    final = study.final_values(legacy, probes, study.diverged(root))
    for name, frame in {"final.csv": final, "summary.csv": study.summary(final)}.items():
        with replace_file(root / name) as temporary:
            frame.write_csv(temporary)
    shown = study.summary(selection.restrict(final))
    for headings in tables:
        show_summary(console, shown, headings)
    if "optimality_loss_gap" in final.columns:
        show_summary(console, shown, OPTIMALITY_METRICS)


def write_figures(console: Console, experiment: str, selection: Selection) -> None:
    """Every figure of the experiment on the selection's data set, as PNG and PDF."""
    folder = selection.root / "figures" / selection.dataset
    save_figures(folder, FIGURES[experiment](selection))
    console.print(f"figures → {folder}", soft_wrap=True)


def save_figures(folder: Path, drawn: Mapping[str, Figure]) -> None:
    """Every figure as PNG and PDF."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        for kind in ("png", "pdf"):
            with replace_file(folder / f"{name}.{kind}") as temporary:
                save(figure, temporary, format=kind, dpi=160)
