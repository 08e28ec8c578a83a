"""What the commands print on, tables of which nothing is cut, and help texts likewise.

Imports nothing slow, since ``vral ls`` and every help text need it.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rich_click as click
from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich_click.rich_help_formatter import RichHelpFormatter
from rich_click.rich_panel import RichOptionPanel

IN_PIPE = 10_000
"""Columns of a pipe: every row of a table is one line there, however long."""
NARROW = 72
"""Columns of a terminal below which a text stands under its name and not beside it."""
LEAST_TEXT = 16
"""Columns that a text needs beside others; where there are fewer, a table is told row by row."""
GAP = 2
"""Columns between two columns of a table."""


def open_terminal(**settings: Any) -> Console:
    """A console as wide as the terminal or as COLUMNS says, and without limit in a pipe.

    It prints text as it is: a folder's name may hold what Rich takes for markup ("[bold]", "[/]")
    or for an emoji (":x:").
    """
    in_pipe = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    plain = {"highlight": False, "markup": False, "emoji": False}
    return Console(width=IN_PIPE if in_pipe else None, **plain, **settings)


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, and how its cells stand."""

    heading: str
    right: bool = False
    """Whether cells end at the right, as numbers do."""
    text: bool = False
    """Whether a word longer than LEAST_TEXT may be broken."""


def show_table(
    console: Console, title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]
) -> None:
    """Print ``rows``, whose cells are in rich's markup; the first cell names its row.

    A cell's lines stand side by side where there is room, else one under the other. Where that is
    too wide, they are broken between words; where that is not enough, every row is told by itself,
    a line for each cell.
    """
    console.print(title, style="italic")
    cells = [[Text.from_markup(cell, emoji=False) for cell in row] for row in rows]
    flat = [[_side_by_side(cell) for cell in row] for row in cells]
    if _excess(columns, _natural(columns, flat), console.width) <= 0:
        cells = flat
    widths = _widths(columns, cells, console.width)
    if widths is None:
        for row in flat:
            console.print()
            _tell(console, columns, row)
        console.print()
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        justify = "right" if column.right else "left"
        table.add_column(column.heading, width=width, justify=justify, overflow="fold")
    for row in cells:
        table.add_row(*row)
    console.print()
    console.print(table)
    console.print()


def _side_by_side(cell: Text) -> Text:
    return Text("  ").join(cell.split("\n"))


def _natural(columns: Sequence[Column], cells: Sequence[Sequence[Text]]) -> list[int]:
    """The widths with which no line of any cell is broken."""
    return [
        max(
            cell_len(line)
            for text in (column.heading, *(row[i].plain for row in cells))
            for line in text.split("\n")
        )
        for i, column in enumerate(columns)
    ]


def _excess(columns: Sequence[Column], widths: Sequence[int], room: int) -> int:
    """How much wider than ``room`` a table is; negative where it is narrower."""
    return sum(widths) + GAP * (len(columns) - 1) - room


def _widths(
    columns: Sequence[Column], cells: Sequence[Sequence[Text]], room: int
) -> list[int] | None:
    """Widths that fit in ``room`` and with which no word is broken, long ones of texts apart.

    None where there are none.
    """
    widths, least = _natural(columns, cells), []
    for i, column in enumerate(columns):
        texts = (column.heading, *(row[i].plain for row in cells))
        words = max(cell_len(word) for text in texts for word in text.split())
        least.append(min(words, LEAST_TEXT) if column.text else words)
    for _ in range(_excess(columns, widths, room)):
        broken = [i for i in range(len(columns)) if widths[i] > least[i]]
        if not broken:
            return None
        widths[max(broken, key=widths.__getitem__)] -= 1
    return widths


def _tell(console: Console, columns: Sequence[Column], row: Sequence[Text]) -> None:
    """Print one row: its first cell, and under it a line for every other, with its heading."""
    console.print(row[0], style="bold", overflow="fold")
    for column, cell in zip(columns[1:], row[1:], strict=True):
        told = Text.assemble((f"{column.heading}: ", "dim"), cell)
        console.print(Padding(told, (0, 0, 0, 2)), overflow="fold")


class OptionPanel(RichOptionPanel):
    """Options with their help beside them, or under them where the terminal is narrow."""

    def get_table(
        self, command: click.RichCommand, ctx: click.RichContext, formatter: RichHelpFormatter
    ) -> Table:
        """The table of options that stands in the panel."""
        wide = super().get_table(command, ctx, formatter)
        if formatter.console.width >= NARROW:
            return wide
        narrow = Table.grid(expand=True)
        narrow.add_column(overflow="fold")
        for *names, text in zip(*(column.cells for column in wide.columns), strict=True):
            heading = Text(" ").join(name for name in names if isinstance(name, Text))
            told: list[RenderableType] = [heading, Padding(text, (0, 0, 0, 4))]
            narrow.add_row(Group(*told))
        return narrow


class HelpFormatter(RichHelpFormatter):
    """rich-click's help, of which nothing is cut in a narrow terminal."""

    option_panel_class = OptionPanel

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line of usage, broken where it has to be."""
        words = [
            ("Usage: ", self.config.style_usage),
            (f"{prog} ", self.config.style_usage_command),
        ]
        usage = Text.assemble(*words, (args, self.config.style_usage_separator), overflow="fold")
        self.write(Padding(usage, self.config.padding_usage))
