"""``vral conform``: what a training loop really does, seen on the Dirac-GAN."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import rich_click as click

from vral.conformance.conform import conform
from vral.conformance.expectations import parse_expectation, unmet
from vral.conformance.observe import Trainer
from vral.errors import ConfigError, UserError
from vral.objectives import OBJECTIVES
from vral.signals import Ended


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
    "g_steps=N, d_every=K, g_every=K (it moves at every K-th call), gamma=none|half|full|NUMBER "
    "(half: ½γ·E‖∇D‖², full: γ·E‖∇D‖²), penalty_on=reals|fakes|both|between|weight|none, "
    "optimiser=sgd|momentum|nesterov|adam|rmsprop, momentum=NUMBER, beta1=NUMBER, beta2=NUMBER "
    "(Adam's; RMSprop's α), ttur=NUMBER (D's step size over G's), clip=none|NUMBER, "
    "loss=declared|relativistic-pair|relativistic-average|OBJECTIVE|other, label_real=NUMBER, "
    "label_fake=NUMBER (D's), scores=reals|fakes (on which D's are high), faults=none.",
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
    """The function at ``path``; what it and its updates raise becomes one line."""
    module, _, name = path.partition(":")
    if not (module and name):
        raise ConfigError(f"MODULE:FUNCTION: {path!r} given; allowed: as in mypackage.train:setup")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as python -m does, for modules in the current folder
    with _told(f"MODULE:FUNCTION: {path} cannot be imported:"):
        trainer = getattr(import_module(module), name)
    if not callable(trainer):
        raise ConfigError(f"MODULE:FUNCTION: {path} is a {type(trainer).__name__}, not a function")

    def guard(function: Any) -> Any:
        def guarded(*arguments: Any) -> Any:
            with _told(f"{path} raised"):
                result = function(*arguments)
            return guard(result) if callable(result) else result

        return guarded

    return guard(trainer)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Tell in one line what code of the user raises: SystemExit too, all but a true signal."""
    try:
        yield
    except (UserError, Ended):
        raise
    except BaseException as error:
        raise ConfigError(f"{what} {_line(error)}") from error


def _line(error: BaseException) -> str:
    try:
        first = str(error).strip().partition("\n")[0]
    except Exception:  # its own __str__ may fail
        first = ""
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
