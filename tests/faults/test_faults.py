"""No fault loses or changes a number; faults.py says which faults, and what may happen instead."""

import os
import signal

import forked
import pytest
from faults import FAULTS, MountError, is_stopped
from forked import Fault
from kills import killed_at_random
from trials import PATIENCE, RUN, Trials, assert_same, content, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    return Trials(tmp_path_factory.mktemp("trials"))


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_and_no_number_changes(trials, name):
    try:
        FAULTS[name](trials).row()
    except MountError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("start", "kills"), [("fork", 12), ("spawn", 2)])
def test_a_study_whose_worker_is_killed_at_a_random_instant_ends_complete(trials, start, kills):
    done, _ = killed_at_random(trials, kills, start, seed=0)
    assert done.total() == kills


def at_the_checkpoint(trials) -> int:
    """The event of a run that writes its first checkpoint."""
    events = trials.undisturbed(RUN).events("parent", True)
    return next(number for number, event in events if "checkpoint" in event.path)


def test_a_terminal_that_closes_stops_a_run_with_129_and_the_run_continues(trials):
    """The run prints to it, stands still while it closes, and then wakes up to SIGHUP."""
    ours, theirs = os.openpty()
    where = trials.folder()
    fault = Fault("signal", at_the_checkpoint(trials), value=signal.SIGSTOP)
    process = trials.context.Process(
        target=forked.run,
        args=([*RUN, "out"], os.fsencode(where), os.ttyname(theirs), fault, None),
    )
    process.start()
    wait_until(lambda: is_stopped(process.pid))
    os.close(theirs)
    os.close(ours)
    process.join(PATIENCE)
    assert process.exitcode == 129
    trials.continues(RUN, where)


def ignoring_sighup(*arguments) -> None:
    """As nohup starts a command."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    forked.run(*arguments)


def test_nohup_keeps_a_run_from_ending_with_its_terminal(trials):
    where = trials.folder()
    fault = Fault("signal", at_the_checkpoint(trials), value=signal.SIGHUP)
    output = where.with_suffix(".txt")
    process = trials.context.Process(
        target=ignoring_sighup, args=([*RUN, "out"], os.fsencode(where), str(output), fault, None)
    )
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == 0, output.read_text()
    assert_same(content(where / "out"), content(trials.undisturbed(RUN).where / "out"), "")
