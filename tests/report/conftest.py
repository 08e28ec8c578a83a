"""The page that the tests read, built once per session."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest
from filelock import FileLock
from studies import FOLDER, write_hostile_page


class Written(NamedTuple):
    """A page on a study whose every name is hostile."""

    root: Path
    """The study's folder."""
    file: Path
    """The page; its PDF stands beside it."""


@pytest.fixture(scope="session")
def written(tmp_path_factory) -> Written:
    """Built by the first worker that asks; the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "report"
    folder.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            write_hostile_page(folder)
            (folder / "done").touch()
    return Written(folder / FOLDER, folder / "page.html")
