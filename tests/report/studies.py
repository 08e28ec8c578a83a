"""A small study whose every name is as hostile as a file system and a registry allow."""

import dataclasses
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vral.cli.main import main
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
    """Train the study in ``folder`` / FOLDER and write its page to ``folder`` / page.html."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, text in {"lsgan": HOSTILE, "vral-meta": LONG}.items():
            patch.setitem(METHODS, name, dataclasses.replace(METHODS[name], label=text))
        make_study(folder / FOLDER)
        patch.setattr(sys, "argv", ["vral", "report", FOLDER])
        result = report(folder / FOLDER, "--out", folder / "page.html")
        assert result.exit_code == 0, result.output
