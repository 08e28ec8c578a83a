"""Commands that answer ``--help`` from words.json and import what they do only to do it.

Importing torch takes seconds, printing a help text takes none. words.json holds the help of every
command and the rows of ``vral ls``; ``python -m vral.cli.words`` writes it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import rich_click as click

FILE = Path(__file__).with_name("words.json")
HELP_OPTIONS = ("-h", "--help")


@cache
def read_words() -> dict[str, Any]:
    """The content of words.json.

    ``commands`` maps a command's name to its help and its parameters, and a group's name to
    ``commands`` again. ``options`` are parameters that several commands share. ``ls`` are the
    sections of ``vral ls``.
    """
    return json.loads(FILE.read_text(encoding="utf-8"))


class Stub(click.RichCommand):
    """A command as words.json describes it: prints its help, and loads the real one to run."""

    def __init__(
        self, name: str, words: Mapping[str, Any], load: Callable[[str], click.Command | None]
    ):
        shared = read_words()["options"]
        entries = [shared[entry] if isinstance(entry, str) else entry for entry in words["params"]]
        super().__init__(
            name=name, help=words["help"], params=[_parameter(**entry) for entry in entries]
        )
        self.load = load

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Print the help if ``args`` ask for it; if not, the real command reads ``args``."""
        if extra.get("resilient_parsing"):  # A shell completes a line.
            return super().make_context(info_name, args, parent, **extra)
        if not set(HELP_OPTIONS).isdisjoint(args):
            with suppress(click.UsageError):
                super().make_context(info_name, list(args), parent, **extra)
        command = self.load(self.name or "")
        if command is None:
            raise click.UsageError(f"No such command {self.name!r}.", parent)
        return command.make_context(info_name, args, parent, **extra)


def _parameter(
    names: Sequence[str], kind: str, choices: Sequence[str] | None = None, **attributes: Any
) -> click.Parameter:
    if choices is not None:
        attributes["type"] = click.Choice(choices)
    return (click.RichArgument if kind == "argument" else click.RichOption)(names, **attributes)


class StubGroup(click.RichGroup):
    """Commands in the order of words.json, each a stub until it runs."""

    def words(self) -> Mapping[str, Mapping[str, Any]]:
        """The group's entries in words.json, by the commands' names."""
        raise NotImplementedError

    def load(self, name: str) -> click.Command | None:
        """Import the command ``name``; None where there is none."""
        raise NotImplementedError

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of words.json."""
        return list(self.words())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The stub of a command; a group, and a command newer than words.json, as they are."""
        words = self.words().get(cmd_name, {})
        if "params" not in words:
            return self.load(cmd_name)
        return Stub(cmd_name, words, self.load)
