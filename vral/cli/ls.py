"""``vral ls``: what there is to train, to run and to read, a line each."""

import rich_click as click
from rich.console import Console
from rich.text import Text

from vral.cli.stubs import read_words
from vral.cli.terminal import NARROW, open_terminal

SECTIONS = (
    "methods",
    "datasets",
    "networks",
    "rules",
    "objectives",
    "experiments",
    "dynamics",
    "readings",
    "fidelity",
)
ASKED_FOR = ("fidelity",)
"""Sections that are shown by name alone."""
INDENT = 26
"""Columns before a text that stands beside its name."""


@click.command("ls")
@click.argument("section", required=False, type=click.Choice(SECTIONS))
def command(section: str | None) -> None:
    """Show methods, data sets, networks, update rules, objectives, experiments and readings.

    With a SECTION, show that section alone. The section fidelity is shown by name alone: every
    choice of the authors with its source, and ours, which is the same or differs because. Texts are
    broken at the width of the terminal; in a pipe every row is one line.
    """
    shown = (section,) if section else tuple(name for name in SECTIONS if name not in ASKED_FOR)
    sections = [words for words in read_words()["ls"] if words["name"] in shown]
    console = open_terminal()
    for number, words in enumerate(sections):
        if number:
            console.print()
        console.print(words["title"], style="bold")
        for name, text, more in words["rows"]:
            _print_row(console, name, Text.assemble(text, (f"  {more}" if more else "", "dim")))


def _print_row(console: Console, name: str, text: Text) -> None:
    """Print a row's text beside its name, or under it where the terminal is narrow."""
    heading = Text(f"  {name}", "cyan")
    if console.width < NARROW:
        console.print(heading)
        heading, indent = Text(), 4
    else:
        indent = max(INDENT, len(heading) + 2)
    for line in text.wrap(console, console.width - indent):
        line.rstrip()
        heading.pad_right(indent - len(heading))
        console.print(heading + line)
        heading = Text()
