"""Errors that a user can mend: shown as one line, with exit code 2."""

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


class UserError(Exception):
    """An error whose message names the option, what was given and what is allowed."""


class ConfigError(UserError):
    """A setting that is not allowed, or not together with another."""


class DataError(UserError):
    """A data set that is missing or corrupt."""


class FolderError(UserError):
    """A folder that cannot be written, or that holds something else."""


def one_line(error: BaseException) -> str:
    """An error as one line: a UserError's message, or the kind and first line of any other."""
    if isinstance(error, UserError):
        return str(error)
    text = (str(error).strip().splitlines() or [""])[0][:200]
    return f"{type(error).__name__}: {text}"
