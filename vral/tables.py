"""Tables as files.

Polars is handed bytes and never a path: of a path it makes a pattern ("x[1]", "a*"), an address
("s3://…") or a home folder ("~x").
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from vral.errors import corrupt_file
from vral.files import write_bytes

UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""What polars raises on bytes that are no table; a panic is no Exception."""


def to_parquet(frame: pl.DataFrame) -> bytes:
    """``frame`` as the content of a parquet file."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def from_parquet(content: bytes, path: Path) -> pl.DataFrame:
    """The table that ``to_parquet`` made ``content`` of.

    Raises FolderError naming ``path``, where it was read, if it is no table.
    """
    try:
        return pl.read_parquet(io.BytesIO(content))
    except UNREADABLE:
        raise corrupt_file(path) from None


def write_csv(path: Path, frame: pl.DataFrame) -> bytes:
    """Write ``frame`` whole or not at all; returns the file's content.

    Raises FolderError where it cannot be written.
    """
    content = frame.write_csv().encode()
    if not (path.is_file() and path.read_bytes() == content):  # It may lie on a read-only disk.
        write_bytes(path, content)
    return content


def from_csv(content: bytes, path: Path, schema: Mapping[str, Any] | None = None) -> pl.DataFrame:
    """The table that ``write_csv`` made ``content`` of, with the columns of ``schema`` if given.

    ``schema`` is column to polars' type, which the checker of annotations cannot read.

    Raises FolderError naming ``path``, where it was read, if it is no table or has other columns.
    """
    try:
        return pl.read_csv(io.BytesIO(content), schema=schema)
    except UNREADABLE:
        raise corrupt_file(path) from None
