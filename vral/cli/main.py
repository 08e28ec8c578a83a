"""``vral``: the group of all commands, and what it does with errors."""

import codecs
import errno
import io
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import rich_click as click
from click.exceptions import NoArgsIsHelpError
from rich.text import Text

from vral.cli.stubs import HELP_OPTIONS, StubGroup, read_words
from vral.cli.terminal import HelpFormatter, open_terminal
from vral.errors import UserError
from vral.signals import ended_by_signals, exit_code, what_ended

click.rich_click.TEXT_MARKUP = "rich"
click.rich_click.DEFAULT_STRING = "(default: {})"
click.RichContext.formatter_class = HelpFormatter

COMMANDS = (
    *("ls", "train", "reproduce", "claims", "report", "publish"),
    *("spectrum", "conform", "bench"),
)
"""Each is the ``command`` of the file of ``vral/cli`` that has its name."""


class Vral(StubGroup):
    """Ends with one line: exit code 2 on what a user can mend, 128 + n on a signal n."""

    def words(self) -> Mapping[str, Mapping[str, Any]]:
        """The entries of COMMANDS."""
        return read_words()["commands"]

    def load(self, name: str) -> click.Command | None:
        """Import one of COMMANDS."""
        return import_module(f"vral.cli.{name}").command if name in COMMANDS else None

    def main(self, *args: Any, **extra: Any) -> Any:
        """Read the command line and do what it says, on any terminal."""
        speak_any_text()
        do_without_home()
        return super().main(*args, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read what stands before the command's name."""
        with one_line_errors(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with one_line_errors(ctx), ended_by_signals():
            return super().invoke(ctx)


PLAIN = {"→": ">", "×": "x", "–": "-", "‖": "|", "…": ".", "²": "2"}
"""What stands for a character that a terminal does not know, as wide as it; a "?" for others."""


def speak_any_text() -> None:
    """Let stdout and stderr print any text: a name's bytes as they are, no error for the rest.

    Python keeps the bytes of a path that are no text as lone surrogates.
    """

    def encode(error: UnicodeError) -> tuple[bytes, int]:
        assert isinstance(error, UnicodeEncodeError)
        part = error.object[error.start : error.end]
        shown = (
            bytes([ord(sign) - 0xDC00])
            if "\udc80" <= sign <= "\udcff"
            else PLAIN.get(sign, "?").encode()
            for sign in part
        )
        return b"".join(shown), error.end

    codecs.register_error("vral", encode)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="vral")


def do_without_home() -> None:
    """Let libraries go on where the user has no home or cannot write to it.

    Some raise an error at import without one; in os.devnull they find nothing and make nothing.
    Matplotlib's word on a folder of its own is of no use to a user of vral.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = os.devnull
    quiet = logging.getLogger("matplotlib")
    told = re.compile("temporary cache directory|mkdir -p failed")
    quiet.addFilter(lambda record: not told.search(record.getMessage()))


def _visible(error: click.NoSuchOption) -> list[str]:
    """The options that a user may have meant, without those that only name their new form."""
    params = error.ctx.command.params if error.ctx else []
    hidden = {name for param in params if getattr(param, "hidden", False) for name in param.opts}
    return [name for name in error.possibilities or [] if name not in hidden]


def _show_error(text: str) -> None:
    message = Text.assemble(("Error: ", "bold red"), text)
    open_terminal(stderr=True).print(message, soft_wrap=True)


def _of_the_machine(error: BaseException) -> str | None:
    """What a full disk, a missing permission or too little memory has to say; None for others.

    A reader that has gone is no error: click ends on it without a word.
    """
    if isinstance(error, OSError):
        if error.errno is None or error.errno == errno.EPIPE:
            return None
        return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
    first = str(error).partition("\n")[0]
    if isinstance(error, MemoryError) or re.search("can't allocate|out of memory", first):
        return (
            f"not enough memory ({first[:200] or 'none is left'}); allowed: smaller numbers, such "
            "as --width, --latent, --batch or --samples, or fewer seeds"
        )
    return None


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
        _show_error(text)
        ctx.exit(2)
    except (OSError, MemoryError, RuntimeError) as error:
        text = _of_the_machine(error)
        if text is None:
            raise
        _show_error(text)
        ctx.exit(2)
    except KeyboardInterrupt as error:
        open_terminal().print(f"{what_ended(error)}.")
        ctx.exit(exit_code(error))


@click.group(cls=Vral, context_settings={"help_option_names": list(HELP_OPTIONS)})
@click.version_option(package_name="vral")
def main() -> None:
    """Train adversarial games at any D:G ratio and see what happens inside them."""
