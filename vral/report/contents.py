"""What the page says of a study: figures, verdicts, results, settings, where the numbers come from.

Nothing here knows HTML. A study is read once; its data sets become a section each.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from vral.claims import Verdict
from vral.claims.evidence import Rows, read_rows
from vral.claims.ledger import experiment_of
from vral.errors import FolderError
from vral.figures import ratio_label
from vral.report.explorer import READINGS, explored
from vral.report.pictures import Picture, figures_of, picture, saved_picture
from vral.study import frames
from vral.study.experiments import EXPERIMENTS, Experiment
from vral.study.folders import read_marker
from vral.study.methods import arm_order, label
from vral.study.numbers import number as plain_number

Cell = tuple[str, str]
"""(method, ratio)."""

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
"""What a figure's alternative text gives in numbers; others give the experiment's first three."""

COORDINATES = ("method", "variant", "ratio", "dataset", "seeds")


@dataclass(frozen=True)
class Study:
    """A study folder with what was read of it."""

    root: Path
    experiment: str
    commands: tuple[str, ...]
    reports: tuple[dict[str, Any], ...]
    """Its run.json files."""
    records: pl.DataFrame
    probes: pl.DataFrame

    @property
    def row(self) -> Experiment:
        return EXPERIMENTS[self.experiment]

    @property
    def datasets(self) -> list[str]:
        return sorted({report["config"]["dataset"] for report in self.reports})


def read_study(root: Path) -> Study:
    """Raises FolderError where ``root`` is no study, or one without readings."""
    experiment = experiment_of(root)
    _, commands = read_marker(root)
    records, probes = frames.read(root, "records"), frames.read(root, "probes")
    if records.is_empty() or probes.is_empty():
        if frames.diverged(root):
            raise FolderError(
                f"STUDY: every seed in {root} diverged before its first reading, so there is "
                "nothing to draw; vral claims judges it"
            )
        raise FolderError(f"STUDY: {root} has no readings yet; its command goes on with it")
    reports = tuple(report for _, report in frames.runs(root))
    return Study(root, experiment, tuple(dict.fromkeys(commands)), reports, records, probes)


@dataclass(frozen=True)
class Statement:
    """A statement of the source with every test of it."""

    id: str
    text: str
    source: str
    verdicts: tuple[Verdict, ...]


def by_statement(verdicts: Sequence[Verdict]) -> list[Statement]:
    """Verdicts under the statements that they test, in their order."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(verdict.claim.statement, []).append(verdict)
    return [
        Statement(found[0].claim.id.split(".")[0], text, found[0].claim.source, tuple(found))
        for text, found in groups.items()
    ]


