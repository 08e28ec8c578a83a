"""The recipes of CONTRIBUTING.md, followed word by word in a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / ".github/CONTRIBUTING.md"
TESTS = (
    "tests/test_objectives.py",
    "tests/test_penalties.py",
    "tests/data/test_datasets.py",
    "tests/optim/test_rules.py",
)
NAMES = "exponential or drift or moons or every_objective or every_penalty or every_rule"
RECIPE = re.compile(
    r"^```python\n# (?P<file>[\w/]+\.py)(?:: (?P<where>[^\n]+))?\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)

CHECKS = """
import runpy
runpy.run_module("vral.cli.words", run_name="__main__")  # as the guide says, after a new row

import numpy as np
import pytest
import torch
import vral
from click.testing import CliRunner
from vral.cli.main import main
from vral.games.pennies import matching_pennies

torch.set_num_threads(1)
toy = matching_pennies()
values = vral.spectrum(vral.field_map(toy.game, toy.at(0.0, 0.0), toy.draw)).eigenvalues
np.testing.assert_allclose(sorted(values.imag), [-0.25, 0.25], atol=1e-12)

for command in {commands!r}:
    options = [] if "--dataset" in command else ["--dataset", "ring"]  # it needs no classifier
    name = command.replace(" ", "_")
    result = CliRunner().invoke(main, [*command.split()[1:], *options, "--out", name])
    assert result.exit_code == 0, (command, result.output, result.exception)

options = ["-q", "-p", "no:cacheprovider", "-n", "0"]
assert pytest.main([*options, "-k", {names!r}, *{tests!r}]) == 0
print("all recipes work")
"""


def insert(file: Path, where: str | None, code: str) -> None:
    """Put ``code`` where its recipe says: a new file, a table's row, the imports, above a name."""
    if where is None:
        assert not file.exists(), f"{file} is not new"
        file.write_text(code, encoding="utf-8")
        return
    lines = file.read_text(encoding="utf-8").splitlines()
    if where == "in the imports":
        at = max(i for i, line in enumerate(lines) if line.startswith(("from ", "import "))) + 1
        indent = ""
    elif where.startswith("in "):
        start = next(i for i, line in enumerate(lines) if re.match(rf"{where[3:]}\b.*= {{$", line))
        at = next(i for i in range(start, len(lines)) if lines[i] == "}")
        indent = "    "
    else:
        name = where.removeprefix("above ")
        at = next(i for i, line in enumerate(lines) if re.match(rf"\s*{name}\b.*[:=]", line))
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
    new = [indent + line if line else "" for line in code.splitlines()]
    file.write_text("\n".join([*lines[:at], *new, *lines[at:], ""]), encoding="utf-8")


def recipes() -> list[tuple[str, str | None, str]]:
    """Every recipe's block of code: file, place, text."""
    text = GUIDE.read_text(encoding="utf-8")
    return [(match["file"], match["where"], match["code"]) for match in RECIPE.finditer(text)]


def recipe_commands() -> list[str]:
    """The ``vral train`` commands that the recipes end with."""
    section = GUIDE.read_text(encoding="utf-8").partition("## Recipes")[2]
    return re.findall(r"^(vral train .*)$", section, re.MULTILINE)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the package and its tests, with every recipe followed."""
    folder = tmp_path_factory.mktemp("recipes")
    ignored = shutil.ignore_patterns("__pycache__", "templates")
    shutil.copytree(ROOT / "vral", folder / "vral", ignore=ignored)
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=ignored)
    for file, where, code in recipes():
        insert(folder / file, where, code)
    return folder


def python(folder: Path, *arguments: str) -> str:
    """What Python writes in ``folder``; its errors are the test's."""
    paths = os.pathsep.join([str(folder), str(folder / "tests")])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def test_there_is_a_recipe_for_everything_the_front_page_lists():
    files = {file for file, _, _ in recipes()}
    assert {
        "vral/objectives.py",
        "vral/penalties.py",
        "vral/study/methods.py",
        "vral/optim/rules.py",
        "vral/data/datasets.py",
        "tests/oracles.py",
        "tests/optim/test_rules.py",
    } <= files
    assert len(recipe_commands()) == 5


@pytest.mark.slow
def test_the_recipes_work(copy):
    checks = CHECKS.format(commands=recipe_commands(), names=NAMES, tests=list(TESTS))
    (copy / "checks.py").write_text(checks, encoding="utf-8")
    assert "all recipes work" in python(copy, "checks.py")
