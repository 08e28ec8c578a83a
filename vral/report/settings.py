"""The settings of a study's runs, and the commands that made them, as a reader wants them."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from vral.errors import ConfigError
from vral.figures import ratio_label
from vral.study import frames
from vral.study.config import option_name, resolve, with_defaults
from vral.study.numbers import typeset

PLACE = ("method", "variant", "ratio", "dataset", "seeds")
"""The fields of a configuration that place a run in its study; they are no settings."""


def common_settings(configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings that are the same in every run, by name."""
    first = configs[0]
    return {
        name: value
        for name, value in first.items()
        if name not in PLACE and all(config.get(name) == value for config in configs)
    }


def differing_settings(
    configs: Sequence[Mapping[str, Any]],
) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The names of the other settings, and a row (arm, values) per arm.

    A value that depends on the ratio is written with it: "1 at 1:1, 5 at 50:1".
    """
    common = common_settings(configs)
    names = [
        name
        for name in dict.fromkeys(key for config in configs for key in config)
        if name not in common and name not in PLACE
    ]
    rows: dict[str, list[dict[Any, list[str]]]] = {}
    for config in configs:
        row = rows.setdefault(frames.coordinates(config)["method"], [{} for _ in names])
        for by_value, name in zip(row, names, strict=True):
            ratios = by_value.setdefault(config.get(name), [])
            if config["ratio"] not in ratios:
                ratios.append(config["ratio"])
    return names, [(arm, [_by_ratio(by_value) for by_value in row]) for arm, row in rows.items()]


def _by_ratio(ratios_of: Mapping[Any, list[str]]) -> str:
    """One setting of an arm; ``ratios_of`` maps each of its values to the ratios that have it."""
    if len(ratios_of) == 1:
        return setting(next(iter(ratios_of)))
    return ", ".join(
        f"{setting(value)} at {ratio_label(ratio)}"
        for value, ratios in ratios_of.items()
        for ratio in ratios
    )


def setting(value: Any) -> str:
    """A setting as it is shown: a number as ``typeset`` writes it, None as a dash."""
    if value is None:
        return "–"
    return typeset(value) if isinstance(value, float) else str(value)


def train_command(config: Mapping[str, Any]) -> str:
    """The command, without "vral", that trains a run of these settings."""
    recorded = with_defaults(config)
    method, seeds = recorded["method"], ",".join(map(str, recorded["seeds"]))
    words = ["train", method, "--dataset", recorded["dataset"], "--seed", seeds]
    given = {"dataset": recorded["dataset"], "rounds": recorded["rounds"]}
    try:
        usual = resolve(method, given)
        if recorded["network"] != usual.network:  # It has a width of its own.
            usual = resolve(method, given | {"network": recorded["network"]})
            words += ["--network", usual.network]
    except ConfigError:  # A method or a data set that this version does not have.
        return shlex.join(words)
    settled = {"record_every": usual.recorded_every, "probe_every": usual.probed_every}
    for name, value in usual.model_dump(mode="json").items():
        its = recorded.get(name)
        if name not in ("method", "dataset", "seeds") and its not in (value, settled.get(name)):
            words += [option_name(name), str(its)]
    return shlex.join([*words, "--rounds", str(recorded["rounds"])])


LOCAL_OPTIONS = ("--out", "--data-root")
"""Options that name a folder of one machine and change no number."""


def portable_command(command: str, dataset: str) -> str | None:
    """A command of study.json without the folders of the machine that ran it.

    None where it asks for another data set than ``dataset``.
    """
    try:
        words = shlex.split(command)
    except ValueError:  # Not a command that vral wrote; it is shown as it stands.
        return f"vral {command}"
    # An option's value follows it as a word of its own or after "=".
    pairs = re.findall(r"(--[a-z-]+)(?:=|\0)([^\0]*)", "\0".join(words))
    if dict(pairs).get("--dataset", dataset) != dataset:
        return None
    kept = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if before not in LOCAL_OPTIONS and word.partition("=")[0] not in LOCAL_OPTIONS
    ]
    return shlex.join(["vral", *kept])
