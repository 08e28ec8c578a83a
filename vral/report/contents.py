"""What the page says about a study: figures, verdicts, results, and where the numbers come from.

Nothing here knows HTML. A study is read once; each of its data sets becomes a section.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl

from vral.claims import Verdict
from vral.claims.evidence import Rows, read_rows
from vral.claims.ledger import experiment_of
from vral.errors import FolderError
from vral.figures import Drawing, ratio_label
from vral.report.explorer import explored
from vral.report.pictures import Picture, figures_of, picture, saved_picture
from vral.report.settings import portable_command, train_command
from vral.study import frames, notes
from vral.study.experiments import EXPERIMENTS, Experiment
from vral.study.folders import ENDED, read_marker
from vral.study.methods import arm_order, label
from vral.study.numbers import typeset

ENDS = {
    "diverged": "Seeds that diverged",
    notes.EXPLODED: "Seeds that exploded",
    notes.NO_GRADIENT: "Seeds whose G gets no gradient",
}
"""What the page calls the ends of ``Section.ends``."""

ArmAtRatio = tuple[str, str]

SHOWN_READINGS: dict[str, dict[str, str]] = {
    "histograms": {
        "held_out_mean_fake": "E D(G(z))",
        "held_out_var_fake": "Var D(G(z))",
        "overlap": "overlap",
    },
    "gradients": {"grad_norm_fake": "‖∇D‖", "score_var_fake": "Var D(G(z))"},
    "generator": {"signal_fake": "signal to G", "g_grad_rms": "G gradient RMS"},
    "samples": {
        "frechet": "Fréchet distance",
        "coverage": "coverage",
        "modes_covered": "modes covered",
    },
    "modes": {
        "modes_covered": "modes covered",
        "high_quality": "high quality",
        "reverse_kl": "reverse KL",
    },
    "transport": {"w1": "W1 to held-out data"},
}
"""The readings that a figure's alternative text gives in numbers, by the figure's name.