@dataclass(frozen=True)
class Plate:
    """A figure with its words and the verdicts that it supports."""

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
    figures: dict[str, Figure]

    @cached_property
    def final(self) -> pl.DataFrame:
        """A row per cell and seed."""
        here = pl.col("dataset") == self.dataset
        return frames.final_values(
            self.study.records.filter(here), self.study.probes.filter(here), self.diverged
        )

    @cached_property
    def values(self) -> dict[Cell, dict[str, dict[str, Any]]]:
        """Cell → reading → its row of the summary, in the order of the tables."""
        found: dict[Cell, dict[str, dict[str, Any]]] = {}
        for row in frames.summary(self.final).to_dicts():
            found.setdefault((row["method"], row["ratio"]), {})[row["metric"]] = row
        return found

    @cached_property
    def headings(self) -> dict[str, str]:
        """Columns of the table of results: those of the experiment that were measured."""
        measured = {name for readings in self.values.values() for name in readings}
        return {k: text for k, text in self.study.row.metrics.items() if k in measured}

    @cached_property
    def reports(self) -> list[dict[str, Any]]:
        """The run.json files of its runs, in the order of the figures."""
        found = [r for r in self.study.reports if r["config"]["dataset"] == self.dataset]
        return sorted(found, key=lambda r: self._order(r["config"]))

    @staticmethod
    def _order(config: Mapping[str, Any]) -> tuple[tuple[int, str], tuple[float, str]]:
        return arm_order(frames.coordinates(config)["method"]), frames.ratio_key(config["ratio"])

    @property
    def configs(self) -> list[dict[str, Any]]:
        return [report["config"] for report in self.reports]

    @property
    def commands(self) -> list[str]:
        """The study's commands that trained on this data set, as anybody can give them."""
        found = (anybodys(command, self.dataset) for command in self.study.commands)
        return list(dict.fromkeys(command for command in found if command))

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for config in self.configs for seed in config["seeds"]})

    @property
    def diverged(self) -> list[dict[str, Any]]:
        return [e for e in frames.diverged(self.study.root) if e["dataset"] == self.dataset]

    @property
    def unfinished(self) -> list[dict[str, Any]]:
        """Runs whose readings end before their last round."""
        return [r for r in self.reports if r["status"] not in ("finished", "diverged")]

    @property
    def hours(self) -> float:
        """Wall time of all runs, one after the other."""
        return sum(report.get("seconds", 0) for report in self.reports) / 3600

    @property
    def machines(self) -> list[dict[str, Any]]:
        """Every machine and set of versions that runs were made with, each once."""
        found: list[dict[str, Any]] = []
        for report in self.reports:
            if report.get("machine", {}) not in found:
                found.append(report.get("machine", {}))
        return found

    @cached_property
    def explored(self) -> dict[str, Any]:
        here = pl.col("dataset") == self.dataset
        held = all(config.get("generator") == "held" for config in self.configs)
        curves = explored(
            self.study.records.filter(here), self.study.probes.filter(here), self.final, held
        )
        return {"anchor": self.anchor, "title": f"{self.study.experiment}, {self.dataset}"} | curves

    def plates(self) -> list[Plate]:
        """Every figure, those with verdicts as the others."""
        return [self._plate(name, figure) for name, figure in self.figures.items()]

    def _plate(self, name: str, figure: Figure) -> Plate:
        caption = " ".join(figure.get_suptitle().split())
        statements = by_statement([v for v in self.verdicts if v.claim.figure == name])
        alt = f"Figure {name}: {caption}. {self._in_words(name)}"
        return Plate(
            name, figure_anchor(self.anchor, name), caption, alt, picture(figure), statements
        )

    def _in_words(self, name: str) -> str:
        """The medians that a figure shows at its end, cell by cell."""
        measured = {reading for values in self.values.values() for reading in values}
        wanted = SHOWN_READINGS.get(name, {})
        readings = {k: text for k, text in wanted.items() if k in measured} or dict(
            list(self.headings.items())[:3]
        )
        cells = []
        for (method, ratio), values in self.values.items():
            texts = [
                f"{text} {typeset(values[k]['median'])}"
                for k, text in readings.items()
                if k in values
            ]
            if texts:
                cells.append(f"{label(method)} at {ratio_label(ratio)}: {', '.join(texts)}")
        count = len(self.seeds)
        of = f"Medians over {count} seeds" if count > 1 else "Values of the one seed"
        return f"{of} at the end: {'; '.join(cells)}."


PLACES = ("--out", "--data-root")
"""Options that name a folder of one machine and change no number."""


def anybodys(command: str, dataset: str) -> str | None:
    """A command of study.json without the folders of its machine.

    None where it asks for another data set.
    """
    try:
        words = shlex.split(command)
    except ValueError:  # No command of ours; it is shown as it stands.
        return f"vral {command}"
    # An option's value follows it as a word of its own or after "=".
    pairs = re.findall(r"(--[a-z-]+)(?:=|\0)([^\0]*)", "\0".join(words))
    if dict(pairs).get("--dataset", dataset) != dataset:
        return None
    kept = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if before not in PLACES and word.partition("=")[0] not in PLACES
    ]
    return shlex.join(["vral", *kept])


