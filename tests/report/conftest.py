"""The page that the tests read, built once per session."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from filelock import FileLock
from studies import FOLDER, write_hostile_page, write_many


class Written(NamedTuple):
    """A page on a study whose every name is hostile."""

    root: Path
    """The study's folder."""
    file: Path
    """The page; its PDF stands beside it."""


def _shared(tmp_path_factory, name: str, write: Callable[[Path], None]) -> Path:
    """A folder that ``write`` fills for the first worker that asks; the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            write(folder)
            (folder / "done").touch()
    return folder


@pytest.fixture(scope="session")
def written(tmp_path_factory) -> Written:
    folder = _shared(tmp_path_factory, "report", write_hostile_page)
    return Written(folder / FOLDER, folder / "a/new/folder/page.html")


@pytest.fixture(scope="session")
def many(tmp_path_factory) -> Path:
    """The page of many studies."""
    folder = _shared(tmp_path_factory, "many", lambda folder: write_many(folder / "page.html"))
    return folder / "page.html"
