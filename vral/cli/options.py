"""Options of the commands: a run's, generated from RunConfig's fields, and where it computes."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import rich_click as click
import torch
from pydantic.fields import FieldInfo

from vral.data.datasets import DATASETS
from vral.errors import ConfigError
from vral.study.config import RunConfig, heading_of, option_name
from vral.study.machine import Execution
from vral.study.methods import METHODS
from vral.study.upgrade import RATES, SETTINGS, form_today


def _default_text(name: str, info: FieldInfo) -> str:
    by_dataset = any(name in row.defaults for row in DATASETS.values())
    by_method = any(name in method.settings for method in METHODS.values())
    if by_dataset:
        return "by data set, see vral ls"
    if info.is_required():
        return "by method"
    text = "0" if name == "seeds" else str(info.default)
    return f"{text}; some methods set it" if by_method else text


def _type(info: FieldInfo) -> Any:
    if get_origin(info.annotation) is Literal:
        return click.Choice(get_args(info.annotation))
    return {int: int, float: float}.get(info.annotation, str)


def config_options(skip: Collection[str] = ()) -> Callable[[Callable], Callable]:
    """One option per field of RunConfig; what is not given arrives as None.

    Options of rules that vral had before its rules had settings of their own answer with the form
    of today.
    """

    def decorate(command: Callable) -> Callable:
        for name in (*SETTINGS, *RATES):
            command = click.option(
                option_name(name), hidden=True, expose_value=False, callback=_form_today
            )(command)
        for name, info in reversed(RunConfig.model_fields.items()):
            title = heading_of(info)
            if title is None or name in skip:
                continue
            command = click.option(
                option_name(name),
                name,
                type=_type(info),
                panel=title,
                help=f"{info.description} [dim](default: {_default_text(name, info)})[/]",
            )(command)
        return command

    return decorate


def _form_today(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Raises ConfigError where an option was given that is now a setting of a rule."""
    if value is not None:
        option = param.opts[0]
        raise ConfigError(
            f"{option}: {value} given, but it is now a setting of its rule; "
            f"allowed: {form_today(param.name, value)}"
        )


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The settings that the user gave."""
    return {name: options[name] for name in RunConfig.model_fields if options.get(name) is not None}


def execution_options(command):
    """Where and how a run computes."""
    options = [
        click.option("--out", type=click.Path(path_type=Path), help="Folder to write to."),
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            show_default=True,
            help="Where to compute; auto takes a GPU if there is one.",
        ),
        click.option(
            "--threads",
            type=click.IntRange(min=1),
            help="Threads of each process. [dim](default: 1; all for one convolutional run)[/]",
        ),
        click.option(
            "--compile",
            type=click.Choice(["auto", "on", "off"]),
            default="auto",
            show_default=True,
            help="Compile updates: twice as fast after half a minute; auto: if the run is long.",
        ),
        click.option(
            "--data-root",
            type=click.Path(file_okay=False),
            help="Folder of torchvision data. [dim](default: $VRAL_DATA, else the cache)[/]",
        ),
        click.option("--download", is_flag=True, help="Fetch the data set if it is missing."),
        click.option("--dry-run", is_flag=True, help="Show the plan and its time; train nothing."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def studies_argument(command: Callable) -> Callable:
    """STUDY…: of a shell's ``runs/*``, those that are studies; the others are named on stderr.

    Where none is a study all are kept, for the command to refuse.
    """
    return click.argument(
        "studies",
        metavar="STUDY...",
        nargs=-1,
        required=True,
        type=click.Path(path_type=Path),
        callback=_only_studies,
    )(command)


def _only_studies(ctx: click.Context, param: click.Parameter, paths: Sequence[Path]):
    found = [path for path in paths if (path / "study.json").is_file()]
    others = [str(path) for path in paths if path not in found]
    if not found:
        return paths
    if others:
        click.echo(f"STUDY: left out, without a study.json: {', '.join(others)}", err=True)
    return tuple(found)


def check_device(device: str) -> None:
    """Raises ConfigError for a GPU that torch does not see."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device: cuda given, but torch sees no GPU; allowed: cpu")


def execution_of(options: dict[str, Any], threads: int) -> Execution:
    """Raises ConfigError where the device is missing."""
    check_device(options["device"])
    return Execution(
        device=options["device"],
        threads=threads,
        compile=options["compile"],
        data_root=options["data_root"],
        download=options["download"],
    )
