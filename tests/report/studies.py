"""A small study whose every name is as hostile as can be; many studies, made up for their size."""

import dataclasses
import io
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from matplotlib.figure import Figure
from PIL import Image

from vral.claims import CLAIMS, Verdict
from vral.cli.main import main
from vral.figures import Drawing
from vral.figures.front import READINGS as FRONT_READINGS
from vral.report import page
from vral.report.contents import Plate, Section, Study, by_statement, figure_anchor
from vral.report.explorer import CLOCKS, POINTS
from vral.report.explorer import READINGS as EXPLORED
from vral.report.pictures import Picture
from vral.study.config import resolve
from vral.study.folders import folder_name, write_json
from vral.study.methods import METHODS
from vral.study.run import execute

SMALL = {"dataset": "ring", "width": 8, "latent": 2, "batch": 8, "rounds": 2, "seeds": "0-4"}
HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>\"&"
FOLDER = "<img src=x onerror=window.hacked=3>"
"""A folder's name cannot hold a slash."""
LONG = "a very long name of a method that somebody might well choose " * 3


def report(*arguments) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def make_study(root: Path) -> None:
    for ratio in ("1", "50"):
        for method in ("lsgan", "vral-meta"):
            config = resolve(method, {**SMALL, "ratio": ratio})
            execute(config, root / folder_name(config))
    config = resolve("wgan", {**SMALL, "ratio": "50", "rounds": 2, "lr": 1e30})
    execute(config, root / folder_name(config))
    write_json(
        root / "study.json",
        {"experiment": "ratios", "commands": ["reproduce ratios", f"x {HOSTILE}"]},
    )


def write_hostile_page(folder: Path) -> None:
    """Train the study in ``folder`` / FOLDER and write its page into a new folder in ``folder``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, text in {"lsgan": HOSTILE, "vral-meta": LONG}.items():
            patch.setitem(METHODS, name, dataclasses.replace(METHODS[name], label=text))
        make_study(folder / FOLDER)
        patch.setattr(sys, "argv", ["vral", "report", FOLDER])
        result = report(folder / FOLDER, "--out", folder / "a/new/folder/page.html")
        assert result.exit_code == 0, result.output


MANY = [
    ("deck", "mnist"),
    *((name, "digits") for name in ("ratios", "lipschitz", "clipping", "noise", "usefulness")),
    *((name, "digits") for name in ("interpolation", "parzen", "necessity", "artefacts", "budget")),
    *((name, "digits") for name in ("batch-norm", "tuning", "experts", "deck", "well-trained")),
    *(("mode-collapse", name) for name in ("ring", "grid", "stacked-digits")),
    *(("toy2d", name) for name in ("circle", "line", "gaussian", "four-lines")),
    *(("well-trained", name) for name in ("segments", "mnist")),
]
"""The studies of a full report over seeds."""
FIGURES_EACH = ("overview", "samples")
ARMS, RATIOS = ("standard", "lsgan", "nonsaturating", "wgan-gp"), ("1", "50")


def _picture(rng: np.random.Generator, width: int, height: int) -> Picture:
    """Noise, so that no palette makes it small."""
    image = Image.fromarray(rng.integers(0, 256, (2 * height, 2 * width, 3), dtype=np.uint8))
    content = io.BytesIO()
    image.save(content, "png")
    return Picture(content.getvalue(), width, height)


def _many_section(number: int, experiment: str, dataset: str) -> Section:
    rng = np.random.default_rng(number)
    root = Path("no-such-folder", f"{experiment}-{dataset}")
    configs = [
        resolve(arm, {"dataset": dataset, "ratio": ratio, "seeds": "0-4"}).model_dump(mode="json")
        for arm in ARMS
        for ratio in RATIOS
    ]
    reports = tuple({"config": c, "status": "finished", "seconds": 60.0} for c in configs)
    study = Study(
        root, experiment, (f"reproduce {experiment}",), reports, pl.DataFrame(), pl.DataFrame()
    )
    verdicts = [
        Verdict(claim, dataset, *rng.random(3), 5, judgement, root, 0, 0.01)
        for claim in CLAIMS.values()
        if claim.experiment == experiment and dataset in (claim.datasets or (dataset,))
        for judgement in [("confirmed", "refuted", "inconclusive")[rng.integers(3)]]
    ]
    anchor = f"study{number}-{experiment}-{dataset}"
    figures = dict.fromkeys(FIGURES_EACH, Drawing(lambda _: Figure()))
    section = Section(study, dataset, anchor, verdicts, figures)
    section.__dict__["plates"] = [
        Plate(
            name,
            figure_anchor(anchor, name),
            "",
            f"Figure {name}",
            dataclasses.replace(_picture(rng, 200, 120), phone=_picture(rng, 80, 120)),
            by_statement([verdict for verdict in verdicts if verdict.claim.figure == name]),
        )
        for name in FIGURES_EACH
    ]
    cells = [(arm, ratio) for arm in ARMS for ratio in RATIOS]
    section.__dict__["values"] = {
        cell: {
            name: {"median": float(m), "low": float(m) / 2, "high": 2 * float(m)}
            for name, m in zip(FRONT_READINGS, rng.random(len(FRONT_READINGS)), strict=True)
        }
        for cell in cells
    }
    names = [name for readings in EXPLORED.values() for name in readings][:20]
    section.__dict__["explored"] = {
        "anchor": section.anchor,
        "title": f"{experiment}, {dataset}",
        "methods": [{"name": arm, "label": arm, "colour": "#336699"} for arm in ARMS],
        "ratios": [{"name": ratio, "label": f"{ratio}:1"} for ratio in RATIOS],
        "over": list(CLOCKS),
        "clocks": [{clock: list(range(POINTS)) for clock in CLOCKS}],
        "curves": {
            name: [
                {"method": i, "ratio": j, "clock": 0}
                | {part: rng.random(POINTS).round(4).tolist() for part in ("median", "low", "high")}
                for i in range(len(ARMS))
                for j in range(len(RATIOS))
            ]
            for name in names
        },
        "finals": {
            name: [{"method": 0, "ratio": 1, "seeds": [0], "values": [0.5]}] for name in names
        },
    }
    return section


def many_sections() -> list[Section]:
    """Sections as heavy as those of a full report; their numbers are noise."""
    return [_many_section(number, *study) for number, study in enumerate(MANY, 1)]


def write_many(file: Path) -> None:
    """Write the page of ``many_sections`` to ``file``."""
    page.write_page(file, page.render(many_sections(), [], [], "vral report", "page.pdf"))
