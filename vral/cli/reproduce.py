"""``vral reproduce``: the group of all experiments, those over seeds and those without chance."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import rich_click as click

from vral.cli.stubs import StubGroup, read_words

MODULES = ("vral.cli.experiments", "vral.cli.dynamics")
"""The modules whose COMMANDS are experiments."""


class Reproduce(StubGroup):
    """The commands of MODULES; one is imported without the others."""

    def words(self) -> Mapping[str, Mapping[str, Any]]:
        """The entries of all experiments."""
        return read_words()["commands"]["reproduce"]["commands"]

    def load(self, name: str) -> click.Command | None:
        """Import an experiment's command."""
        modules = [self.words()[name]["module"]] if name in self.words() else MODULES
        for module in map(import_module, modules):
            if name in module.COMMANDS:
                return module.COMMANDS[name]
        return None


@click.group("reproduce", cls=Reproduce)
def command() -> None:
    """Run a whole experiment: train what is missing, judge it, write tables and figures.

    The first experiments train networks over several seeds; the others compute without chance.
    """
