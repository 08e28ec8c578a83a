"""EXPERIMENTS: each row is methods × ratios × seeds on a data set, and the figures it draws."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

from vral import figures, study


@dataclass(frozen=True)
class Experiment:
    """A study by name; what is given on the command line replaces any part of it."""

    question: str
    methods: tuple[str, ...]
    ratios: tuple[str, ...]
    seeds: int
    metrics: dict[str, str]
    """Columns of the printed table: metric to heading."""
    quick: dict[str, int] = field(default_factory=dict)
    """Rounds and seeds of the quick form."""


EXPERIMENTS: dict[str, Experiment] = {
    "ratios": Experiment(
        question="Does G still get a useful gradient when D is trained far ahead of it?",
        methods=(
            "standard",
            "nonsaturating",
            "lsgan",
            "wgan",
            "wgan-gp",
            "vral-meta",
            "vral-parzen",
        ),
        ratios=("1", "50"),
        seeds=5,
        metrics={
            "grad_norm_fake": "‖∇D‖",
            "score_var_fake": "Var D(G(z))",
            "signal_fake": "signal to G",
            "g_grad_rms": "G gradient RMS",
            "frechet": "Fréchet dist.",
            "modes_covered": "modes covered",
            "high_quality": "high quality",
        },
        quick={"rounds": 40, "seeds": 2},
    ),
}


@dataclass(frozen=True)
class Selection:
    """The part of a study folder that a command asked for."""

    root: Path
    dataset: str
    methods: Sequence[str]
    ratios: Sequence[str]
    seeds: Sequence[int]
    targets: dict[str, tuple[float, float]]
    """VRAL's (m_f, m_r) of the methods that have them."""
    batch: int

    def frame(self, kind: str) -> pl.DataFrame:
        return self.restrict(study.read(self.root, kind))

    def restrict(self, frame: pl.DataFrame) -> pl.DataFrame:
        return study.restrict(frame, self.methods, self.ratios, self.seeds, self.dataset)


def draw(selection: Selection, title: str) -> dict[str, Figure]:
    """The figures of a ratio study, by file name."""
    records, probes = selection.frame("records"), selection.frame("probes")
    methods, ratios = selection.methods, selection.ratios
    samples = {
        (method, ratio): study.last_samples(selection.root, method, ratio, selection.dataset)
        for method in methods
        for ratio in ratios
    }
    return {
        "overview": figures.overview(
            records, probes, samples, methods, ratios, selection.targets, title
        ),
        "histograms": figures.histograms(probes, methods, ratios, selection.targets),
        "gradients": figures.gradients_and_variance(records, methods, ratios),
        "generator": figures.generator_gradients(records, methods, ratios),
        "samples": figures.sample_grids(samples, methods, ratios),
    }
