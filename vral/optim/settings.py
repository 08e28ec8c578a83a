"""The settings of a rule: documented fields of its dataclass, and NAME:setting=value,… as text.

``consensus:gamma=3,draws=2`` names a class of a table and the fields that are not at their
defaults. The canonical text leaves defaults out and keeps the order of the fields, so that equal
settings are equal texts.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, NamedTuple

from torch import Tensor

from vral.errors import ConfigError, is_number, is_whole, shown

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


def setting(
    default: Any = MISSING,
    *,
    meaning: str,
    above: int | float | None = None,
    least: int | float | None = None,
    below: int | float | None = None,
    most: int | float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field that the command line can print and check.

    Args:
        default: Its value where none is given; a field without a default is a number that Python
            code has to give, and that the text may leave out.
        meaning: What it does, in a few words.
        above: Every value is larger than this.
        least: The smallest value.
        below: Every value is smaller than this.
        most: The largest value.
        choices: The values of a field that holds a word.
    """
    bounds = {"above": above, "at least": least, "below": below, "at most": most}
    metadata = {"meaning": meaning, "bounds": bounds, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


class Setting(NamedTuple):
    """A documented field of a rule."""

    name: str
    default: Any
    """MISSING where the run decides."""
    meaning: str
    bounds: Mapping[str, int | float | None]
    choices: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """The values in words: "a number at least 0 and below 1"."""
        if self.choices:
            return ", ".join(self.choices)
        least, most = self.bounds["at least"], self.bounds["at most"]
        if isinstance(self.default, int) and least is not None and most is not None:
            few = most - least < 3
            values = [str(value) for value in range(int(least), int(most) + 1)] if few else []
            return " or ".join(values) or f"a whole number from {least} to {most}"
        kind = "a whole number" if isinstance(self.default, int) else "a finite number"
        limits = [f"{words} {limit:g}" for words, limit in self.bounds.items() if limit is not None]
        return f"{kind} {' and '.join(limits)}".strip()

    def parse(self, text: str) -> Any:
        """The value that ``text`` says. Raises ValueError, naming what is allowed."""
        value: Any = None
        if self.choices:
            value = text if text in self.choices else None
        elif isinstance(self.default, int):
            value = int(text) if WHOLE_NUMBER.fullmatch(text) else None
        elif NUMBER.fullmatch(text):
            value = float(text)
        if value is None or not (self.choices or self._fits(value)):
            raise ValueError(f"allowed for {self.name}: {self.allowed}")
        return value

    def check(self, value: Any) -> None:
        """Refuse a value that Python code gives.

        A number may be a tensor, e.g. one weight for each lane, which nothing looks into. And 0 is
        allowed where a text has to be above it: a learning rate of 0 stays, an ε of 0 adds nothing.

        Raises:
            ConfigError: the value, and what is allowed.
        """
        entry = self
        if self.bounds["above"] == 0:
            entry = self._replace(bounds={**self.bounds, "above": None, "at least": 0})
        allowed = entry.allowed
        if self.choices:
            fits = isinstance(value, str) and value in self.choices
        elif isinstance(self.default, int):
            fits = is_whole(value) and entry._fits(value)
        else:
            fits = isinstance(value, Tensor) or (is_number(value) and entry._fits(value))
            allowed = f"{allowed.replace('a number', 'a finite number')}, or a tensor"
        if not fits:
            raise ConfigError(f"{self.name}: {shown(value)} given; allowed: {allowed}")

    def _fits(self, value: int | float) -> bool:
        above, least, below, most = (
            self.bounds[key] for key in ("above", "at least", "below", "at most")
        )
        return (
            math.isfinite(value)
            and (above is None or value > above)
            and (least is None or value >= least)
            and (below is None or value < below)
            and (most is None or value <= most)
        )


class Checked:
    """A dataclass whose documented fields are checked once, when it is made."""

    def __post_init__(self) -> None:
        for entry in settings_of(type(self)).values():
            entry.check(getattr(self, entry.name))


def settings_of(row: type) -> dict[str, Setting]:
    """The documented fields of a rule's class, in order."""
    return {
        entry.name: Setting(entry.name, entry.default, **entry.metadata)
        for entry in dataclasses.fields(row)
        if entry.metadata
    }


def parse(text: str, rows: Mapping[str, type], shared: bool = False) -> tuple[str, dict[str, Any]]:
    """The name and the given settings of NAME:setting=value,….

    ``shared`` says that the text is of all players, whose learning rate is the run's: then ``lr``
    is no setting of a row that leaves its default to the run. Raises ValueError in one line that
    says what is allowed.
    """
    name, colon, rest = text.partition(":")
    if name not in rows:
        raise ValueError(f"allowed: {', '.join(rows)}; settings as in NAME:setting=value,…")
    known = {
        key: entry
        for key, entry in settings_of(rows[name]).items()
        if not (shared and entry.default is MISSING)
    }
    values: dict[str, Any] = {}
    for piece in rest.split(",") if colon else ():
        key, equals, value = piece.partition("=")
        if key and equals and key not in known:
            raise ValueError(_unknown(name, key, known))
        if not (key and equals and value):
            raise ValueError(f"{piece!r} is no setting=value; {_settings(name, known)}")
        if key in values:
            raise ValueError(f"{key} is given twice; allowed: once")
        values[key] = known[key].parse(value)
    return name, values


def _settings(name: str, known: Mapping[str, Setting]) -> str:
    if not known:
        return f"{name} has no settings"
    return f"allowed settings of {name}: {', '.join(known)}"


def _unknown(name: str, key: str, known: Mapping[str, Setting]) -> str:
    text = f"{name} has no {key}; {_settings(name, known)}" if known else _settings(name, known)
    if key == "lr":
        text += "; the learning rate is --lr, a player's own is as in --rule-d same:lr=0.001"
    return text


def written(name: str, values: Mapping[str, Any], row: type) -> str:
    """The canonical text of a row with these settings."""
    pieces = [
        f"{key}={plain(values[key])}"
        for key, entry in settings_of(row).items()
        if key in values and values[key] != entry.default
    ]
    return f"{name}:{','.join(pieces)}" if pieces else name


def plain(value: Any) -> str:
    """A value as text that reads back as the same value: 10 for 10.0, 1e-08 for 1e-8."""
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return str(value)
