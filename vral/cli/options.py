"""Options of the commands: a run's, made from the fields of RunConfig, and where it computes."""

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import rich_click as click
import torch
from pydantic.fields import FieldInfo

from vral.data.datasets import DATASETS
from vral.errors import ConfigError
from vral.optim import RULES, TRANSFORMS
from vral.optim.rules import name_of
from vral.study.config import RunConfig, heading_of, option_name
from vral.study.machine import Execution
from vral.study.methods import METHODS
from vral.study.upgrade import RATES, SETTINGS, form_today


def _default_text(name: str, info: FieldInfo) -> str:
    by_dataset = any(name in row.defaults for row in DATASETS.values())
    by_method = any(name in method.settings for method in METHODS.values())
    if by_dataset:
        return "by data set"
    if info.is_required():
        return "by method"
    text = "0" if name == "seeds" else str(info.default) or "none"
    return f"{text}; some methods set it" if by_method else text


def _type(info: FieldInfo) -> Any:
    if get_origin(info.annotation) is Literal:
        return click.Choice(get_args(info.annotation))
    return {int: int, float: float}.get(info.annotation, str)


class NamedPath(click.Path):
    """A path with a name, since pathlib takes "" for the folder that the user is in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and not value.strip() and param is not None:
            raise ConfigError(f"{param.opts[0]}: '{value}' given; allowed: a path")
        return super().convert(value, param, ctx)


threads_option = click.option(
    "--threads",
    type=click.IntRange(1, 1_024),
    default=1,
    show_default=True,
    help="Threads of the computation.",
)
"""--threads of a command that computes in one process."""


def config_options(skip: Collection[str] = ()) -> Callable[[Callable], Callable]:
    """One option per field of RunConfig; an option that is not given arrives as None.

    Options of earlier versions that are settings of a rule now answer with today's form.
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
    """Raise ConfigError where an option was given that is now a setting of a rule."""
    if value is not None:
        option = param.opts[0]
        raise ConfigError(
            f"{option}: {value} given, but it is now a setting of its rule; "
            f"allowed: {form_today(param.name, value)}"
        )


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The settings that the user gave."""
    return {name: options[name] for name in RunConfig.model_fields if options.get(name) is not None}


def execution_options(folder: str) -> Callable[[Callable], Callable]:
    """Where and how a run computes; ``folder`` is where it writes unless --out says otherwise."""
    options = [
        click.option(
            "--out",
            type=NamedPath(path_type=Path),
            help=f"Folder to write to. [dim](default: {folder})[/]",
        ),
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            show_default=True,
            help="Where to compute; auto takes a GPU if there is one. A run that was begun "
            "continues on the kind of device it was begun on, or not at all.",
        ),
        click.option(
            "--threads",
            type=click.IntRange(1, 1_024),
            help="Threads of each process. [dim](default: 1; for one run of a convolutional "
            "network all cores)[/]",
        ),
        click.option(
            "--compile",
            type=click.Choice(["auto", "on", "off"]),
            default="auto",
            show_default=True,
            help="Compile the updates, which takes half a minute and makes them about twice as "
            "fast; auto: where the run is long enough.",
        ),
        click.option(
            "--data-root",
            type=click.Path(file_okay=False),
            help="Folder that holds torchvision's data sets. [dim](default: $VRAL_DATA, else a "
            "cache folder)[/]",
        ),
        click.option("--download", is_flag=True, help="Download the data set if it is missing."),
        click.option(
            "--dry-run", is_flag=True, help="Show the plan and its estimated time; train nothing."
        ),
    ]

    def decorate(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def is_study(path: Path) -> bool:
    """Whether ``path`` is the folder of a study."""
    return (path / "study.json").is_file()


def studies_argument(
    fits: Callable[[Path], bool] = is_study, what: str = "a study.json", all_with: str = ""
) -> Callable[[Callable], Callable]:
    """Take STUDY…, folders that ``fits`` accepts for ``what`` they hold.

    Of a shell's ``runs/*`` the command gets these, each once; what is left out is named on stderr,
    and what does not exist is refused. If none fits, a single folder goes to the command, to refuse
    it. With the eager flag ``all_with`` all go.
    """

    def only_fitting(
        ctx: click.Context, param: click.Parameter, paths: tuple[Path, ...]
    ) -> tuple[Path, ...]:
        missing = [str(path) for path in paths if not os.path.exists(path)]
        if missing:
            raise ConfigError(
                f"STUDY: {', '.join(missing)} given, which does not exist; "
                "allowed: folders that vral reproduce has written"
            )
        each: dict[Path, Path] = {}
        for path in paths:
            each.setdefault(path.resolve(), path)
        paths = tuple(each.values())
        fitting = tuple(p for p in paths if ctx.params.get(all_with) or fits(p))
        others = ", ".join(str(path) for path in paths if path not in fitting)
        if not fitting and len(paths) > 1:
            raise ConfigError(
                f"STUDY: {others} given, none of which holds {what}; "
                "allowed: folders that vral reproduce has written"
            )
        if fitting and others:
            click.echo(f"STUDY: left out, without {what}: {others}", err=True)
        return fitting or paths

    return click.argument(
        "studies",
        metavar="STUDY...",
        nargs=-1,
        required=True,
        type=click.Path(path_type=Path),
        callback=only_fitting,
    )


def refuse_unused(config: RunConfig, settings: Mapping[str, Any]) -> None:
    """Raise ConfigError for what was given in ``settings`` and would change nothing."""
    rule = name_of(config.rule)
    if "transform" in settings and rule in TRANSFORMS:
        raise ConfigError(
            f"--transform: {settings['transform']} given, but --rule {rule} is a transform itself; "
            f"allowed: --rule alone, or beside --rule {', '.join(RULES)}"
        )
    of_meta = ["rule_meta", *(name for name in RunConfig.model_fields if name.startswith("meta_"))]
    for name in of_meta if config.objective != "meta" else ():
        if name in settings:
            raise ConfigError(
                f"{option_name(name)}: {settings[name]} given, but --objective {config.objective} "
                "has no R and F; allowed: with --objective meta"
            )


def check_device(device: str) -> None:
    """Raise ConfigError for a GPU that torch does not see."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device: cuda given, but torch sees no GPU; allowed: cpu")


def execution_of(options: Mapping[str, Any], threads: int) -> Execution:
    """Where and how a run computes. Raises ConfigError where the device is missing."""
    check_device(options["device"])
    return Execution(
        device=options["device"],
        threads=threads,
        compile=options["compile"],
        data_root=options["data_root"],
        download=options["download"],
    )
