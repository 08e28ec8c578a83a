"""The published files of a data set: unpacked or fetched where they are missing, and verified.

A file is verified by the MD5 of its unpacked content. What has been verified is stamped in the
cache with its size and times, so that later starts need no checksum; a file that changes has other
times and is verified again.
"""

import gzip
import hashlib
import io
import json
import os
import tarfile
import time
import zlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from vral.errors import DataError, FolderError, one_line
from vral.files import write_bytes

AGAIN = "move it aside and fetch it again with --download"

SETTLED = 2_000_000_000
"""Nanoseconds for which a file must have been left alone to be stamped: two changes within one tick
of a file system's clock have the same time."""


@dataclass(frozen=True)
class Originals:
    """The files of a data set, in the places that torchvision gives them below the root."""

    kind: str
    """The class of torchvision.datasets that fetches them."""
    folder: str
    """Where the unpacked files lie."""
    md5: Mapping[str, str]
    """Names of the unpacked files to their MD5."""
    archives: Mapping[str, Collection[str]]
    """Where the archives lie, as published, to the names of the files that each holds."""

    def read(self, root: Path, download: bool, stamps: Path) -> dict[str, bytes]:
        """The content of every file by its name, verified.

        What is missing is unpacked from an archive, or else downloaded. ``stamps`` is the file that
        remembers what has been verified.

        Raises:
            DataError: a file is missing and ``download`` is off, or cannot be read, or is corrupt.
        """
        contents, folder, known = self._unpack(root), root / self.folder, Stamps(stamps)
        for name, md5 in self.md5.items():
            if name not in contents and os.path.lexists(folder / name):
                contents[name] = known.read(folder / name, md5)
        absent = [name for name in self.md5 if name not in contents]
        if absent and download:
            self._download(root, absent)
            contents |= {name: known.read(folder / name, self.md5[name]) for name in absent}
        elif len(absent) == len(self.md5):
            raise DataError(
                f"not found in {folder}; fetch it with --download, or name the folder that holds "
                f"{Path(self.folder).parts[0]} with --data-root or VRAL_DATA"
            )
        elif absent:
            raise DataError(
                f"{folder} is incomplete, without {', '.join(absent)}; fetch it with --download"
            )
        known.keep()
        return contents

    def _unpack(self, root: Path) -> dict[str, bytes]:
        """Missing files from the archives at hand; they are kept where they can be written."""
        folder, unpacked = root / self.folder, {}
        for place, names in self.archives.items():
            if missing := [name for name in names if not os.path.lexists(folder / name)]:
                unpacked |= self._unpack_archive(root / place, missing)
        for name, content in unpacked.items():
            with suppress(FolderError, OSError):
                folder.mkdir(exist_ok=True)
                write_bytes(folder / name, content)
        return unpacked

    def _unpack_archive(self, archive: Path, names: Collection[str]) -> dict[str, bytes]:
        """The files ``names`` of an archive, verified; none where there is no such archive."""
        if not os.path.lexists(archive):
            return {}
        packed, contents = read_file(archive)[0], {}
        with suppress(EOFError, KeyError, OSError, tarfile.TarError, zlib.error):
            if archive.name.endswith(".tar.gz"):
                with tarfile.open(fileobj=io.BytesIO(packed)) as members:
                    for name in names:
                        if member := members.extractfile(f"{self.folder}/{name}"):
                            contents[name] = member.read()
            else:
                contents = dict.fromkeys(names, gzip.decompress(packed))
        for name in names:
            if md5_of(contents.get(name, b"")) != self.md5[name]:
                raise DataError(f"{archive} is corrupt (no sound {name} in it); {AGAIN}")
        return contents

    def _download(self, root: Path, names: Collection[str]) -> None:
        """Fetch all, and put the files ``names`` into their folder; no other file is touched."""
        import torchvision

        try:
            (root / self.folder).mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=".vral-download-", dir=root) as fresh:
                getattr(torchvision.datasets, self.kind)(fresh, download=True)
                for name in names:
                    os.replace(Path(fresh, self.folder, name), root / self.folder / name)
        except Exception as error:
            raise DataError(f"the download to {root} failed: {one_line(error)}") from error


class Stamps:
    """Which files were verified, by their paths: size, times and MD5 of each, in a JSON file."""

    def __init__(self, file: Path):
        self.file, self.new = file, False
        self.known: dict[str, list[int | str]] = {}
        with suppress(OSError, ValueError):
            content = json.loads(file.read_bytes()) if file.is_file() else {}
            self.known = content if isinstance(content, dict) else {}

    def read(self, path: Path, md5: str) -> bytes:
        """The content of ``path``. Raises DataError where it cannot be read or has another MD5."""
        content, status = read_file(path)
        times = (status.st_mtime_ns, status.st_ctime_ns)
        place, stamp = os.path.realpath(path), [status.st_size, *times, md5]
        if self.known.get(place) != stamp:
            if md5_of(content) != md5:
                raise DataError(f"{path} is corrupt (its MD5 is not {md5}); {AGAIN}")
            if time.time_ns() - max(times) > SETTLED:
                self.known[place], self.new = stamp, True
        return content

    def keep(self) -> None:
        """Write new stamps, if they can be written."""
        if self.new:
            with suppress(FolderError, OSError):
                self.file.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(self.file, json.dumps(self.known, indent=1).encode())


def read_file(path: Path) -> tuple[bytes, os.stat_result]:
    """The content of ``path``, and its state before it was read.

    Raises:
        DataError: it is no file, or cannot be read.
    """
    try:
        if not path.is_file():  # A pipe would wait for a writer.
            raise DataError(f"{path} is no file; {AGAIN}")
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            return file.read(), status
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None


def md5_of(content: bytes) -> str:
    """The checksum that data sets are published with; it guards against damage, not attack."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
