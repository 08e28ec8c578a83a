"""``vral``: the group of all commands, and what it does with errors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import rich_click as click
from click.exceptions import NoArgsIsHelpError
from rich.console import Console
from rich.text import Text

from vral.cli.stubs import HELP_OPTIONS, StubGroup, read_words
from vral.cli.terminal import HelpFormatter
from vral.errors import UserError
from vral.signals import ended_by_signals, exit_code, what_ended

click.rich_click.TEXT_MARKUP = "rich"
click.rich_click.DEFAULT_STRING = "(default: {})"
click.RichContext.formatter_class = HelpFormatter

COMMANDS = ("ls", "train", "reproduce", "claims", "report", "spectrum", "conform", "bench")
"""Each is the ``command`` of the file of ``vral/cli`` that has its name."""


class Vral(StubGroup):
    """Ends with one line: exit code 2 on what a user can mend, 128 + n on a signal n."""

    def words(self) -> Mapping[str, Mapping[str, Any]]:
        """The entries of COMMANDS."""
        return read_words()["commands"]

    def load(self, name: str) -> click.Command | None:
        """Import one of COMMANDS."""
        return import_module(f"vral.cli.{name}").command if name in COMMANDS else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read what stands before the command's name."""
        with one_line_errors(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with one_line_errors(ctx), ended_by_signals():
            return super().invoke(ctx)


def _visible(error: click.NoSuchOption) -> list[str]:
    """The options that a user may have meant, without those that only name their new form."""
    params = error.ctx.command.params if error.ctx else []
    hidden = {name for param in params if getattr(param, "hidden", False) for name in param.opts}
    return [name for name in error.possibilities or [] if name not in hidden]


@contextmanager
def one_line_errors(ctx: click.Context) -> Iterator[None]:
    """Print what a user can mend as one line and exit with 2; on a signal n, with 128 + n."""
    try:
        yield
    except NoArgsIsHelpError as error:
        click.echo(error.message, color=ctx.color)
        ctx.exit(2)
    except (UserError, click.UsageError) as error:
        if isinstance(error, click.NoSuchOption):
            error = click.NoSuchOption(error.option_name, None, _visible(error), error.ctx)
        text = error.format_message() if isinstance(error, click.UsageError) else str(error)
        message = Text.assemble(("Error: ", "bold red"), text)
        Console(stderr=True, highlight=False).print(message, soft_wrap=True)
        ctx.exit(2)
    except KeyboardInterrupt as error:
        Console(highlight=False).print(f"{what_ended(error)}.")
        ctx.exit(exit_code(error))


@click.group(cls=Vral, context_settings={"help_option_names": list(HELP_OPTIONS)})
@click.version_option(package_name="vral")
def main() -> None:
    """Train adversarial games at any D:G ratio and see what happens inside them."""
