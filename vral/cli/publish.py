"""``vral publish``: small copies of studies, with their tables and figures, for git."""

from collections.abc import Sequence
from pathlib import Path

import rich_click as click
from rich.console import Console

from vral.claims.ledger import experiment_of
from vral.cli.options import NamedPath, studies_argument
from vral.cli.results import write_summaries
from vral.cli.terminal import open_terminal
from vral.errors import FolderError
from vral.files import write_bytes
from vral.report.pictures import figures_of, picture, saved_picture
from vral.study import frames
from vral.study.experiments import EXPERIMENTS
from vral.study.folders import ENDED
from vral.study.numbers import how_many
from vral.study.publish import Copying, plan, plan_measured, publish, publish_measured


@click.command("publish")
@studies_argument()
@click.option(
    "--to",
    type=NamedPath(file_okay=False, path_type=Path),
    default=Path("runs/published"),
    show_default=True,
    help="Folder that gets a folder for each study and data set, such as ratios-digits.",
)
def command(studies: Sequence[Path], to: Path) -> None:
    """Keep what the verdicts, tables, figures and page of studies need, small enough for git.

    A STUDY is a folder that vral reproduce wrote. Its copy is one too: vral claims and vral report
    read it like the original. Its final values are exact; its records are thinned to a hundred a
    seed, and its runs cannot be prolonged. What is there already stays, and cells that it lacks are
    added; a run that was prolonged after it had been published is another run, and needs another
    folder.
    """
    over_seeds: list[Copying] = []
    computed: dict[Path, Path] = {}
    for root in studies:
        experiment = experiment_of(root)
        if experiment in EXPERIMENTS:
            for dataset in _ended_on(root):
                over_seeds.append(plan(root, to / f"{experiment}-{dataset}", dataset, over_seeds))
        else:
            plan_measured(root, to / experiment)
            if other := computed.get(to / experiment):
                raise FolderError(
                    f"STUDY: {other} and {root} would both become {to / experiment}; allowed: one "
                    "study of an experiment without seeds"
                )
            computed[to / experiment] = root
    console = open_terminal()
    for root in dict.fromkeys(copying.root for copying in over_seeds):
        for folder, report in frames.runs(root):
            if report["status"] not in ENDED:
                console.print(f"left out, since it has not ended: {folder}", soft_wrap=True)
    for copying in over_seeds:
        _over_seeds(console, copying)
    for target, root in computed.items():
        _without_seeds(console, root, target)


def _ended_on(root: Path) -> list[str]:
    """The data sets on which the study has runs that have ended, in the order of its runs."""
    reports = [report for _, report in frames.runs(root) if report["status"] in ENDED]
    if not reports:
        raise FolderError(f"STUDY: {root} holds no run that has ended")
    return list(dict.fromkeys(report["config"]["dataset"] for report in reports))


def _over_seeds(console: Console, copying: Copying) -> None:
    target, row = copying.target, EXPERIMENTS[copying.experiment]
    publish(copying)
    configs = [report["config"] for _, report in frames.runs(target)]
    write_summaries(target, configs[0]["batch"])
    drawn = figures_of(copying.experiment, target, configs)
    for name, draw in drawn.items():
        write_bytes(target / f"{name}.png", picture(draw).png)
    there = {(place["method"], place["ratio"]) for place in map(frames.coordinates, configs)}
    lacking = [(arm.name, ratio) for arm, ratio in row.cells() if (arm.name, ratio) not in there]
    if lacking:
        named = ", ".join(f"{arm} at {ratio}" for arm, ratio in lacking)
        console.print(
            f"not there yet: {how_many(len(lacking), 'cell')} of the experiment: {named}",
            soft_wrap=True,
        )
    said = f"{how_many(len(configs), 'run')}, {how_many(len(drawn), 'figure')}"
    console.print(f"{said} → {target}", soft_wrap=True)


def _without_seeds(console: Console, root: Path, target: Path) -> None:
    publish_measured(root, target)
    files = sorted((root / "figures").glob("*.png"))
    for file in files:
        write_bytes(target / file.name, saved_picture(file).png)
    console.print(f"tables, {how_many(len(files), 'figure')} → {target}", soft_wrap=True)
