"""``vral conform``: what a training loop really does, seen on the Dirac-GAN."""

import sys
from importlib import import_module
from typing import Any

import rich_click as click

from vral.conformance.conform import conform, parse_expectation, unmet
from vral.conformance.observe import Trainer
from vral.errors import ConfigError, UserError
from vral.objectives import OBJECTIVES


@click.command("conform")
@click.argument("trainer", metavar="MODULE:FUNCTION")
@click.option(
    "--objective",
    type=click.Choice(list(OBJECTIVES)),
    default="nonsaturating",
    show_default=True,
    help="Objective that the trainer says it minimises, averaged over the batch.",
)
@click.option(
    "--step-size", type=float, default=0.2, show_default=True, help="Step size h, from 0.001 to 1."
)
@click.option(
    "--gamma",
    type=float,
    default=0.3,
    show_default=True,
    help="Penalty weight γ that FUNCTION is called with; 0 if it has no penalty.",
)
@click.option(
    "--expect",
    metavar="KEY=VALUE,…",
    help="Exit with code 1 unless the trainer does this: order=simultaneous|D-G|G-D, d_steps=N, "
    "g_steps=N, gamma=none|half|full|NUMBER (half: ½γ·E‖∇D‖², full: γ·E‖∇D‖²), faults=none.",
)
def command(
    trainer: str, objective: str, step_size: float, gamma: float, expect: str | None
) -> None:
    """Run your own training loop on the Dirac-GAN and tell what it does.

    FUNCTION(G, D, step_size, gamma) makes the optimisers and returns update(real, latent), which
    updates both modules in place. `python -m pydoc vral.conformance` shows a complete example.
    """
    expected = parse_expectation(expect) if expect is not None else {}
    observed = conform(_guarded(trainer), objective, step_size=step_size, gamma=gamma)
    click.echo(observed.report)
    missed = unmet(observed, expected) if expected else []
    for line in missed:
        click.echo(line)
    if missed:
        sys.exit(1)


def _guarded(path: str) -> Trainer:
    """The function at ``path``; what it and its updates raise becomes a ConfigError of one line."""
    module, _, name = path.partition(":")
    if not (module and name):
        raise ConfigError(f"MODULE:FUNCTION: {path!r} given; allowed: as in mypackage.train:setup")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as python -m does, for modules in the current folder
    try:
        trainer = getattr(import_module(module), name)
    except Exception as error:
        raise ConfigError(f"MODULE:FUNCTION: {path} cannot be imported: {_line(error)}") from error
    if not callable(trainer):
        raise ConfigError(f"MODULE:FUNCTION: {path} is a {type(trainer).__name__}, not a function")

    def guard(function: Any) -> Any:
        def guarded(*arguments: Any) -> Any:
            try:
                result = function(*arguments)
            except UserError:
                raise
            except Exception as error:
                raise ConfigError(f"{path} raised {_line(error)}") from error
            return guard(result) if callable(result) else result

        return guarded

    return guard(trainer)


def _line(error: Exception) -> str:
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
