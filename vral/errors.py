"""Errors that a user can mend: shown as one line, with exit code 2."""

import math
import numbers
from pathlib import Path
from typing import Any


class UserError(Exception):
    """An error whose message names the option, what was given and what is allowed."""


class ConfigError(UserError):
    """A setting that is not allowed, or not together with another."""


class DataError(UserError):
    """A data set that is missing or corrupt."""


class FolderError(UserError):
    """A folder that cannot be written, or that holds something else."""


def corrupt_file(path: Path, fault: str = "is corrupt") -> FolderError:
    """The error for a file of a run or a study that cannot be read, and what to do about it.

    No message of vral advises to delete anything: what cannot be read may still be good.
    """
    return FolderError(f"{path} {fault}; restore it, move its folder aside, or name another folder")


def one_line(error: BaseException) -> str:
    """An error as one line: a UserError's message, or the kind and first line of any other."""
    if isinstance(error, UserError):
        return str(error)
    text = (str(error).strip().splitlines() or [""])[0][:200]
    return f"{type(error).__name__}: {text}"


def shown(value: object) -> str:
    """A value that was given, for one line of a message: itself, or its type where it is long."""
    text = repr(value)
    return (
        text if len(text) <= 40 and "\n" not in text else f"a value of type {type(value).__name__}"
    )


def is_number(value: Any) -> bool:
    """Whether ``value`` is a finite number of Python or NumPy; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def is_whole(value: Any) -> bool:
    """Whether ``value`` is a whole number of Python or NumPy; True and False are none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def require_count(name: str, given: Any) -> None:
    """Refuse what is no whole number from 1 up.

    Raises:
        ConfigError: what was given for ``name``, and what is allowed.
    """
    if not (is_whole(given) and given >= 1):
        raise ConfigError(f"{name}: {shown(given)} given; allowed: a whole number from 1 up")
