"""What a user can put right: shown as one line, exit code 2."""


class UserError(Exception):
    """The message names the option, what was given and what is allowed."""


class ConfigError(UserError):
    """A setting that cannot be."""


class DataError(UserError):
    """A data set that is missing or corrupt."""


class FolderError(UserError):
    """A folder that cannot be written, or that holds something else."""