The text of any other figure gives the first three of the experiment's readings.
"""


RUN_METRICS = (
    EXPERIMENTS["ratios"].metrics
    | {"coverage": "coverage", "w1": "W1"}
    | {"auc": "held-out AUC", "overlap": "overlap"}
)
"""Columns of the final values of runs that belong to no study."""


MOST_NAMES = 3
"""Methods that the title of runs names; more are counted."""

COMMIT = 7
"""Letters of a commit that a page shows."""


@dataclass(frozen=True)
class Study:
    """A study folder, or one with runs that belong to none, with what was read from it."""

    root: Path
    experiment: str
    """Empty where the runs belong to no study."""
    commands: tuple[str, ...]
    reports: tuple[dict[str, Any], ...]
    """The run.json files."""
    records: pl.DataFrame
    probes: pl.DataFrame

    @property
    def name(self) -> str:
        """What the page calls it."""
        return self.experiment or ("run" if len(self.reports) == 1 else "runs")

    @cached_property
    def row(self) -> Experiment:
        """Its experiment; for runs that belong to none, a row that says what they are."""
        if self.experiment:
            return EXPERIMENTS[self.experiment]
        places = [frames.coordinates(report["config"]) for report in self.reports]
        arms = list(dict.fromkeys(label(place["method"]) for place in places))
        names = ", ".join(arms) if len(arms) <= MOST_NAMES else f"{len(arms)} methods"
        ratios = dict.fromkeys(ratio_label(place["ratio"]) for place in places)
        title = f"{names} at {', '.join(ratios)} on {', '.join(self.datasets)}"
        about = "Trained by vral train. No claim is judged on runs that belong to no study."
        return Experiment(title, about, (), (), RUN_METRICS)

    @cached_property
    def final(self) -> pl.DataFrame:
        """A row per seed of an arm at a ratio on a data set, as ``frames.final`` gives them."""
        return frames.final(self.root)

    @property
    def datasets(self) -> list[str]:
        return sorted({report["config"]["dataset"] for report in self.reports})


def read_study(root: Path) -> Study:
    """The study in ``root``. Raises FolderError where it is none, or one without readings."""
    experiment = experiment_of(root)
    _, commands = read_marker(root)
    records, probes = frames.read(root, "records"), frames.read(root, "probes")
    if records.is_empty() or probes.is_empty():
        if frames.diverged(root):
            raise FolderError(
                f"STUDY: every seed in {root} diverged before its first reading, so there is "
                "nothing to draw; vral claims judges it"
            )
        raise FolderError(f"STUDY: {root} has no readings yet; its command continues it")
    reports = tuple(report for _, report in frames.runs(root))
    return Study(root, experiment, tuple(dict.fromkeys(commands)), reports, records, probes)


def holds_runs(path: Path) -> bool:
    """Whether ``path`` is the folder of a study, or one with runs in it."""
    return (path / "study.json").is_file() or next(path.rglob("run.json"), None) is not None


def read_runs(root: Path) -> Study:
    """The runs in ``root``, which is the folder of one, or one that holds them and no study.

    Raises FolderError where it is neither, where nothing was recorded, and where runs have the same
    seed, or settings that differ under the same name, so that they cannot be shown as one.
    """
    studies = sorted(str(path.parent) for path in root.rglob("study.json"))
    if studies:
        raise FolderError(f"STUDY: {root} holds studies; allowed: these, {', '.join(studies)}")
    found = list(frames.runs(root))
    if not found:
        raise FolderError(
            f"STUDY: {root} given, which holds no study.json and no run.json; "
            "allowed: folders that vral reproduce or vral train has written"
        )
    _refuse_mixed(found)
    records, probes = frames.read(root, "records"), frames.read(root, "probes")
    if records.is_empty() or probes.is_empty():
        raise FolderError(f"STUDY: {root} has no readings, so there is nothing to draw")
    reports = tuple(report for _, report in found)
    commands = tuple(dict.fromkeys(train_command(report["config"]) for report in reports))
    return Study(root, "", commands, reports, records, probes)


def _refuse_mixed(found: Sequence[tuple[Path, Mapping[str, Any]]]) -> None:
    """Raise FolderError for two runs of one name that are not seeds of the same."""
    for (other, first), (folder, second) in combinations(found, 2):
        if why := frames.misfit(first["config"], second["config"]):
            raise FolderError(
                f"STUDY: {other} and {folder} are runs of one name with {why}; allowed: each "
                "by itself, as two folders"
            )


@dataclass(frozen=True)
class Statement:
    """A statement of the source with the verdicts of every test of it."""

    id: str
    text: str
    source: str
    verdicts: tuple[Verdict, ...]


def by_statement(verdicts: Sequence[Verdict]) -> list[Statement]:
    """Verdicts grouped under the statements that they test, in their order.

    A statement that two claims share, such as C7 and Q3, stands under each.
    """
    groups: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault((verdict.claim.family, verdict.claim.statement), []).append(verdict)
    return [
        Statement(family, text, group[0].claim.source, tuple(group))
        for (family, text), group in groups.items()
    ]


@dataclass(frozen=True)
class Plate:
    """A figure with its caption, its alternative text and the verdicts that it supports."""

    name: str
    anchor: str
    caption: str
    alt: str
    picture: Picture
    statements: list[Statement]


@dataclass(frozen=True)
class Section:
    """One study on one data set."""

    study: Study
    dataset: str
    anchor: str
    verdicts: list[Verdict]
    figures: dict[str, Drawing]
    """File name without its ending to figure."""

    @cached_property
    def final(self) -> pl.DataFrame:
        """The rows of ``Study.final`` on this data set."""
        return self.study.final.filter(pl.col("dataset") == self.dataset)

    @cached_property
    def values(self) -> dict[ArmAtRatio, dict[str, dict[str, Any]]]:
        """(arm, ratio) → reading → its row of the summary, in the order of the tables."""
        values: dict[ArmAtRatio, dict[str, dict[str, Any]]] = {}
        for row in frames.summary(self.final).to_dicts():
            values.setdefault((row["method"], row["ratio"]), {})[row["metric"]] = row
        return values

    @cached_property
    def headings(self) -> dict[str, str]:
        """Columns of the table of results: those of the experiment that were measured."""
        measured = {name for readings in self.values.values() for name in readings}
        return {k: text for k, text in self.study.row.metrics.items() if k in measured}

    @cached_property
    def reports(self) -> list[dict[str, Any]]:
        """The run.json files of its runs, in the order of the figures."""
        reports = [r for r in self.study.reports if r["config"]["dataset"] == self.dataset]
        return sorted(reports, key=lambda r: self._order(r["config"]))

    @staticmethod
    def _order(config: Mapping[str, Any]) -> tuple[tuple[int, str], tuple[float, str]]:
        return arm_order(frames.coordinates(config)["method"]), frames.ratio_key(config["ratio"])

    @property
    def configs(self) -> list[dict[str, Any]]:
        return [report["config"] for report in self.reports]

    @property
    def arms(self) -> list[str]:
        """Its arms, in the order of the figures."""
        return list(dict.fromkeys(frames.coordinates(config)["method"] for config in self.configs))

    @property
    def ratios(self) -> list[str]:
        """Its ratios of D's updates to G's, the smallest first."""
        return sorted({config["ratio"] for config in self.configs}, key=frames.ratio_key)

    @property
    def commits(self) -> list[str]:
        """The commits that its runs name, shortened, each once; none where none is noted."""
        named = [start["commit"] for r in self.reports for start in r.get("provenance", [])]
        return list(dict.fromkeys(commit[:COMMIT] for commit in named if commit))

    @property
    def commands(self) -> list[str]:
        """The study's commands for this data set, in a form that runs on any machine."""
        commands = (portable_command(command, self.dataset) for command in self.study.commands)
        return list(dict.fromkeys(command for command in commands if command))

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for config in self.configs for seed in config["seeds"]})

    @property
    def seed_counts(self) -> list[int]:
        """The numbers of seeds that its cells have, as ``frames.seed_counts`` gives them."""
        return frames.seed_counts(self.configs)

    @property
    def diverged(self) -> list[dict[str, Any]]:
        """The seeds that diverged here, as ``frames.diverged`` gives them."""
        return [e for e in frames.diverged(self.study.root) if e["dataset"] == self.dataset]

    @cached_property
    def ends(self) -> list[dict[str, Any]]:
        """The seeds that diverged or exploded or whose G gets no gradient, by ``notes.ends``."""
        return [e for e in notes.ends(self.study.root) if e["dataset"] == self.dataset]

    @property
    def rounds(self) -> str:
        """The number of rounds of its runs, the least and the most where they differ."""
        counts = [config["rounds"] for config in self.configs]
        return " to ".join(f"{count:,}" for count in sorted({min(counts), max(counts)}))

    @property
    def unfinished(self) -> list[dict[str, Any]]:
        """The run.json files of runs whose readings end before their last round."""
        return [r for r in self.reports if r["status"] not in ENDED]

    @property
    def seconds(self) -> float:
        """Sum of the wall times of all runs."""
        return sum(report.get("seconds", 0) for report in self.reports)

    @property
    def machines(self) -> list[dict[str, Any]]:
        """Every machine and set of versions that made a run, each once."""
        machines: list[dict[str, Any]] = []
        for report in self.reports:
            if report.get("machine", {}) not in machines:
                machines.append(report.get("machine", {}))
        return machines

    @cached_property
    def explored(self) -> dict[str, Any]:
        """What the run explorer draws of this section; empty where there are no curves."""
        here = pl.col("dataset") == self.dataset
        g_held = all(config.get("generator") == "held" for config in self.configs)
        curves = explored(
            self.study.records.filter(here), self.study.probes.filter(here), self.final, g_held
        )
        if not curves["curves"]:
            return {}
        return {"anchor": self.anchor, "title": f"{self.study.name}, {self.dataset}"} | curves

    @cached_property
    def plates(self) -> list[Plate]:
        """Every figure as it is drawn, whether it supports verdicts or not."""
        return [self._plate(name, draw) for name, draw in self.figures.items()]

    def _plate(self, name: str, draw: Drawing) -> Plate:
        shown = picture(draw)
        statements = by_statement([v for v in self.verdicts if v.claim.figure == name])
        title = shown.caption or f"{self.study.name} on {self.dataset}"
        alt = f"Figure {name}: {title}. {self._in_words(name)}"
        anchor = figure_anchor(self.anchor, name)
        return Plate(name, anchor, shown.caption, alt, shown, statements)

    def _in_words(self, name: str) -> str:
        """The medians at the end of the runs that figure ``name`` shows, as a sentence."""
        measured = {reading for values in self.values.values() for reading in values}
        wanted = SHOWN_READINGS.get(name, {})
        readings = {k: text for k, text in wanted.items() if k in measured} or dict(
            list(self.headings.items())[:3]
        )
        parts = []
        for (arm, ratio), values in self.values.items():
            texts = [
                f"{text} {typeset(values[k]['median'])}"
                for k, text in readings.items()
                if k in values
            ]
            if texts:
                parts.append(f"{label(arm)} at {ratio_label(ratio)}: {', '.join(texts)}")
        count = len(self.seeds)
        what = f"Medians over {count} seeds" if count > 1 else "Values of the one seed"
        return f"{what} at the end: {'; '.join(parts)}."


