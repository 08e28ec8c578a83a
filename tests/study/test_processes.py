"""Child processes that outlive nobody."""

import os
import signal
import subprocess
import sys

import pytest

PARENT = """
import multiprocessing
from test_processes import wait_for_ever

if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=wait_for_ever)
    child.start()
    child.join()
"""


def wait_for_ever() -> None:
    from vral.study.processes import end_with_parent

    end_with_parent()
    print("waiting", flush=True)
    signal.pause()


@pytest.mark.slow
def test_a_child_ends_with_a_parent_that_is_killed(tmp_path):
    """The pipe to both closes only when the child too has ended."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])},
    )
    assert parent.stdout.readline() == b"waiting\n"
    parent.kill()
    assert parent.stdout.read() == b""
    parent.wait()
