"""One thread, and a cache that belongs to the test session."""

import pytest
import torch
from click.testing import CliRunner

from vral.cli.main import main

torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory):
    """$VRAL_CACHE for the whole session: nothing is read from or left in the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VRAL_CACHE", str(folder))
        yield folder


@pytest.fixture
def vral(tmp_path, monkeypatch):
    """The command line, in process and in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return call
