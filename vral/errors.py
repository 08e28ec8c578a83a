"""What a user can put right: shown as one line, exit code 2."""

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


class UserError(Exception):
    """The message names the option, what was given and what is allowed."""


class ConfigError(UserError):
    """A setting that cannot be."""


class DataError(UserError):
    """A data set that is missing or corrupt."""


class FolderError(UserError):
    """A folder that cannot be written, or that holds something else."""


def one_line(error: BaseException) -> str:
    """What an error says: a user's as it stands, of any other its kind and its first line."""
    if isinstance(error, UserError):
        return str(error)
    text = (str(error).strip().splitlines() or [""])[0][:200]
    return f"{type(error).__name__}: {text}"