def sections(found: Study, number: int, ledger: Sequence[Verdict]) -> list[Section]:
    """A study's data sets; ``number`` is its place on the page and keeps anchors apart."""
    result = []
    for dataset in found.datasets:
        configs = [r["config"] for r in found.reports if r["config"]["dataset"] == dataset]
        verdicts = [v for v in ledger if v.study == found.root and v.dataset == dataset]
        result.append(
            Section(
                found,
                dataset,
                f"study{number}-{slug(found.experiment)}-{slug(dataset)}",
                verdicts,
                figures_of(found.experiment, found.root, configs),
            )
        )
    return result


@dataclass(frozen=True)
class Theory:
    """A study without chance: its rows, and its figures as its command has drawn them."""

    root: Path
    experiment: str
    anchor: str
    verdicts: list[Verdict]
    rows: Rows
    figures: dict[str, Picture]

    @property
    def statements(self) -> list[Statement]:
        return by_statement(self.verdicts)

    def alt(self, name: str) -> str:
        texts = " ".join(statement.text for statement in self.statements)
        return f"Figure {name} of {self.experiment}. {texts} Its numbers are in the table below."


def read_theory(root: Path, number: int, ledger: Sequence[Verdict]) -> Theory:
    """Raises FolderError where a file of it is corrupt."""
    experiment = experiment_of(root)
    return Theory(
        root,
        experiment,
        f"theory{number}-{slug(experiment)}",
        [verdict for verdict in ledger if verdict.study == root],
        read_rows(root),
        {path.stem: saved_picture(path) for path in sorted((root / "figures").glob("*.png"))},
    )


def figure_anchor(section: str, name: str) -> str:
    return f"{section}-{slug(name)}"


def slug(text: str) -> str:
    """Safe in an address, whatever a name holds."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


# --- settings ------------------------------------------------------------------------------------


def common_settings(configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Settings that are the same in every run."""
    first = configs[0]
    return {
        name: value
        for name, value in first.items()
        if name not in COORDINATES and all(config.get(name) == value for config in configs)
    }


def differing_settings(
    configs: Sequence[Mapping[str, Any]],
) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The names of the other settings, and a row (method, values) per method.

    A value that depends on the ratio is written with it: "1 at 1:1, 5 at 50:1".
    """
    common = common_settings(configs)
    names = [
        name
        for name in dict.fromkeys(key for config in configs for key in config)
        if name not in common and name not in COORDINATES
    ]
    cells: dict[str, list[dict[Any, list[str]]]] = {}
    for config in configs:
        row = cells.setdefault(frames.coordinates(config)["method"], [{} for _ in names])
        for found, name in zip(row, names, strict=True):
            ratios = found.setdefault(config.get(name), [])
            if config["ratio"] not in ratios:
                ratios.append(config["ratio"])
    return names, [(method, [_by_ratio(found) for found in row]) for method, row in cells.items()]


def _by_ratio(found: Mapping[Any, list[str]]) -> str:
    if len(found) == 1:
        return setting(next(iter(found)))
    return ", ".join(
        f"{setting(value)} at {ratio_label(ratio)}"
        for value, ratios in found.items()
        for ratio in ratios
    )


def setting(value: Any) -> str:
    """A setting as a reader writes it: 1e-05 as 1·10⁻⁵, nothing as a dash."""
    if value is None:
        return "–"
    return typeset(value) if isinstance(value, float) else str(value)


# --- words and numbers ---------------------------------------------------------------------------


def typeset(value: float | None, digits: int = 3) -> str:
    """As the terminal's numbers, with a minus sign and powers of ten: −4.5·10⁻⁹."""
    if value is None or value != value:
        return "–"
    if value in (float("inf"), -float("inf")):
        return "∞" if value > 0 else "−∞"
    raw = plain_number(value, digits)
    mantissa, _, exponent = raw.replace("-", "−").partition("e")
    if not exponent:
        return mantissa
    return f"{mantissa}·10{exponent.translate(SUPERSCRIPTS)}"


SUPERSCRIPTS = str.maketrans("−0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def described(reading: str) -> str:
    """What a reading is, in words."""
    return next((texts[reading] for texts in READINGS.values() if reading in texts), reading)
