"""``vral``: a thin front that answers --help at once and loads the commands only to run one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rich_click as click
from rich.console import Console
from rich.text import Text

from vral.errors import INTERRUPTED, UserError

click.rich_click.TEXT_MARKUP = "rich"

SHORT_HELP = {
    "ls": "Show methods, data sets, networks, update rules and experiments.",
    "train": "Train one method and write one run folder.",
    "bench": "Time our step against the loops that people write.",
    "report": "Write finished studies as one page: verdicts, figures, curves.",
    "reproduce": "Run a whole experiment: its cells, records, figures and table.",
    "claims": "Judge every claim of the paper and the deck on finished studies.",
    "conform": "Run anybody's trainer on the Dirac-GAN and tell what it does.",
    "spectrum": "Eigenvalues of a trained run's vector field and of its rounds.",
}


class LazyGroup(click.RichGroup):
    """Stubs until a command is called; then one line and exit code 2 on what a user can mend.

    Ctrl-C, while a command loads too, is one line and exit code 130.
    """

    def resolve_command(self, ctx: click.Context, args: list[str]):
        if args[0] in SHORT_HELP:
            from vral.cli.train import COMMANDS

            self.commands = COMMANDS
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with one_line_errors(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with one_line_errors(ctx):
            return super().invoke(ctx)


@contextmanager
def one_line_errors(ctx: click.Context) -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except (UserError, click.UsageError) as error:
        text = error.format_message() if isinstance(error, click.UsageError) else str(error)
        message = Text.assemble(("Error: ", "bold red"), text)
        Console(stderr=True, highlight=False).print(message, soft_wrap=True)
        ctx.exit(2)
    except KeyboardInterrupt:
        Console(highlight=False).print("Interrupted.")
        ctx.exit(INTERRUPTED)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vral")
def main() -> None:
    """Train adversarial games at any D:G ratio and see what happens inside them."""


for name, text in SHORT_HELP.items():
    main.add_command(click.RichCommand(name, short_help=text))
