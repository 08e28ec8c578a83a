"""Files that are either whole or absent, and that lie where they seem to lie."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vral.errors import FolderError, corrupt_file


def drop_temporaries(folder: Path) -> None:
    """Delete what ``replace_file`` leaves in ``folder`` when its process is killed.

    Call it only with the folder's lock: another process may be about to rename its own file.
    """
    for path in folder.glob(".*.tmp"):
        if is_temporary(path):
            path.unlink(missing_ok=True)


def is_temporary(path: Path, of: str | None = None) -> bool:
    """Whether ``replace_file`` makes such a file: for the file ``of``, or for any.

    An empty one for no file is what version 0.1 left when it was killed in its first moment.
    """
    if re.fullmatch(r"\.[0-9]+\.tmp", path.name):
        return path.lstat().st_size == 0
    name = ".+" if of is None else re.escape(of)
    return re.fullmatch(rf"\.{name}\.[0-9]+\.tmp", path.name) is not None


def refuse_links(path: Path) -> None:
    """Refuse to write over what is no plain file: a symbolic link leads elsewhere.

    A hard link is a plain file. ``replace_file`` gives its name to a new file and leaves the old
    one, with its other names, as it is.

    Raises:
        FolderError: ``path`` is a link, a folder, a pipe or a device.
    """
    try:
        mode = path.lstat().st_mode
    except OSError:  # There is nothing, or writing will say why it cannot be reached.
        return
    if not stat.S_ISREG(mode):
        kinds = ((stat.S_ISLNK, "a symbolic link"), (stat.S_ISDIR, "a folder"))
        kind = next((kind for test, kind in kinds if test(mode)), "a pipe or a device")
        raise FolderError(f"cannot write {path}: it is {kind}; move it aside, or name another file")


def make_subfolder(folder: Path, parents: bool = False) -> None:
    """Create ``folder``, in one that vral writes to, if it is not there.

    Raises:
        FolderError: it cannot be created, or is a symbolic link, which leads elsewhere.
    """
    if folder.is_symlink():
        raise FolderError(
            f"cannot write to {folder}: it is a symbolic link; move it aside or name another folder"
        )
    try:
        folder.mkdir(parents=parents, exist_ok=True)
    except OSError as error:
        raise FolderError(f"cannot write to {folder}: {error.strerror}") from None


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """A temporary path that becomes ``path`` when the block ends without an error.

    Raises FolderError where it cannot be written, as on a full disk, or is a link.
    """
    refuse_links(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # It may be a link.
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise FolderError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):  # On a read-only file system even this fails.
            temporary.unlink(missing_ok=True)


def read_file(path: Path) -> bytes:
    """The content of ``path``.

    Raises:
        FolderError: it is missing, cannot be read, or is no file: a pipe would wait for a writer.
    """
    try:
        if path.is_file():
            return path.read_bytes()
    except OSError as error:
        raise FolderError(f"cannot read {path}: {error.strerror}") from None
    raise corrupt_file(path, "is no file" if path.exists() else "is missing")


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``path``, whole or not at all.

    Raises:
        FolderError: it cannot be written, as on a full disk, or is a link.
    """
    with replace_file(path) as temporary:
        temporary.write_bytes(content)
