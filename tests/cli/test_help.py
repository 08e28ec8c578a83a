"""Help texts and ``vral ls`` come from words.json, which says what the real commands say."""

import json
import re
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from vral.cli import ls, main, reproduce, stubs, words
from vral.data.datasets import DATASETS
from vral.nets import NETWORKS
from vral.objectives import OBJECTIVES
from vral.optim import RULES, TRANSFORMS
from vral.optim.rules import describe
from vral.study.config import RunConfig
from vral.study.experiments import EXPERIMENTS
from vral.study.fidelity import FIDELITY
from vral.study.methods import METHODS

SLOW = {"torch", "polars", "numpy", "pydantic", "matplotlib", "sklearn", "scipy", "bokeh"}
"""Packages whose import takes longer than the help itself."""


def test_words_are_those_of_the_commands():
    assert stubs.read_words() == words.words(), "out of date; run: python -m vral.cli.words"


def paths() -> list[tuple[str, ...]]:
    experiments = stubs.read_words()["commands"]["reproduce"]["commands"]
    tops = [(name,) for name in main.COMMANDS if name != "reproduce"]
    return tops + [("reproduce", name) for name in experiments]


@pytest.mark.parametrize("path", paths(), ids=" ".join)
def test_a_stub_s_help_is_the_command_s(path, monkeypatch):
    """Laid out as rich-click lays out the real command, at the width of a wide terminal."""
    group = main.main if len(path) == 1 else reproduce.command
    real = group.load(path[-1])
    arguments = [*path, "--help"]
    shown = CliRunner().invoke(main.main, arguments, env={"COLUMNS": "120"}).output
    monkeypatch.setattr(type(group), "get_command", lambda self, context, name: real)
    if len(path) == 2:
        monkeypatch.setattr(type(main.main), "get_command", lambda self, context, name: group)
    assert CliRunner().invoke(main.main, arguments, env={"COLUMNS": "120"}).output == shown


@pytest.mark.parametrize(
    "arguments",
    [["ls"], ["--help"], ["train", "--help"], ["reproduce", "-h"], ["reproduce", "ratios", "-h"]],
    ids=" ".join,
)
def test_help_loads_no_slow_package(arguments):
    code = (
        "import sys; from vral.cli.main import main\n"
        f"main({arguments!r}, standalone_mode=False); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout
    assert SLOW.isdisjoint(done.stderr.split())


def test_a_command_that_words_lack_is_found_and_explained(vral, monkeypatch):
    """Words may be older than the commands."""
    old = json.loads(stubs.FILE.read_text())
    del old["commands"]["reproduce"]["commands"]["errata"]
    monkeypatch.setattr(stubs, "read_words", lambda: old)
    monkeypatch.setattr(reproduce, "read_words", lambda: old)
    assert "three published mistakes" in vral("reproduce", "errata", "--help").output


def test_help_as_the_value_of_an_option_is_a_value(vral, tmp_path):
    result = vral("reproduce", "errata", "--out", "--help", "--dry-run")
    assert result.exit_code == 0
    assert "→ --help" in result.output


@pytest.mark.parametrize(
    ("section", "names"),
    [
        ("methods", METHODS),
        ("datasets", DATASETS),
        ("networks", NETWORKS),
        ("objectives", RunConfig.model_fields["objective"].annotation.__args__),
        ("experiments", EXPERIMENTS),
    ],
)
def test_ls_shows_every_row_of_a_registry(vral, section, names):
    result = vral("ls", section)
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()[1:]] == list(names)


def test_ls_shows_every_rule_with_its_settings(vral):
    text = vral("ls", "rules").output
    for rows in (RULES, TRANSFORMS):
        assert all(
            f"  {name} " in text and meaning in text for name, meaning in describe(rows).items()
        )


def test_ls_shows_the_source_of_every_objective(vral):
    text = vral("ls", "objectives").output
    assert all(objective.source in text for objective in OBJECTIVES.values())


def test_ls_is_a_line_a_row_in_a_pipe_and_fits_a_phone(monkeypatch):
    sections = stubs.read_words()["ls"]
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = [line for line in CliRunner().invoke(main.main, ["ls"]).output.splitlines() if line]
    shown = [section for section in sections if section["name"] not in ls.ASKED_FOR]
    assert len(lines) == sum(1 + len(section["rows"]) for section in shown)
    names = [name for section in shown for name, *_ in section["rows"]]
    assert all(any(line.startswith(f"  {name}  ") for line in lines) for name in names)
    narrow = CliRunner().invoke(main.main, ["ls"], env={"COLUMNS": "50"}).output.splitlines()
    assert max(map(len, narrow)) <= 50
    assert set(ls.SECTIONS) == {section["name"] for section in sections}


def test_ls_shows_the_authors_choices_by_name(vral, monkeypatch):
    monkeypatch.delenv("COLUMNS")
    lines = vral("ls", "fidelity").output.splitlines()[1:]
    assert len(lines) == len(FIDELITY)
    for line, name in zip(lines, FIDELITY, strict=True):
        assert line.startswith(f"  {name}  ".ljust(27)[:26])
    (norm,) = (line for line in lines if line.startswith("  norm in G "))
    assert "authors: batch norm in every hidden layer" in norm
    assert re.search(r"[.;] +batch \(all but toy2d\): same", norm)


def test_the_words_of_vral_ls_are_asked_for_by_name(vral):
    result = vral("ls", "rule")
    assert result.exit_code == 2
    assert "'rule' is not one of 'methods'" in result.stderr


def test_a_shell_completes_the_values_of_an_option():
    complete = ShellComplete(main.main, {}, "vral", "_VRAL_COMPLETE")
    items = complete.get_completions(["train", "lsgan", "--network"], "mlp")
    assert [item.value for item in items] == ["mlp"]
