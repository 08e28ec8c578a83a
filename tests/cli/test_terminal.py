"""Nothing that the commands print is cut, however narrow the terminal is."""

import io
import re

import pytest
from cases import SMALL
from click.testing import CliRunner
from rich.cells import cell_len
from rich.console import Console

from vral.claims.catalogue import CLAIMS
from vral.claims.verdict import judge
from vral.cli import bench, claims, dynamics, stubs
from vral.cli.main import main
from vral.cli.tables import progress_bar
from vral.cli.terminal import Column, show_table
from vral.study.measured import Measured, Row

WIDTHS = [200, 80, 60, 40, 25]
COLUMNS = (
    Column("method", text=True),
    Column("D updates", right=True),
    Column("a note", text=True),
)
ROWS = [
    ("necessity+moment-penalty+very-long", "5,000,000", "exploded: seeds 0, 1; no gradient"),
    ("wgan", "1.4e15\n[1.2e15, 1.7e15]", "\\[0, 0]"),
]


def printed(width: int, show, *arguments) -> str:
    file = io.StringIO()
    show(Console(file=file, width=width), *arguments)
    return file.getvalue()


def letters(text: str) -> str:
    """``text`` without what a layout adds: spaces, line breaks, rules and borders."""
    return re.sub(r"[\s─│╭╮╰╯]", "", text)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_table_is_never_wider_than_its_terminal_and_lacks_nothing(width):
    lines = printed(width, show_table, "Title", COLUMNS, ROWS).splitlines()
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    assert "…" not in text
    for number in ("5,000,000", "1.4e15", "[1.2e15,", "1.7e15]", "[0, 0]"):
        assert number in " ".join(text.split())


def test_a_table_that_fits_has_a_line_a_row_and_a_narrow_one_a_line_a_cell():
    flat = [("wgan", "15", "new"), ("lsgan", "15", "done")]
    wide = printed(40, show_table, "Plan", COLUMNS, flat).split("\n\n")[1].splitlines()
    assert [line.split() for line in wide[2:]] == [list(row) for row in flat]
    told = printed(15, show_table, "Plan", COLUMNS, flat)
    assert "wgan\n  D updates: 15" in "\n".join(line.rstrip() for line in told.splitlines())


@pytest.mark.parametrize("width", WIDTHS[:-1])
def test_the_bar_keeps_its_numbers(width):
    def show(console):
        with progress_bar(console) as bar:
            bar.add_task("vral-parzen-backward 50", total=2, completed=1)

    text = printed(width, show)
    assert "…" not in text
    assert re.search(r"50\.0 % +\d:\d\d:\d\d +left +-:--:--", text)


def plan(**environment: str) -> str:
    arguments = ("artefacts", "--rounds", "1000000", "--width", "4", "--dry-run")
    result = CliRunner().invoke(main, ["reproduce", *arguments], env=environment)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow  # every row's updates are timed
@pytest.mark.parametrize("columns", ["80", "40"])
def test_a_plan_shows_every_number_at_any_width(columns, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    narrow = plan(COLUMNS=columns)
    assert "…" not in narrow
    assert letters(narrow).count("250,000,000") == 13  # five seeds at 50:1


def test_a_pipe_gets_a_row_a_line(vral, monkeypatch):
    monkeypatch.delenv("COLUMNS")
    small = ("--dataset", "ring", *SMALL)
    output = vral("train", "lsgan", "--rounds", 3, "--seed", "0,1", *small).output
    [title] = [line for line in output.splitlines() if line.startswith("Final values: ")]
    assert title.endswith("of the rounds")
    [row] = [line for line in output.splitlines() if line.startswith("LSGAN ")]
    assert len(row.split()) == 2 + 4 + 2 + 6 * 2  # names, four readings, two of quality, intervals
    assert max(map(cell_len, output.splitlines())) < 400  # the bar does not fill the pipe


@pytest.mark.parametrize("width", WIDTHS[1:])
def test_the_tables_of_other_commands_lack_nothing(width, tmp_path):
    claim = next(iter(CLAIMS.values()))
    verdict = judge(claim, dict(enumerate([1.25e-7, 1e-7, 2e-7, 3e-7, 4e-7])), "digits", tmp_path)
    told = printed(width, claims._show_verdicts, [verdict])
    assert claim.id in told
    assert letters(claim.quantity) in letters(told)
    row = {"contender": "compiled, losses only", "us": 1234567, "us_least": 123456}
    row |= {"us_most": 2345678, "faster": 3.25, "sgemm_share": 0.5, "first_round_cpu_s": 12.5}
    timed = printed(width, bench._show, "toy", [row])
    numbers = ("1,234,567", "123,456-2,345,678", "3.25", "50", "12.5")
    measured = Measured([Row("case of a long name", "quantity of a long name", 0.123456, 1e-9)])
    computed = printed(width, dynamics.show_measured, "errata", measured)
    numbers_computed = ("0.123456", "1e-09", "1.2e-01")
    assert all(number in timed for number in numbers)
    assert all(number in computed for number in numbers_computed)
    for text in (told, timed, computed):
        assert "…" not in text
        assert max(map(cell_len, text.splitlines())) <= width


def commands() -> list[list[str]]:
    words = stubs.read_words()["commands"]
    return [
        *([name] for name in words),
        *(["reproduce", name] for name in words["reproduce"]["commands"]),
    ]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_help_says_the_same_in_a_narrow_terminal(command):
    def text(columns: int) -> str:
        arguments = [*command, "--help"]
        return CliRunner().invoke(main, arguments, env={"COLUMNS": str(columns)}).output

    narrow, wide = text(40), text(400)
    assert max(map(cell_len, narrow.splitlines())) <= 40
    for line in wide.splitlines():
        for part in re.split(r"\s{2,}", line.strip("│ ")):
            assert letters(part) in letters(narrow), part