def sections(study: Study, number: int, ledger: Sequence[Verdict]) -> list[Section]:
    """A section per data set of ``study``.

    ``number`` is the study's place on the page and keeps anchors apart; ``ledger`` holds the
    verdicts of all studies.
    """
    result = []
    for dataset in study.datasets:
        configs = [r["config"] for r in study.reports if r["config"]["dataset"] == dataset]
        verdicts = [v for v in ledger if v.study == study.root and v.dataset == dataset]
        result.append(
            Section(
                study,
                dataset,
                f"study{number}-{slug(study.name)}-{slug(dataset)}",
                verdicts,
                _figures_of(study, configs),
            )
        )
    return result


def _figures_of(study: Study, configs: Sequence[Mapping[str, Any]]) -> dict[str, Drawing]:
    """The figures of the study's experiment; for other runs those of ``ratios``.

    Runs with readings along segments have those drawn too.
    """
    if study.experiment:
        return figures_of(study.experiment, study.root, configs)
    drawn = figures_of("ratios", study.root, configs)
    if not frames.read(study.root, "interpolation").is_empty():
        drawn |= figures_of("interpolation", study.root, configs)
    return drawn


@dataclass(frozen=True)
class Theory:
    """A deterministic study: its rows, and its figures as its command has drawn them."""

    root: Path
    experiment: str
    anchor: str
    verdicts: list[Verdict]
    rows: Rows
    figures: dict[str, Picture]

    @property
    def statements(self) -> list[Statement]:
        return by_statement(self.verdicts)

    @property
    def seeded(self) -> bool:
        """Whether its numbers are those of seeds."""
        return any(verdict.in_family for verdict in self.verdicts)

    def alt(self, name: str) -> str:
        """The alternative text of figure ``name``."""
        texts = " ".join(statement.text for statement in self.statements)
        return f"Figure {name} of {self.experiment}. {texts} Its numbers are in the table below."


def read_theory(root: Path, number: int, ledger: Sequence[Verdict]) -> Theory:
    """The deterministic study in ``root``. Raises FolderError where one of its files is corrupt.

    ``number`` and ``ledger`` are as for ``sections``.
    """
    experiment = experiment_of(root)
    return Theory(
        root,
        experiment,
        f"theory{number}-{slug(experiment)}",
        [verdict for verdict in ledger if verdict.study == root],
        read_rows(root),
        {
            path.stem: saved_picture(path)
            for folder in (root, root / "figures")  # Published, or as its command wrote it.
            for path in sorted(folder.glob("*.png"))
        },
    )


def figure_anchor(section: str, name: str) -> str:
    """The anchor of figure ``name`` in the section with this anchor."""
    return f"{section}-{slug(name)}"


def slug(text: str) -> str:
    """``text`` in lower-case letters, digits and hyphens, which are safe in an address."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
