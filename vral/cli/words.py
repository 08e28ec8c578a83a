"""``python -m vral.cli.words`` writes words.json: the help of every command, the rows of vral ls.

Run it when an option, a help text or a row of a registry has changed; a test says when.
"""

import json
from collections import Counter
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from vral.cli.main import COMMANDS
from vral.cli.reproduce import MODULES
from vral.cli.stubs import FILE
from vral.data.datasets import DATASETS
from vral.diagnostics.gradients import METRICS
from vral.diagnostics.probe import PROBE_METRICS
from vral.files import replace_file
from vral.nets import NETWORKS
from vral.objectives import EVERY
from vral.optim.rules import RULES, Same, describe
from vral.optim.transforms import TRANSFORMS
from vral.study.experiments import EXPERIMENTS
from vral.study.fidelity import FIDELITY, entries, experiments, listed
from vral.study.methods import METHODS

GAME_OBJECTIVES = {
    "meta": "VRAL: D fools two networks, R that judges its scores of real samples and F of fakes",
    "parzen": "VRAL: the KL divergence between D's scores, smoothed by Parzen windows, and N(m, 1)",
    "none": "D minimises its penalties alone",
}
"""Objectives of ``--objective`` that are no function of scores one by one or in pairs."""


def words() -> dict[str, Any]:
    """What words.json should hold."""
    commands: dict[str, Any] = {
        name: _described(import_module(f"vral.cli.{name}").command) for name in COMMANDS
    }
    experiments = {
        name: {"module": path, **_described(command)}
        for path in MODULES
        for name, command in import_module(path).COMMANDS.items()
    }
    options = _share_options([*commands.values(), *experiments.values()])
    commands["reproduce"] = {"commands": experiments}
    return {"commands": commands, "options": options, "ls": sections()}


def _described(command: click.Command) -> dict[str, Any]:
    """The help and the parameters of a command, as ``vral.cli.stubs.Stub`` takes them."""
    with click.Context(command, info_name=command.name) as context:
        shown = (param for param in command.params if not getattr(param, "hidden", False))
        params = [_parameter(param, context) for param in shown]
    return {"help": command.help, "params": params}


def _parameter(param: click.Parameter, context: click.Context) -> dict[str, Any]:
    words: dict[str, Any] = {"names": param.opts, "kind": param.param_type_name}
    if isinstance(param, click.Option):
        if param.is_flag:
            words["is_flag"] = True
        default = param.get_default(context, call=False)
        if param.show_default and default is not None:
            several = isinstance(default, (list, tuple))
            words["default"] = ", ".join(map(str, default)) if several else str(default)
            words["show_default"] = True
    else:
        words |= {"nargs": param.nargs, "required": param.required}
    if isinstance(param.type, click.Choice):
        words["choices"] = list(param.type.choices)
    elif not words.get("is_flag"):
        words["metavar"] = param.make_metavar(context) + _range(param.type)
    for name in ("panel", "help"):
        if getattr(param, name, None):
            words[name] = getattr(param, name)
    return words


def _range(kind: click.ParamType) -> str:
    """The range of a number's type, such as " [x>=1]"; empty where there is none."""
    if isinstance(kind, (click.IntRange, click.FloatRange)):
        return f" [{kind._describe_range()}]"
    return ""


def _share_options(commands: list[dict[str, Any]]) -> dict[str, Any]:
    """Take parameters that several ``commands`` share out of them, and leave their names there."""
    counts = Counter(json.dumps(words) for command in commands for words in command["params"])
    shared: dict[str, Any] = {}
    for command in commands:
        for place, words in enumerate(command["params"]):
            name = words["names"][0]
            if counts[json.dumps(words)] > 1 and shared.setdefault(name, words) == words:
                command["params"][place] = name
    return shared


def sections() -> list[dict[str, Any]]:
    """The sections of ``vral ls``: (name, text, settings or command) of every row."""

    def settings(values: Mapping[str, object]) -> str:
        return " ".join(f"{name}={value}" for name, value in values.items())

    dynamics = import_module("vral.cli.dynamics").COMMANDS
    tables = (
        (
            "methods",
            "Methods",
            {k: (m.description, settings(m.settings)) for k, m in METHODS.items()},
        ),
        (
            "datasets",
            "Data sets",
            {k: (d.description, settings(d.defaults)) for k, d in DATASETS.items()},
        ),
        (
            "networks",
            "Networks",
            {k: (n.description, f"width={n.width}") for k, n in NETWORKS.items()},
        ),
        (
            "rules",
            "Update rules (--rule NAME or NAME:setting=value,…)",
            {k: (text, "") for k, text in describe(RULES).items()},
        ),
        (
            "rules",
            "Transforms (--rule, --transform; with lr=… too: --rule-d, --rule-g, --rule-meta)",
            {k: (text, "") for k, text in describe({**TRANSFORMS, "same": Same}).items()},
        ),
        (
            "objectives",
            "Objectives",
            {k: (o.source, "") for k, o in EVERY.items()}
            | {k: (text, "") for k, text in GAME_OBJECTIVES.items()},
        ),
        (
            "experiments",
            "Experiments over seeds",
            {k: (e.question, f"vral reproduce {k}") for k, e in EXPERIMENTS.items()},
        ),
        (
            "dynamics",
            "Experiments without chance",
            {
                name: (command.get_short_help_str(200), f"vral reproduce {name}")
                for name, command in dynamics.items()
            },
        ),
        ("readings", "Readings at D's updates", {k: (text, "") for k, text in METRICS.items()}),
        ("readings", "Readings of a probe", {k: (text, "") for k, text in PROBE_METRICS.items()}),
        ("fidelity", "The authors' choices, and ours in the experiments", _fidelity()),
    )
    return [
        {
            "name": name,
            "title": title,
            "rows": [[row, *texts] for row, texts in rows.items()],
        }
        for name, title, rows in tables
    ]


def _fidelity() -> dict[str, tuple[str, str]]:
    """Each row of FIDELITY: the authors' value with its source, and ours in the experiments."""
    ours: dict[str, list[str]] = {}
    studies = experiments()
    for entry in entries(studies):
        value = f"{entry.ours} ({listed(entry.studies, list(studies))}): {entry.verdict}"
        ours.setdefault(entry.setting, []).append(value)
    return {
        name: (f"authors: {FIDELITY[name].authors} [{FIDELITY[name].source}].", "; ".join(values))
        for name, values in ours.items()
    }


def main() -> None:
    """Write words.json."""
    with replace_file(FILE) as temporary:
        text = json.dumps(words(), indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    click.echo(f"written → {FILE}")


if __name__ == "__main__":
    main()
