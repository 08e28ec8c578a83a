"""One thread a worker, and a cache that belongs to the test session."""

import os
import signal

import hypothesis
import pytest
import torch
from click.testing import CliRunner
from filelock import FileLock

from vral.cli.main import main
from vral.diagnostics import quality

torch.set_num_threads(1)
hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("untimed")
# Under nohup or behind a shell's & these are ignored, and the processes of the tests inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory):
    """$VRAL_CACHE of the whole session: nothing is read from or left in the user's cache.

    pytest-xdist's workers share it, so that one of them trains the digits' classifier for all.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder.mkdir(exist_ok=True)
    cached_classifier = quality.cached_classifier

    def one_worker_at_a_time(data, cache):
        with FileLock(f"{folder}.lock"):
            return cached_classifier(data, cache)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VRAL_CACHE", str(folder))
        patch.setattr(quality, "cached_classifier", one_worker_at_a_time)
        yield folder


@pytest.fixture
def vral(tmp_path, monkeypatch):
    """The command line, in process and in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return call
